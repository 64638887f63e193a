package lint

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// index is what one pass over a resolved file collects about its names. A variable is known by the identifier that
// binds it first.
type index struct {
	loadStmts    []*syntax.LoadStmt
	functions    []syntax.Node // *DefStmt and *LambdaExpr
	structFields map[string]bool
	reads        map[*syntax.Ident]int
	// bound are the values a variable gets in plain assignments and definitions; nil stands for any other way.
	bound map[*syntax.Ident][]syntax.Node
	// checked are variables that some condition compares with what is allowed.
	checked   map[*syntax.Ident]bool
	constants map[*syntax.Ident]starlark.Value
}

func newIndex(tree *syntax.File) *index {
	x := &index{structFields: map[string]bool{}, reads: map[*syntax.Ident]int{}, bound: map[*syntax.Ident][]syntax.Node{},
		checked: map[*syntax.Ident]bool{}, constants: map[*syntax.Ident]starlark.Value{}}
	binding := map[*syntax.Ident]bool{} // identifiers that are not reads
	bind := func(e syntax.Expr, to syntax.Node) { x.bind(e, to, binding) }
	params := func(list []syntax.Expr) {
		for _, p := range list {
			switch p := p.(type) {
			case *syntax.BinaryExpr:
				bind(p.X, nil)
			case *syntax.UnaryExpr:
				if p.X != nil {
					bind(p.X, nil)
				}
			default:
				bind(p, nil)
			}
		}
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			x.loadStmts = append(x.loadStmts, n)
			for _, to := range n.To {
				bind(to, nil)
			}
			return false
		case *syntax.AssignStmt:
			if n.Op == syntax.EQ {
				bind(n.LHS, n.RHS)
			} else if id, ok := unparen(n.LHS).(*syntax.Ident); ok {
				x.bound[first(id)] = append(x.bound[first(id)], nil)
			}
		case *syntax.ForStmt:
			bind(n.Vars, nil)
		case *syntax.ForClause:
			bind(n.Vars, nil)
		case *syntax.DefStmt:
			bind(n.Name, n)
			params(n.Params)
			x.functions = append(x.functions, n)
		case *syntax.LambdaExpr:
			params(n.Params)
			x.functions = append(x.functions, n)
		case *syntax.CallExpr:
			x.call(n)
		case *syntax.BinaryExpr:
			if id, ok := unparen(n.X).(*syntax.Ident); ok && (n.Op == syntax.IN || n.Op == syntax.NOT_IN) {
				x.checked[first(id)] = true
			}
		case *syntax.Ident:
			if v := first(n); v != nil && !binding[n] {
				x.reads[v]++
			}
		}
		return true
	})
	return x
}

// bind notes that the target e is bound to a value; only a name alone is bound to all of it.
func (x *index) bind(e syntax.Expr, to syntax.Node, binding map[*syntax.Ident]bool) {
	switch e := e.(type) {
	case *syntax.Ident:
		binding[e] = true
		if v := first(e); v != nil {
			x.bound[v] = append(x.bound[v], to)
		}
	case *syntax.ParenExpr:
		x.bind(e.X, to, binding)
	case *syntax.TupleExpr:
		for _, one := range e.List {
			x.bind(one, nil, binding)
		}
	case *syntax.ListExpr:
		for _, one := range e.List {
			x.bind(one, nil, binding)
		}
	}
}

// predicates are the methods of a string that say what it consists of.
var predicates = words("isalnum isalpha isdigit")

func (x *index) call(n *syntax.CallExpr) {
	if dot, ok := unparen(n.Fn).(*syntax.DotExpr); ok && predicates[dot.Name.Name] {
		if id, ok := unparen(dot.X).(*syntax.Ident); ok {
			x.checked[first(id)] = true
		}
	}
	if id, ok := n.Fn.(*syntax.Ident); ok && id.Name == "struct" {
		for _, a := range n.Args {
			if kw, ok := a.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
				x.structFields[kw.X.(*syntax.Ident).Name] = true
			}
		}
	}
}

// first returns the identifier that binds the variable first; nil for what is no variable of the file.
func first(id *syntax.Ident) *syntax.Ident {
	if b, ok := id.Binding.(*resolve.Binding); ok {
		return b.First
	}
	return nil
}

// scope returns where the name lives; Undefined when the resolver did not come to it.
func scope(id *syntax.Ident) resolve.Scope {
	if b, ok := id.Binding.(*resolve.Binding); ok {
		return b.Scope
	}
	return resolve.Undefined
}

func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}
