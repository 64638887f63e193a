package lint

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// This file has the rules about where a builtin may be called: each-at-top-level and host-effect-in-library.

// touching are builtins with an effect that their parameters do not show.
var touching = words("each hosts jobs ping var secret facts stat wait_for get_url copy fetch template package service script reboot")

// effect reports whether a builtin can't be called while a module is loaded.
func (p *project) effect(s *spec.Spec) bool {
	if p.o.Effect != nil {
		return p.o.Effect(s.Name)
	}
	return touching[s.Name] || slices.ContainsFunc(s.Params, func(param spec.Param) bool {
		return param.Name == "ignore_errors" || param.Name == "async" || param.Type == spec.Job || param.Type == spec.Jobs
	})
}

// places looks at the calls that the file's top level makes, itself or through functions of the project.
func (p *project) places(f *file) {
	wrong := func(s *spec.Spec) bool { return s.Name == "each" }
	if f.library {
		wrong = p.effect
	}
	walkOutside(f.tree, func(e *syntax.CallExpr) {
		if c := p.call(f, e); c != nil {
			if wrong(c.spec) {
				p.misplaced(f, e, c.spec.Name, "")
			}
			return
		}
		g, def := p.target(f, e)
		if def == nil {
			return
		}
		if name := p.surely(g, def, wrong, map[*syntax.DefStmt]bool{}); name != "" {
			p.misplaced(f, e, name, def.Name.Name)
		}
	})
}

// misplaced reports a call at the top level; by is the function that makes it, or "".
func (p *project) misplaced(f *file, e *syntax.CallExpr, builtin, by string) {
	through := ""
	if by != "" {
		through = ", which " + by + "() calls"
	}
	if f.library {
		p.report(f, HostEffect, syntax.Start(e), "move the call into a function, and call that from the script",
			"%s%s: not at the top level of a file that is loaded: it runs once, for all hosts", builtin, through)
		return
	}
	hint := "put the call into def main(), which is called once the top level has run"
	if by == "main" {
		hint = "leave the call out: main() is called once the top level has run"
	}
	p.report(f, EachAtTopLevel, syntax.Start(e), hint, "%s%s: not from the top level", builtin, through)
}

// walkOutside visits the calls that a tree makes outside of its functions; their defaults are outside.
func walkOutside(n syntax.Node, visit func(*syntax.CallExpr)) {
	syntax.Walk(n, func(n syntax.Node) bool {
		var params []syntax.Expr
		switch n := n.(type) {
		case *syntax.DefStmt:
			params = n.Params
		case *syntax.LambdaExpr:
			params = n.Params
		case *syntax.CallExpr:
			visit(n)
			return true
		default:
			return true
		}
		for _, param := range params {
			if b, ok := param.(*syntax.BinaryExpr); ok {
				walkOutside(b.Y, visit)
			}
		}
		return false
	})
}

// target returns the function that a call means, with its file, if it is certainly one of the project.
func (p *project) target(f *file, e *syntax.CallExpr) (*file, *syntax.DefStmt) {
	id, ok := unparen(e.Fn).(*syntax.Ident)
	if !ok {
		return nil, nil
	}
	v := first(id)
	if v == nil {
		return nil, nil
	}
	if from, loaded := f.loads[v]; loaded {
		return from.resolve(0)
	}
	if bound := f.bound[v]; len(bound) == 1 {
		switch to := bound[0].(type) {
		case *syntax.DefStmt:
			return f, to
		case *syntax.LambdaExpr:
			return f, p.defOf(id, to)
		}
	}
	return nil, nil
}

// defOf returns the def that a lambda under a name stands for.
func (p *project) defOf(name *syntax.Ident, l *syntax.LambdaExpr) *syntax.DefStmt {
	def := p.lambdas[l]
	if def == nil {
		def = &syntax.DefStmt{Name: name, Params: l.Params, Body: []syntax.Stmt{&syntax.ReturnStmt{Result: l.Body}}}
		p.lambdas[l] = def
	}
	return def
}

// resolve returns the function that is exported under the name; nil if it is none, or not certainly.
func (x export) resolve(depth int) (*file, *syntax.DefStmt) {
	if x.file == nil || x.file.index == nil || depth > 20 {
		return nil, nil
	}
	for v, bound := range x.file.bound {
		if v.Name != x.name || len(bound) != 1 || scope(v) != resolve.Global {
			continue
		}
		switch to := bound[0].(type) {
		case *syntax.DefStmt:
			return x.file, to
		case *syntax.Ident: // name = loaded
			if again, ok := x.file.loads[first(to)]; ok && first(to) != nil {
				return again.resolve(depth + 1)
			}
		}
	}
	return nil, nil
}

// surely returns the first builtin for which wrong holds that a call of def reaches whatever its arguments are, or "".
func (p *project) surely(f *file, def *syntax.DefStmt, wrong func(*spec.Spec) bool, seen map[*syntax.DefStmt]bool) string {
	if seen[def] || len(seen) > maxDepth { // found nothing, or still at it
		return ""
	}
	seen[def] = true
	name := ""
	for _, stmt := range def.Body {
		var e syntax.Node
		last := true
		switch stmt := stmt.(type) {
		case *syntax.ExprStmt:
			e, last = stmt.X, ends(stmt.X)
		case *syntax.AssignStmt:
			e, last = stmt.RHS, false
		case *syntax.ReturnStmt:
			if stmt.Result != nil {
				e = stmt.Result
			}
		case *syntax.ForStmt:
			e = stmt.X
		case *syntax.IfStmt:
			e = stmt.Cond
		case *syntax.DefStmt, *syntax.BranchStmt:
			last = false
		}
		if e != nil {
			walkCertain(e, func(c *syntax.CallExpr) {
				if name != "" {
					return
				}
				if b := p.call(f, c); b != nil {
					if wrong(b.spec) {
						name = b.spec.Name
					}
				} else if g, inner := p.target(f, c); inner != nil {
					name = p.surely(g, inner, wrong, seen)
				}
			})
		}
		if last || name != "" {
			break
		}
	}
	return name
}

// ends reports whether a statement ends the function: fail(...).
func ends(e syntax.Expr) bool {
	call, ok := unparen(e).(*syntax.CallExpr)
	if !ok {
		return false
	}
	id, ok := call.Fn.(*syntax.Ident)
	return ok && id.Name == "fail"
}

// walkCertain visits the calls that the evaluation of e makes in any case.
func walkCertain(e syntax.Node, visit func(*syntax.CallExpr)) {
	syntax.Walk(e, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LambdaExpr:
			return false
		case *syntax.CondExpr:
			walkCertain(n.Cond, visit)
			return false
		case *syntax.Comprehension:
			walkCertain(n.Clauses[0].(*syntax.ForClause).X, visit)
			return false
		case *syntax.BinaryExpr:
			if n.Op == syntax.AND || n.Op == syntax.OR {
				walkCertain(n.X, visit)
				return false
			}
		case *syntax.CallExpr:
			visit(n)
		}
		return true
	})
}
