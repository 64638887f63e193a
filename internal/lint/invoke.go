package lint

import (
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// call returns what a call may give.
func (x *frame) call(e *syntax.CallExpr) value {
	if dot, ok := unparen(e.Fn).(*syntax.DotExpr); ok {
		return x.method(e, dot)
	}
	callee := x.eval(e.Fn)
	args := x.actuals(e)
	if c := x.fl.p.call(x.file, e); c != nil && c.wrapped {
		callee, args = x.eval(e.Args[0]), args[1:]
	} else if c != nil && c.spec.Name == "attempt" && len(args) > 0 && !args[0].star && args[0].name == "" {
		callee, args = args[0].v, args[1:]
	}
	return x.apply(callee, e, args)
}

func (x *frame) actuals(e *syntax.CallExpr) []actual {
	args := make([]actual, len(e.Args))
	for i, a := range e.Args {
		args[i] = actual{node: a}
		switch b := a.(type) {
		case *syntax.BinaryExpr:
			if b.Op == syntax.EQ {
				args[i] = actual{node: b.Y, name: b.X.(*syntax.Ident).Name}
			}
		case *syntax.UnaryExpr:
			if b.Op == syntax.STAR || b.Op == syntax.STARSTAR {
				args[i] = actual{node: b.X, star: true}
			}
		}
		args[i].v = x.eval(args[i].node)
		if args[i].star {
			args[i].v = union(args[i].v, args[i].v.items())
		}
	}
	return args
}

// apply calls each thing that the callee may be.
func (x *frame) apply(callee value, e *syntax.CallExpr, args []actual) value {
	var out value
	followed := len(callee) > 0
	certain := false
	for _, t := range callee {
		switch t.kind {
		case aFunction:
			out = union(out, x.invoke(t.fn, e, args))
			certain = true
		case aBuiltin:
			out = union(out, x.native(t.what, e, args))
			certain = true
		case aGlobal: // a function among the others, if it is one
		default:
			followed = false
		}
	}
	if !followed || !certain {
		x.escapeAll(args)
		out = union(out, x.fl.unknown())
	}
	return out
}

func all(args []actual) value {
	var out value
	for _, a := range args {
		out = union(out, a.v)
	}
	return out
}

// The methods of Starlark's own types, by what they do with jobs.
var (
	putsIn  = words("append add insert setdefault")
	putsAll = words("extend update union")
	takes   = words("get pop popitem setdefault")
	gives   = words("values items keys copy clear remove discard difference intersection symmetric_difference elems split rsplit splitlines partition rpartition")
	strung  = words("strip lstrip rstrip lower upper title capitalize replace removeprefix removesuffix")
	asks    = words("startswith endswith find rfind index rindex count isalnum isalpha isdigit islower isspace istitle isupper")
)

// method returns what a call of the form value.name(...) may give.
func (x *frame) method(e *syntax.CallExpr, dot *syntax.DotExpr) value {
	fl, name := x.fl, dot.Name.Name
	recv := x.eval(dot.X)
	args := x.actuals(e)
	if id, ok := unparen(dot.X).(*syntax.Ident); ok && scope(id) == resolve.Predeclared && fl.p.specs[id.Name] == nil {
		return all(args) // json.encode(x)
	}
	if !fl.p.fields[name] {
		switch {
		case name == "join" || name == "format":
			return x.joined(recv, dot.X, args)
		case putsIn[name] || putsAll[name]:
			v := all(args)
			if putsAll[name] {
				v = union(v.items(), v.only(func(t *thing) bool { return t.kind != aList }))
			}
			fl.insert(recv, v)
			return union(recv, union(recv.items(), v))
		case takes[name]:
			return union(recv.items(), all(args))
		case gives[name]:
			return union(recv, all(args).items())
		case strung[name]:
			return union(recv, all(args))
		case asks[name]:
			return nil
		}
	}
	var callee value
	for _, t := range union(recv, recv.items()) {
		if t.kind == aList {
			t.holds.reach(func(t *thing) {
				if t.kind == aFunction || t.kind == aBuiltin {
					callee = union(callee, value{t})
				}
			})
		}
	}
	if len(callee) > 0 {
		return x.apply(callee, e, args)
	}
	x.escapeAll(args)
	return union(recv.items(), fl.unknown())
}

// Starlark's own functions, by what they do with what they are given.
var (
	answers = words("print fail type len bool hash hasattr dir int float range abs any all ord")
	texts   = words("str repr bytes chr")
	gathers = words("list tuple set dict sorted reversed enumerate zip struct")
	picks   = words("max min getattr")
	// reapers see the end of a job, or leave it on purpose.
	reapers = words("async_status wait wait_any cancel detach")
)

// native returns what a call of a builtin or of one of Starlark's own functions may give.
func (x *frame) native(name string, e *syntax.CallExpr, args []actual) value {
	fl, v := x.fl, all(args)
	switch {
	case answers[name]:
		return nil
	case texts[name]:
		return union(v, value{fl.text()})
	case gathers[name]:
		if name != "struct" {
			v = v.items()
		}
		return fl.list(x.file, e, v)
	case picks[name]:
		return v.items()
	case reapers[name]:
		return x.reaper(name, e, args, v)
	}
	switch name {
	case "quote":
		return union(fl.harmless(v), value{fl.text()})
	case "jobs":
		return value{fl.make(nil, key{kind: everyJob})}
	case "output":
		return fl.foreign(x.file, e, "the output of a job")
	case "var":
		fl.escape(v)
		return fl.foreign(x.file, e, "a variable of the run")
	case "secret":
		return fl.foreign(x.file, e, "a secret")
	case "facts":
		return fl.foreign(x.file, e, "a fact of the host")
	case "host":
		return value{fl.make(x.file, key{node: e, kind: aHost})}
	case "hosts":
		return fl.list(x.file, e, value{fl.make(x.file, key{node: e, kind: aHost})})
	case "each":
		return x.each(e, args)
	}
	fl.escape(v)
	c := fl.p.call(x.file, e)
	if c == nil || c.spec.Name != name {
		return nil // called under another name: its arguments are not looked at
	}
	x.commandLine(c, args)
	if limit, ok := c.starts(); ok {
		if x.fn == nil && x.file.library {
			return nil // is an error already
		}
		if fl.attached(c) {
			return nil
		}
		return fl.job(x.file, e, 0, limit, c.key())
	}
	return nil
}

// reaper follows a call of one of the builtins that see the end of a job.
func (x *frame) reaper(name string, e *syntax.CallExpr, args []actual, v value) value {
	fl := x.fl
	c := fl.p.call(x.file, e)
	direct := c != nil && c.spec.Name == name
	if direct && name == "async_status" {
		if d, ok := c.patience(); ok {
			w := fl.waits[e]
			if w == nil {
				w = &patience{call: c, span: d}
				fl.waits[e] = w
			}
			if jid, _ := c.get("jid"); jid != nil {
				for _, a := range args {
					if a.node == jid {
						w.jobs = union(w.jobs, a.v)
					}
				}
			}
		}
		if c.retries() == 0 && x.dropped == syntax.Expr(e) && x.loops == 0 {
			x.glance(c, v)
			return v
		}
	}
	fl.reap(v)
	return v
}

// glance notes a look of which nobody reads the answer. Only for jobs whose start is seen does it matter.
func (x *frame) glance(c *call, v value) {
	delay, _ := c.get("delay")
	v.reach(func(t *thing) {
		if t.kind == aJob {
			t.looks = append(t.looks, &look{x.file, syntax.Start(c.expr), delay != nil})
		} else {
			x.fl.reap(value{t}.only(func(t *thing) bool { return t.kind != aList }))
		}
	})
}

// each calls a function with each host; what it returns is in what each returns.
func (x *frame) each(e *syntax.CallExpr, args []actual) value {
	fl := x.fl
	hosts := value{fl.make(x.file, key{node: e, kind: aHost})}
	var callee value
	for i, a := range args {
		switch {
		case a.name == "fn" || a.name == "" && i == 1:
			callee = a.v
		case a.name == "hosts" || a.name == "" && i == 0:
			hosts = union(hosts, a.v.items().only(func(t *thing) bool { return t.kind != aText }))
		default:
			fl.escape(a.v)
		}
	}
	return fl.list(x.file, e, x.apply(callee, e, []actual{{v: hosts, node: e}}))
}
