package lint

import (
	"maps"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// vars is what each variable may be at one point of a function.
type vars map[*syntax.Ident]value

func join(a, b vars) vars {
	out := maps.Clone(a)
	for k, v := range b {
		out[k] = union(out[k], v)
	}
	return out
}

func same(a, b vars) bool {
	return maps.EqualFunc(a, b, func(x, y value) bool { return len(x) == len(y) && len(union(x, y)) == len(x) })
}

// frame follows the statements of one function, or of a file's top level, in the order of their execution.
type frame struct {
	fl   *flow
	file *file
	fn   *function // nil at the top level
	vars vars
	// exits are the states in which the innermost loop is left or begun anew; nil outside of loops.
	exits *[]vars
	loops int
	// dropped is the call of which the statement ignores the answer.
	dropped syntax.Expr
}

// maxSteps bounds the analysis of a project. What would take longer (loops within loops within loops, of thousands of
// lines) is left without findings of the flow.
const maxSteps = 2_000_000

func (fl *flow) spent() bool {
	fl.steps++
	return fl.steps > maxSteps
}

// block follows statements and reports whether their end can be reached.
func (x *frame) block(stmts []syntax.Stmt) bool {
	for _, s := range stmts {
		if x.fl.spent() {
			return false
		}
		if !x.stmt(s) {
			return false
		}
	}
	return true
}

func (x *frame) stmt(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		x.dropped = unparen(s.X)
		x.eval(s.X)
		return !ends(s.X)
	case *syntax.AssignStmt:
		x.assignment(s)
	case *syntax.DefStmt:
		x.defaults(s.Params)
		fn := x.fl.function(x.file, s)
		x.set(s.Name, value{x.fl.ofFunction(fn)})
	case *syntax.IfStmt:
		return x.branch(s)
	case *syntax.ForStmt:
		over := x.eval(s.X)
		x.loop(s.Body, func() { x.assign(s.Vars, over.items()) })
	case *syntax.WhileStmt:
		x.loop(s.Body, func() { x.eval(s.Cond) })
	case *syntax.ReturnStmt:
		if s.Result != nil {
			v := x.eval(s.Result)
			if x.fn != nil {
				x.fn.returns = union(x.fn.returns, v)
			}
		}
		return false
	case *syntax.BranchStmt:
		if s.Token == syntax.PASS {
			return true
		}
		if x.exits != nil {
			*x.exits = append(*x.exits, maps.Clone(x.vars))
		}
		return false
	}
	return true
}

func (x *frame) branch(s *syntax.IfStmt) bool {
	x.eval(s.Cond)
	before := maps.Clone(x.vars)
	x.fl.steps += len(x.vars) / 4
	first := x.block(s.True)
	then := x.vars
	x.vars = before
	second := x.block(s.False)
	switch {
	case first && second:
		x.vars = join(then, x.vars)
	case first:
		x.vars = then
	}
	return first || second
}

// loop follows a body until another round would bring nothing new.
func (x *frame) loop(body []syntax.Stmt, next func()) {
	outer := x.exits
	x.loops++
	for {
		changes, head := x.fl.changes, maps.Clone(x.vars)
		x.fl.steps += len(x.vars) / 4
		var exits []vars
		x.exits = &exits
		next()
		over := maps.Clone(x.vars)
		if !x.block(body) {
			x.vars = over
		}
		for _, e := range append(exits, head, over) {
			x.vars = join(x.vars, e)
		}
		if x.fl.changes == changes && same(head, x.vars) || x.fl.spent() {
			break
		}
	}
	x.loops--
	x.exits = outer
}

func (x *frame) assignment(s *syntax.AssignStmt) {
	if s.Op != syntax.EQ {
		old, v := x.eval(s.LHS), x.eval(s.RHS)
		if s.Op == syntax.PLUS_EQ || s.Op == syntax.PIPE_EQ {
			if old.any(aList) || old.any(aParam) || old.any(aGlobal) {
				x.fl.insert(old.only(func(t *thing) bool { return t.kind != aText }), v.items())
			}
		}
		x.assign(s.LHS, x.combined(s.Op-syntax.PLUS_EQ+syntax.PLUS, s.LHS, s.RHS, old, v))
		return
	}
	if id, ok := unparen(s.LHS).(*syntax.Ident); ok && x.unread(id) {
		x.dropped = unparen(s.RHS)
	}
	targets, values := itemsOf(s.LHS), itemsOf(s.RHS)
	if targets == nil || len(targets) != len(values) {
		x.assign(s.LHS, x.eval(s.RHS))
		return
	}
	each := make([]value, len(values))
	for i, e := range values {
		each[i] = x.eval(e)
	}
	for i, e := range targets {
		x.assign(e, each[i])
	}
}

// unread reports whether nobody ever looks at the variable.
func (x *frame) unread(id *syntax.Ident) bool {
	v := first(id)
	return v != nil && x.file.reads[v] == 0 && !(x.file.library && scope(id) == resolve.Global)
}

// assign gives v to a target.
func (x *frame) assign(target syntax.Expr, v value) {
	switch e := target.(type) {
	case *syntax.Ident:
		x.set(e, v)
	case *syntax.ParenExpr:
		x.assign(e.X, v)
	case *syntax.TupleExpr, *syntax.ListExpr:
		parts := union(v, v.items())
		for _, one := range itemsOf(e) {
			x.assign(one, parts)
		}
	case *syntax.IndexExpr:
		x.eval(e.Y)
		x.fl.insert(x.eval(e.X), v)
	default:
		x.eval(target)
		x.fl.escape(v)
	}
}

// set gives v to a variable. One that inner functions share is not followed.
func (x *frame) set(id *syntax.Ident, v value) {
	variable := first(id)
	if variable == nil {
		x.fl.escape(v)
		return
	}
	switch scope(id) {
	case resolve.Cell, resolve.Free:
		x.fl.escape(v)
	case resolve.Global:
		if all := union(x.fl.globals[variable], v); len(all) != len(x.fl.globals[variable]) {
			x.fl.globals[variable] = all
			x.fl.changes++
		}
	}
	x.vars[variable] = v
}

// defaults evaluates the defaults of parameters. A value that all calls share is not followed.
func (x *frame) defaults(params []syntax.Expr) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			x.fl.escape(x.eval(b.Y))
		}
	}
}

func (fl *flow) ofFunction(fn *function) *thing {
	t := fl.make(fn.file, key{node: fn.node, kind: aFunction})
	t.fn = fn
	return t
}
