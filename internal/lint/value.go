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
	named    string        // of a job, its key: whoever sees the end of one job of a key has seen it for all
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

// isCeiling reports whether d is a ceiling that is known and ends.
func isCeiling(d time.Duration) bool { return d > 0 && d != spec.Forever }
