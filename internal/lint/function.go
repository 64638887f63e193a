package lint

import (
	"go.starlark.net/syntax"
	"time"
)

// function is a def or a lambda of the project, and what a caller must know of it.
type function struct {
	file *file
	node syntax.Node
	name string
	body []syntax.Stmt // of a def
	expr syntax.Expr   // of a lambda

	params []param
	done   bool
	busy   bool // being analysed: a call from here is a recursion
	called bool

	returns value
	fresh   []*thing      // jobs that are the caller's from then on
	limit   time.Duration // of all of fresh, if it is one and known
	named   string        // the key of all of fresh; unknownKey if they differ in it
	splices []*thing      // parameters that become part of a command unquoted
}

// param is a parameter, and what the function does with what it is given.
type param struct {
	id       *syntax.Ident
	star     syntax.Token // STAR, STARSTAR or 0
	named    bool         // by name only
	reaps    bool
	escapes  bool
	returned bool
	runs     bool  // as a command, for a shell if it is text
	given    value // by all calls that were seen
}

// function returns what is known of a def or a lambda, without analysing it yet.
func (fl *flow) function(f *file, n syntax.Node) *function {
	if fn := fl.fns[n]; fn != nil {
		return fn
	}
	fn := &function{file: f, node: n}
	var params []syntax.Expr
	switch n := n.(type) {
	case *syntax.DefStmt:
		fn.name, fn.body, params = n.Name.Name, n.Body, n.Params
	case *syntax.LambdaExpr:
		fn.name, fn.expr, params = "lambda", n.Body, n.Params
	}
	named := false
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			fn.params = append(fn.params, param{id: p, named: named})
		case *syntax.BinaryExpr:
			fn.params = append(fn.params, param{id: p.X.(*syntax.Ident), named: named})
		case *syntax.UnaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				fn.params = append(fn.params, param{id: id, star: p.Op})
			}
			named = true
		}
	}
	fl.fns[n] = fn
	return fn
}

// maxDepth bounds how many calls the analysis follows into one another.
const maxDepth = 500

// analyse follows the function's body once; it reports false if that can't be said yet, as in
// a recursion.
func (fl *flow) analyse(fn *function) bool {
	if fn.done || fn.busy || fl.depth > maxDepth {
		return fn.done
	}
	fn.busy = true
	fl.depth++
	defer func() { fl.depth-- }()
	x := &frame{fl: fl, file: fn.file, fn: fn, vars: vars{}}
	for i, p := range fn.params {
		x.set(p.id, value{fl.param(fn, i, "")})
	}
	if fn.expr != nil {
		fn.returns = x.eval(fn.expr)
	} else {
		x.block(fn.body)
	}
	fl.conclude(fn)
	fn.busy, fn.done = false, true
	return true
}

// conclude makes of what the function returns what its callers get.
func (fl *flow) conclude(fn *function) {
	fn.fresh = nil
	fn.returns.reach(func(t *thing) {
		switch t.kind {
		case aJob:
			if !t.reaped && !t.escaped {
				fn.fresh = append(fn.fresh, t)
				t.returned = true
			}
		case aParam:
			fn.params[t.index].returned = true
		}
	})
	for i, t := range fn.fresh {
		if i == 0 {
			fn.limit, fn.named = t.limit, t.named
		}
		if t.limit != fn.limit {
			fn.limit = 0
		}
		if t.named != fn.named {
			fn.named = unknownKey
		}
	}
}

// actual is an argument of a call.
type actual struct {
	name string // "" by position
	star bool   // *x or **x
	node syntax.Expr
	v    value
}

// invoke returns what a call of fn gives at node n, and passes on to the arguments what fn does with them.
func (x *frame) invoke(fn *function, n syntax.Node, args []actual) value {
	fl := x.fl
	fn.called = true
	if !fl.analyse(fn) {
		x.escapeAll(args)
		return fl.unknown()
	}
	given := make([]value, len(fn.params))
	for i, a := range fn.match(args) {
		if a < 0 {
			fl.escape(args[i].v)
			continue
		}
		given[a] = union(given[a], args[i].v)
	}
	var out value
	for i := range fn.params {
		p := &fn.params[i]
		p.given = union(p.given, given[i])
		if p.runs {
			x.run(given[i])
		}
		if p.reaps {
			fl.reap(given[i])
		}
		if p.escapes {
			fl.escape(given[i])
		}
		if p.returned {
			out = union(out, given[i])
		}
	}
	for _, s := range fn.splices {
		for _, moved := range x.moved(s, given) {
			x.spliced(moved)
		}
	}
	for _, t := range fn.returns {
		switch t.kind {
		case aJob, aParam:
		case aList:
			out = union(out, x.copied(fn, t, n, given))
		case aSplice:
			out = union(out, x.moved(t, given))
		default:
			out = union(out, value{t})
		}
	}
	if len(fn.fresh) > 0 {
		out = union(out, fl.job(x.file, n, fn.number(), fn.limit, fn.named))
	}
	return out
}

// copied stands in for a container that fn returns: it holds what of it does not belong to fn alone.
func (x *frame) copied(fn *function, t *thing, n syntax.Node, given []value) value {
	var inside value
	value{t}.reach(func(t *thing) {
		switch t.kind {
		case aJob, aList:
		case aParam:
			inside = union(inside, given[t.index])
		case aSplice:
			inside = union(inside, x.moved(t, given))
		default:
			inside = union(inside, value{t})
		}
	})
	if len(fn.fresh) > 0 {
		inside = union(inside, x.fl.job(x.file, n, fn.number(), fn.limit, fn.named))
	}
	return x.fl.list(x.file, n, inside)
}

// number tells the functions apart that one call may mean.
func (fn *function) number() int { return int(syntax.Start(fn.node).Line) }

// match returns, for each argument, the index of the parameter it is for, or -1.
func (fn *function) match(args []actual) []int {
	out := make([]int, len(args))
	next := 0
	for i, a := range args {
		out[i] = -1
		switch {
		case a.star:
		case a.name != "":
			for j, p := range fn.params {
				if p.star == syntax.STARSTAR && out[i] < 0 || p.star == 0 && p.id.Name == a.name {
					out[i] = j
				}
			}
		default:
			if next < len(fn.params) && fn.params[next].star == 0 && !fn.params[next].named {
				out[i] = next
				next++
				continue
			}
			for j, p := range fn.params {
				if p.star == syntax.STAR {
					out[i] = j
				}
			}
		}
	}
	return out
}

func (x *frame) escapeAll(args []actual) {
	for _, a := range args {
		x.fl.escape(a.v)
	}
}
