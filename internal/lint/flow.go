package lint

import (
	"time"

	"go.starlark.net/syntax"
)

// This file has what the analysis of a project learns, about each thing and about the whole: it only ever grows, so
// that following a loop or a function once more ends when nothing is new.

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

func (fl *flow) job(f *file, n syntax.Node, index int, limit time.Duration, named string) value {
	t := fl.make(f, key{node: n, kind: aJob, index: index})
	t.limit, t.named = limit, named
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
