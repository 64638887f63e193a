package lint

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// calls applies, to every call of a builtin in the file, the rules that need to see no more than the call.
func (p *project) calls(f *file) {
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		e, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		if c := p.call(f, e); c != nil {
			p.keywords(c)
			p.types(c)
			p.count(c)
			p.polling(c)
			p.headroom(c)
			p.idleDelay(c)
			p.commands(c)
		}
		return true
	})
}

// keywords is the rule unknown-keyword.
func (p *project) keywords(c *call) {
	if c.spec.Variadic {
		return
	}
	names := make([]string, len(c.spec.Params))
	for i, param := range c.spec.Params {
		names[i] = param.Name
	}
	for _, kw := range c.kwargs {
		if c.param(kw.name) != nil {
			continue
		}
		hint := docHint(c)
		if why := c.spec.Refused[kw.name]; why != "" {
			hint = why
		} else if near := spec.Nearest(kw.name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.report(c.file, UnknownKeyword, kw.pos, hint, "%s: unexpected keyword argument %q", c.spec.Name, kw.name)
	}
}

func docHint(c *call) string {
	return "`starling doc " + c.spec.Name + "` shows what " + c.spec.Name + " takes"
}

// types is the rule wrong-type for the value of each argument.
func (p *project) types(c *call) {
	for i := range c.spec.Params {
		param := &c.spec.Params[i]
		if e, _ := c.get(param.Name); e != nil && !(c.spec.Variadic && param.Positional) {
			p.value(c, *param, e)
		}
	}
}

// value converts what is known of e as the builtin would. A list of which only some items are known is checked as far
// as these go.
func (p *project) value(c *call, param spec.Param, e syntax.Expr) {
	v := c.file.constant(e)
	items := itemsOf(e)
	if v == nil && items != nil {
		v = partial(c.file, param.Type, items)
	}
	if v == nil {
		return
	}
	_, err := convert(param, v)
	var usage *spec.UsageError
	if !errors.As(err, &usage) {
		return
	}
	pos := syntax.Start(e)
	for _, item := range items {
		known := c.file.constant(item)
		if known == nil {
			continue
		}
		if _, err := convert(param, starlark.NewList([]starlark.Value{known})); err != nil {
			pos = syntax.Start(item)
			break
		}
	}
	p.report(c.file, WrongType, pos, docHint(c), "%s: %s", c.spec.Name, usage.Msg)
}

func itemsOf(e syntax.Expr) []syntax.Expr {
	switch e := unparen(e).(type) {
	case *syntax.ListExpr:
		return e.List
	case *syntax.TupleExpr:
		return e.List
	}
	return nil
}

// partial returns a list with something harmless in the place of each item that is not known; nil if no item's type
// is known for a parameter of type t.
func partial(f *file, t spec.Type, items []syntax.Expr) starlark.Value {
	var harmless starlark.Value = starlark.String("x")
	switch t {
	case spec.Ints:
		harmless = starlark.MakeInt(0)
	case spec.Any:
		return nil
	}
	values := make([]starlark.Value, len(items))
	for i, e := range items {
		if values[i] = f.constant(e); values[i] == nil {
			values[i] = harmless
		}
	}
	return starlark.NewList(values)
}

// count is the rule wrong-type for the number of arguments: one that is missing, too many by position, one twice.
func (p *project) count(c *call) {
	positional := 0
	for i := range c.spec.Params {
		param := &c.spec.Params[i]
		if param.Positional {
			positional++
		}
		if e, _ := c.get(param.Name); e == nil && param.Required && !c.open {
			p.report(c.file, WrongType, syntax.Start(c.expr), docHint(c), "%s: missing argument for %s", c.spec.Name, param.Name)
		}
	}
	if c.spec.Variadic {
		return
	}
	if len(c.args) > positional {
		hint := docHint(c)
		if positional < len(c.spec.Params) {
			hint = fmt.Sprintf("give %s by name", c.spec.Params[positional].Name)
		}
		p.report(c.file, WrongType, syntax.Start(c.args[positional]), hint, "%s: got %d positional arguments, want at most %d",
			c.spec.Name, len(c.args), positional)
	}
	for i, arg := range c.kwargs {
		for j := 0; j < min(len(c.args), positional); j++ {
			if c.spec.Params[j].Name == c.kwargs[i].name {
				p.report(c.file, WrongType, arg.pos, "", "%s: got more than one value for %s", c.spec.Name, arg.name)
			}
		}
	}
}
