package lint

import (
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// outcome are the attributes of a Result of which none leads back to its job, jid aside.
var outcome = words("host name cmd state started finished failed changed skipped timed_out rc stdout stderr elapsed msg stdout_bytes stderr_bytes")

// eval returns what e may be, and follows what its evaluation does.
func (x *frame) eval(e syntax.Expr) value {
	if e == nil || x.fl.spent() {
		return nil
	}
	fl := x.fl
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return x.eval(e.X)
	case *syntax.Literal:
		if _, ok := e.Value.(string); ok {
			return value{fl.text()}
		}
	case *syntax.Ident:
		return x.name(e)
	case *syntax.UnaryExpr:
		v := x.eval(e.X)
		if e.Op == syntax.NOT {
			return nil
		}
		return v
	case *syntax.BinaryExpr:
		a, b := x.eval(e.X), x.eval(e.Y)
		return x.combined(e.Op, e.X, e.Y, a, b)
	case *syntax.CondExpr:
		x.eval(e.Cond)
		return union(x.eval(e.True), x.eval(e.False))
	case *syntax.ListExpr:
		return fl.list(x.file, e, x.evalAll(e.List))
	case *syntax.TupleExpr:
		return fl.list(x.file, e, x.evalAll(e.List))
	case *syntax.DictExpr:
		return fl.list(x.file, e, x.evalAll(e.List))
	case *syntax.DictEntry:
		return union(x.eval(e.Key), x.eval(e.Value))
	case *syntax.Comprehension:
		return x.comprehension(e)
	case *syntax.IndexExpr:
		x.eval(e.Y)
		return x.eval(e.X).items()
	case *syntax.SliceExpr:
		for _, bound := range []syntax.Expr{e.Lo, e.Hi, e.Step} {
			x.eval(bound)
		}
		return x.eval(e.X)
	case *syntax.DotExpr:
		return x.attribute(e, x.eval(e.X))
	case *syntax.LambdaExpr:
		x.defaults(e.Params)
		return value{fl.ofFunction(fl.function(x.file, e))}
	case *syntax.CallExpr:
		return x.call(e)
	}
	return nil
}

func (x *frame) evalAll(list []syntax.Expr) value {
	var out value
	for _, e := range list {
		v := x.eval(e)
		x.fl.last[e] = v
		out = union(out, v)
	}
	return out
}

// name returns what a name stands for.
func (x *frame) name(id *syntax.Ident) value {
	fl, variable := x.fl, first(id)
	if variable == nil {
		switch s := scope(id); {
		case s == resolve.Predeclared, s == resolve.Universal && id.Name != "None" && id.Name != "True" && id.Name != "False":
			t := fl.make(nil, key{kind: aBuiltin, attr: id.Name})
			t.what = id.Name
			return value{t}
		case s == resolve.Universal:
			return nil
		}
		return fl.unknown()
	}
	var v value
	from, loaded := x.file.loads[variable]
	switch {
	case loaded:
		g, def := from.resolve(0)
		if def == nil {
			return fl.unknown()
		}
		return value{fl.ofFunction(fl.function(g, def))}
	case scope(id) == resolve.Free:
		return fl.unknown()
	case scope(id) == resolve.Global && x.fn != nil:
		v = x.global(variable)
	default:
		v = x.vars[variable]
	}
	if x.file.checked[variable] {
		return fl.harmless(v)
	}
	return v
}

// global returns what a function sees of a global: itself, and the functions it may be.
func (x *frame) global(variable *syntax.Ident) value {
	t := x.fl.make(x.file, key{node: variable, kind: aGlobal})
	t.first = variable
	v := union(value{t}, x.fl.texts[variable])
	for _, to := range x.file.bound[variable] {
		switch to := to.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			v = union(v, value{x.fl.ofFunction(x.fl.function(x.file, to))})
		}
	}
	return v
}

// rememberTexts notes what kinds of text each global may be, for the functions that read it. Its jobs are not among
// that: which of them a function sees depends on when it is called.
func (fl *flow) rememberTexts(f *file, variable *syntax.Ident, v value) {
	var texts value
	for _, t := range v {
		switch t.kind {
		case aSplice:
			texts = union(texts, value{t})
		case aList:
			list := fl.make(f, key{node: variable, kind: aList})
			list.escaped = true
			texts = union(texts, value{list})
		}
	}
	v.reach(func(t *thing) {
		switch t.kind {
		case aForeign, aHost, aText:
			texts = union(texts, value{t})
		}
	})
	fl.texts[variable] = texts
}

func (x *frame) comprehension(e *syntax.Comprehension) value {
	var out value
	for {
		changes := x.fl.changes
		for _, clause := range e.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				x.assign(clause.Vars, x.eval(clause.X).items())
			case *syntax.IfClause:
				x.eval(clause.Cond)
			}
		}
		out = x.fl.list(x.file, e, x.eval(e.Body))
		if x.fl.changes == changes || x.fl.spent() {
			return out
		}
	}
}

// attribute returns what e may be when v is what it is an attribute of.
func (x *frame) attribute(e *syntax.DotExpr, v value) value {
	fl, name := x.fl, e.Name.Name
	own := x.fl.p.fields[name]
	var out value
	switch name {
	case "stdout", "stderr", "stdout_bytes", "stderr_bytes":
		if !own {
			out = fl.foreign(x.file, e, "the output of a command")
		}
	}
	for _, t := range v {
		switch t.kind {
		case aForeign:
			out = union(out, value{t})
		case aHost:
			if name != "port" {
				out = union(out, fl.foreign(x.file, e, "a host's "+name))
			}
		case aParam:
			if t.attr == "" && len(out) == 0 {
				out = union(out, value{fl.param(t.fn, t.index, name)})
			}
		}
	}
	if outcome[name] && !own {
		return out
	}
	for _, t := range v.items() {
		switch t.kind {
		case aForeign, aHost:
		case aParam:
			out = union(out, value{fl.param(t.fn, t.index, plain)})
		default:
			out = union(out, value{t})
		}
	}
	return out
}

// combined is a binary operation on a and b, the values of ea and eb.
func (x *frame) combined(op syntax.Token, ea, eb syntax.Expr, a, b value) value {
	switch op {
	case syntax.PLUS:
		if a.any(aList) || b.any(aList) || !a.any(aText) && !b.any(aText) {
			return union(a, b)
		}
		return union(x.splice(ea, a), x.splice(eb, b))
	case syntax.PERCENT:
		if a.any(aText) {
			return union(x.splice(ea, a), x.formatted(ea, eb, b))
		}
		return union(a, b)
	case syntax.AND, syntax.OR, syntax.PIPE, syntax.AMP, syntax.STAR:
		return union(a, b)
	}
	return nil
}
