package lint

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// This file is the rule shell-string-from-variable: text from a host or from outside that becomes part of a command
// for a shell. A value alone is no splice: who runs what a host or the command line said means to. Nor is a number,
// an item of a list, what went through quote(), or what was compared with what is allowed.

// splice returns what the operand e contributes to a text when its value is v.
func (x *frame) splice(e syntax.Expr, v value) value {
	fl := x.fl
	out := value{fl.text()}
	for _, t := range v {
		switch t.kind {
		case aForeign:
			out = union(out, x.spliceOf(e, t))
		case aParam:
			out = union(out, value{fl.param(t.fn, t.index, plain)})
			if t.attr != plain {
				out = union(out, x.spliceOf(e, t))
			}
		case aHost, aBuiltin, aFunction:
		default:
			out = union(out, value{t})
		}
	}
	return out
}

func (x *frame) spliceOf(e syntax.Expr, t *thing) value {
	s := x.fl.make(x.file, key{node: e, kind: aSplice, of: t})
	return value{s}
}

// formatted returns what b, the value of eb, contributes to the format ea.
func (x *frame) formatted(ea, eb syntax.Expr, b value) value {
	letters, named := "", true
	if format, ok := x.file.constant(ea).(starlark.String); ok {
		letters, named = conversions(string(format))
	}
	if tuple, ok := unparen(eb).(*syntax.TupleExpr); ok && !named {
		var out value
		for i, e := range tuple.List {
			v := x.fl.last[e]
			if i < len(letters) && isNumeric(letters[i]) {
				v = x.fl.harmless(v)
			}
			out = union(out, x.splice(e, v))
		}
		return out
	}
	if !named && len(letters) == 1 && isNumeric(letters[0]) {
		b = x.fl.harmless(b)
	}
	return x.splice(eb, union(b, b.items().only(func(t *thing) bool { return t.kind != aList })))
}

// joined is sep.join(list) and text.format(args): each argument goes into the text.
func (x *frame) joined(recv value, re syntax.Expr, args []actual) value {
	out := x.splice(re, recv)
	for _, a := range args {
		items := itemsOf(a.node)
		if items == nil {
			out = union(out, x.splice(a.node, union(a.v, a.v.items()).only(func(t *thing) bool { return t.kind != aList })))
			continue
		}
		for _, item := range items {
			out = union(out, x.splice(item, x.fl.last[item]))
		}
	}
	return out
}

// commandLine notes the splices in what a call runs in a shell.
func (x *frame) commandLine(c *call, args []actual) {
	for i := range c.spec.Params {
		if c.spec.Params[i].Type != spec.CommandLine {
			continue
		}
		e, _ := c.get(c.spec.Params[i].Name)
		for _, a := range args {
			if a.node == e && e != nil {
				x.run(a.v)
				x.scripts(e)
			}
		}
	}
}

// scripts notes what an argument vector gives to a shell: ["sh", "-c", text].
func (x *frame) scripts(e syntax.Expr) {
	items := itemsOf(e)
	if items == nil {
		return
	}
	parts, _ := x.file.command(e)
	for _, words := range programs(parts[0].words) {
		if at := script(words); at > 0 {
			x.run(x.fl.last[items[len(items)-len(words)+at]])
		}
	}
}

// run notes that v is a command.
func (x *frame) run(v value) {
	for _, t := range v {
		switch {
		case t.kind == aSplice:
			x.spliced(t)
		case t.kind == aParam && t.attr == "":
			x.fl.mark(&t.fn.params[t.index].runs)
		}
	}
}

// spliced reports a splice that reached a shell, or leaves it to the callers of the function if it depends on them.
func (x *frame) spliced(s *thing) {
	if s.of.kind == aParam {
		if fn := s.of.fn; fn == x.fn && !value(fn.splices).has(s) {
			fn.splices = union(fn.splices, value{s})
			x.fl.changes++
		}
		return
	}
	x.fl.p.report(s.file, ShellString, syntax.Start(s.node), "quote(...) makes one word of it; a list as the command needs no shell: run([\"ls\", name])",
		"%s becomes part of a command unquoted: the shell would execute what is in it", s.of.what)
}

// moved returns what the splice of a parameter is for a caller that gives these values.
func (x *frame) moved(s *thing, given []value) value {
	if s.of.kind != aParam {
		return value{s}
	}
	if s.of.index >= len(given) {
		return nil
	}
	fl := x.fl
	var out value
	add := func(of *thing) {
		m := fl.make(s.file, key{node: s.node, kind: aSplice, of: of})
		out = union(out, value{m})
	}
	attr := s.of.attr
	for _, t := range given[s.of.index] {
		switch {
		case t.kind == aForeign:
			add(t)
		case t.kind == aHost && attr != "" && attr != "port":
			add(fl.foreign(x.file, s.of.node, "a host's "+attr)[0])
		case t.kind == aParam && t.attr == "":
			add(fl.param(t.fn, t.index, attr))
		}
	}
	return out
}

func isNumeric(conversion byte) bool {
	for i := range len(numeric) {
		if numeric[i] == conversion {
			return true
		}
	}
	return false
}
