package lint

import (
	"slices"
	"time"

	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// This file has what the flow analysis computes with: an expression's value is the set of things it may be, and each
// thing is known by the place in the source that made it.

type kind int

const (
	aJob      kind = iota + 1 // a detached job, its Result or its id
	aList                     // anything that holds other things
	aParam                    // what the caller of a function gave for a parameter, or an attribute of that
	aGlobal                   // what a global variable holds, seen from a function
	aFunction                 // a function of the project
	aBuiltin                  // a builtin or one of Starlark's own functions
	aText                     // text that the script itself made
	aForeign                  // text that comes from a host or from outside
	aHost                     // a host as host() returns it
	aSplice                   // text into which a foreign one was put unquoted
	everyJob                  // what jobs() returns
	unknown
)

// thing is one thing that an expression's value may be.
type thing struct {
	kind  kind
	id    int
	file  *file
	node  syntax.Node // that made it
	what  string      // of a builtin its name, of foreign text where it is from
	first *syntax.Ident

	fn    *function // whose parameter it is, or which function it is
	index int       // of the parameter
	attr  string    // of the parameter: "" for itself, plain for what can't do harm in a command

	limit    time.Duration // of a job; 0 if it is not known, spec.Forever
	reaped   bool
	escaped  bool // went somewhere that can't be followed: whatever is put into it does so too
	returned bool
	looks    []*look

	of    *thing // of a splice: the foreign text or the parameter
	holds value
}

// plain is the attr of a parameter that became part of other text in a harmless way, but may still be a job's id.
const plain = "\x00"

// look is a call of async_status that looks once and of which nobody reads the answer.
type look struct {
	file *file
	pos  syntax.Position
	said bool // that it is only one look is reported already
}

// value is a set of things, sorted by id. It is never changed in place.
type value []*thing

func union(a, b value) value {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || len(a) == len(b) && &a[0] == &b[0]:
		return a
	}
	if len(b) < len(a) {
		a, b = b, a
	}
	missing := 0
	for _, t := range a {
		if !b.has(t) {
			missing++
		}
	}
	if missing == 0 {
		return b
	}
	out := make(value, 0, len(b)+missing)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && a[i].id < b[j].id:
			out = append(out, a[i])
			i++
		case i == len(a) || b[j].id < a[i].id:
			out = append(out, b[j])
			j++
		default:
			out = append(out, a[i])
			i, j = i+1, j+1
		}
	}
	return out
}

func (v value) has(t *thing) bool {
	_, found := slices.BinarySearchFunc(v, t.id, func(x *thing, id int) int { return x.id - id })
	return found
}

// any reports whether one of the things is of the kind.
func (v value) any(k kind) bool {
	return slices.ContainsFunc(v, func(t *thing) bool { return t.kind == k })
}

// only returns the things for which keep holds.
func (v value) only(keep func(*thing) bool) value {
	if !slices.ContainsFunc(v, func(t *thing) bool { return !keep(t) }) {
		return v
	}
	var out value
	for _, t := range v {
		if keep(t) {
			out = append(out, t)
		}
	}
	return out
}

// reach visits the things of v and all that they hold, each once.
func (v value) reach(visit func(*thing)) {
	seen := map[*thing]bool{}
	var walk func(value)
	walk = func(v value) {
		for _, t := range v {
			if !seen[t] {
				seen[t] = true
				visit(t)
				walk(t.holds)
			}
		}
	}
	walk(v)
}

// items returns what taking an item, an attribute or the next of an iteration may give.
func (v value) items() value {
	var out value
	for _, t := range v {
		switch t.kind {
		case aList:
			out = union(out, t.holds)
		case aFunction, aBuiltin:
		default:
			out = union(union(out, value{t}), t.holds)
		}
	}
	return out
}

// key says which thing a node makes.
type key struct {
	node  syntax.Node
	kind  kind
	index int
	attr  string
	of    *thing
}

// flow is the analysis of a whole project.
type flow struct {
	p       *project
	things  map[key]*thing
	globals map[*syntax.Ident]value // all that a global was ever given
	used    map[*syntax.Ident]bool  // globals that functions reap or pass on
	texts   map[*syntax.Ident]value // what text each global may be, as far as the first pass has seen
	fns     map[syntax.Node]*function
	jobs    []*thing
	waits   map[*syntax.CallExpr]*patience
	last    map[syntax.Expr]value // of each item of a list or tuple, when it was evaluated last
	changes int                   // counts everything that was learnt, to see when a loop has nothing new
	steps   int                   // how much work there was
	depth   int                   // of the calls that are being followed
	keyed   []*call               // those that may attach to a job by its key and see its end
	every   bool                  // jobs() is reaped: then everything is
}

// patience is a call of async_status that gives up after a while, and what it was given.
type patience struct {
	call *call
	span time.Duration
	jobs value
}

// make returns the thing of a key, a new one the first time.
func (fl *flow) make(f *file, k key) *thing {
	t := fl.things[k]
	if t == nil {
		t = &thing{kind: k.kind, id: len(fl.things) + 1, file: f, node: k.node, index: k.index, attr: k.attr, of: k.of}
		fl.things[k] = t
		if k.kind == aJob {
			fl.jobs = append(fl.jobs, t)
		}
		fl.changes++
	}
	return t
}

func (fl *flow) job(f *file, n syntax.Node, index int, limit time.Duration) value {
	t := fl.make(f, key{node: n, kind: aJob, index: index})
	t.limit = limit
	return value{t}
}

// list returns a container that the node makes, and puts v into it.
func (fl *flow) list(f *file, n syntax.Node, v value) value {
	t := fl.make(f, key{node: n, kind: aList})
	fl.put(t, v)
	return value{t}
}

func (fl *flow) text() *thing { return fl.make(nil, key{kind: aText}) }

func (fl *flow) unknown() value { return value{fl.make(nil, key{kind: unknown})} }

func (fl *flow) foreign(f *file, n syntax.Node, what string) value {
	t := fl.make(f, key{node: n, kind: aForeign})
	t.what = what
	return value{t}
}

func (fl *flow) put(into *thing, v value) {
	if into.escaped {
		fl.escape(v)
	}
	if all := union(into.holds, v); len(all) != len(into.holds) {
		into.holds = all
		fl.changes++
	}
}

// insert puts v into whatever the containers are; what can't be followed lets it escape.
func (fl *flow) insert(containers, v value) {
	followed := false
	for _, t := range containers {
		switch t.kind {
		case aList, aJob:
			fl.put(t, v)
			followed = true
		case aText:
		default:
			fl.escape(v)
			return
		}
	}
	if !followed {
		fl.escape(v)
	}
}

func (fl *flow) mark(flag *bool) {
	if !*flag {
		*flag = true
		fl.changes++
	}
}

// reap notes that v was given to a builtin that sees its end, or leaves it on purpose.
func (fl *flow) reap(v value) {
	v.reach(func(t *thing) {
		switch t.kind {
		case aJob:
			fl.mark(&t.reaped)
		case aParam:
			fl.mark(&t.fn.params[t.index].reaps)
		case aGlobal:
			fl.use(t.first)
		case everyJob:
			fl.mark(&fl.every)
		}
	})
}

// escape notes that v went where it can't be followed.
func (fl *flow) escape(v value) {
	v.reach(func(t *thing) {
		switch t.kind {
		case aJob, aList:
			fl.mark(&t.escaped)
		case aParam:
			fl.mark(&t.fn.params[t.index].escapes)
		case aGlobal:
			fl.use(t.first)
		case everyJob:
			fl.mark(&fl.every)
		}
	})
}

func (fl *flow) use(global *syntax.Ident) {
	if !fl.used[global] {
		fl.used[global] = true
		fl.changes++
	}
}

// harmless returns v without what makes text foreign; a job's id may still be in it.
func (fl *flow) harmless(v value) value {
	var out value
	for _, t := range v {
		switch t.kind {
		case aForeign, aSplice, aHost:
		case aParam:
			out = union(out, value{fl.param(t.fn, t.index, plain)})
		default:
			out = union(out, value{t})
		}
	}
	return out
}

func (fl *flow) param(fn *function, index int, attr string) *thing {
	t := fl.make(fn.file, key{node: fn.node, kind: aParam, index: index, attr: attr})
	t.fn = fn
	return t
}

// isCeiling reports whether d is a ceiling that is known and ends.
func isCeiling(d time.Duration) bool { return d > 0 && d != spec.Forever }
