package lint

import (
	"time"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// call is a call of a builtin as its Spec sees it. attempt(run, "x") is a call of run.
type call struct {
	file    *file
	expr    *syntax.CallExpr
	spec    *spec.Spec
	args    []syntax.Expr // by position
	kwargs  []keyword
	open    bool // there are arguments that cannot be seen: *args or **kwargs
	wrapped bool // the call goes through attempt
}

// keyword is an argument given by name.
type keyword struct {
	name  string
	pos   syntax.Position // of the name
	value syntax.Expr
}

// call reads e as a call of a builtin; nil if it is none, or not certainly one.
func (p *project) call(f *file, e *syntax.CallExpr) *call {
	s := p.builtin(e.Fn)
	if s == nil {
		return nil
	}
	c := &call{file: f, expr: e, spec: s}
	for _, a := range e.Args {
		c.add(a)
	}
	if s.Name == "attempt" && len(c.args) > 0 {
		if inner := p.builtin(c.args[0]); inner != nil && inner.Name != "attempt" {
			c.spec, c.args, c.wrapped = inner, c.args[1:], true
		}
	}
	return c
}

// builtin returns the Spec that an expression names, or nil.
func (p *project) builtin(e syntax.Expr) *spec.Spec {
	id, ok := unparen(e).(*syntax.Ident)
	if !ok || scope(id) != resolve.Predeclared {
		return nil
	}
	return p.specs[id.Name]
}

func (c *call) add(arg syntax.Expr) {
	switch arg := arg.(type) {
	case *syntax.BinaryExpr:
		if arg.Op == syntax.EQ {
			id := arg.X.(*syntax.Ident)
			c.kwargs = append(c.kwargs, keyword{id.Name, id.NamePos, arg.Y})
			return
		}
	case *syntax.UnaryExpr:
		switch arg.Op {
		case syntax.STAR:
			c.open = true
			return
		case syntax.STARSTAR:
			c.spread(arg.X)
			return
		}
	}
	c.args = append(c.args, arg)
}

// spread reads what ** spreads: a dict literal or dict(name=value) can be seen through.
func (c *call) spread(e syntax.Expr) {
	switch e := unparen(e).(type) {
	case *syntax.DictExpr:
		for _, entry := range e.List {
			entry := entry.(*syntax.DictEntry)
			name, ok := c.file.constant(entry.Key).(starlark.String)
			if !ok {
				c.open = true
				continue
			}
			c.kwargs = append(c.kwargs, keyword{string(name), syntax.Start(entry.Key), entry.Value})
		}
		return
	case *syntax.CallExpr:
		if id, ok := e.Fn.(*syntax.Ident); ok && id.Name == "dict" && scope(id) == resolve.Universal {
			inner := &call{file: c.file}
			for _, a := range e.Args {
				inner.add(a)
			}
			if len(inner.args) == 0 {
				c.kwargs = append(c.kwargs, inner.kwargs...)
				c.open = c.open || inner.open
				return
			}
		}
	}
	c.open = true
}

// get returns the argument for a parameter and where it stands; nil if it is not given as far as can be seen.
func (c *call) get(param string) (syntax.Expr, syntax.Position) {
	for _, kw := range c.kwargs {
		if kw.name == param {
			return kw.value, kw.pos
		}
	}
	for i, p := range c.spec.Params {
		if p.Name == param && p.Positional && i < len(c.args) {
			return c.args[i], syntax.Start(c.args[i])
		}
	}
	return nil, syntax.Position{}
}

func (c *call) param(name string) *spec.Param {
	for i := range c.spec.Params {
		if c.spec.Params[i].Name == name {
			return &c.spec.Params[i]
		}
	}
	return nil
}

// constant returns the value of an argument, or nil if it is not given or not known.
func (c *call) constant(param string) starlark.Value {
	e, _ := c.get(param)
	if e == nil {
		return nil
	}
	return c.file.constant(e)
}

// seconds returns an argument that is a time; ok is false if it is not given, not known or wrong.
func (c *call) seconds(param string) (d time.Duration, ok bool) {
	p, v := c.param(param), c.constant(param)
	if p == nil || v == nil {
		return 0, false
	}
	args, err := convert(*p, v)
	if err != nil {
		return 0, false
	}
	switch p.Type {
	case spec.Duration, spec.Ceiling:
		return args.Duration(param), true
	}
	return 0, false
}

// convert unpacks one value as the builtin would.
func convert(p spec.Param, v starlark.Value) (spec.Args, error) {
	s := spec.Spec{Name: "lint", Params: []spec.Param{p}}
	return s.Unpack(nil, []starlark.Tuple{{starlark.String(p.Name), v}})
}

// async reports whether the builtin can start a job.
func (c *call) async() bool { return c.param("async") != nil && c.param("poll") != nil }

// starts reports whether the call certainly leaves a job behind that runs on, and the job's ceiling; that is 0 if it
// is not known and spec.Forever if there is none.
func (c *call) starts() (limit time.Duration, ok bool) {
	if !c.async() {
		return 0, false
	}
	if poll, known := c.seconds("poll"); !known || poll != 0 {
		return 0, false
	}
	limit, known := c.seconds("async")
	given, _ := c.get("async")
	if known && limit == 0 || given == nil && !c.open {
		return 0, false
	}
	return limit, true
}
