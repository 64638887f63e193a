package lint

import (
	"fmt"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// This file has the rules that need the flow analysis and are about jobs: unreaped, gives-up-early and the half of
// retries-without-reap that is about a look nobody reads.

// follow runs the analysis of the whole project and reports what only it can see.
func (p *project) follow() {
	fl := &flow{p: p, things: map[key]*thing{}, globals: map[*syntax.Ident]value{}, used: map[*syntax.Ident]bool{}, texts: map[*syntax.Ident]value{},
		fns: map[syntax.Node]*function{}, waits: map[*syntax.CallExpr]*patience{}, last: map[syntax.Expr]value{}}
	fl.keyed = p.keyed()
	fl.pass()
	fl.again()
	fl.pass()
	for done := false; !done; {
		changes := fl.changes
		for global := range fl.used {
			fl.reap(fl.globals[global])
		}
		done = fl.changes == changes
	}
	if fl.steps > maxSteps {
		return
	}
	for _, f := range p.order {
		fl.unreturned(f)
	}
	fl.unreaped()
	fl.impatient()
}

// pass follows the top level of each file, and then the functions that it did not call.
func (fl *flow) pass() {
	for _, f := range fl.p.order {
		x := &frame{fl: fl, file: f, vars: vars{}}
		x.block(f.tree.Stmts)
	}
	for _, f := range fl.p.order {
		for _, n := range f.functions {
			fl.analyse(fl.function(f, n))
		}
	}
}

// again prepares a second pass, in which functions know what their globals are. What was reaped stays so.
func (fl *flow) again() {
	for _, f := range fl.p.order {
		for _, variable := range f.globals() {
			fl.rememberTexts(f, variable, fl.globals[variable])
		}
	}
	for _, t := range fl.things {
		t.holds = nil
	}
	for _, fn := range fl.fns {
		fn.done = false
	}
}

// unreturned takes back that main returns jobs to a caller: the one that calls it has no use for them.
func (fl *flow) unreturned(f *file) {
	if f.library {
		return
	}
	_, def := export{f, "main"}.resolve(0)
	if def == nil {
		return
	}
	if fn := fl.function(f, def); !fn.called && f.reads[first(def.Name)] == 0 {
		for _, t := range fn.fresh {
			t.returned = false
		}
	}
}

// unreaped reports the jobs that nothing comes back for, and those that are only glanced at.
func (fl *flow) unreaped() {
	if fl.every {
		return
	}
	seen := fl.keysSeen()
	for _, t := range fl.jobs {
		if t.reaped || t.escaped || t.returned || seen(t.named) {
			continue
		}
		if len(t.looks) > 0 {
			for _, l := range t.looks {
				if l.said {
					continue
				}
				fl.p.report(l.file, RetriesNoReap, l.pos, "give retries=N and delay=SECONDS, or use wait(job)",
					"async_status: one look, of which the answer is ignored: the job of %s may still run", t.at(l.file))
			}
			continue
		}
		msg := "this job is started and never reaped: how it ends is not seen"
		if call, ok := t.node.(*syntax.CallExpr); ok && fl.p.starter(t.file, call) == "" {
			msg = "this call starts a job and returns it, and it is never reaped: how it ends is not seen"
		}
		fl.p.report(t.file, Unreaped, syntax.Start(t.node), "give it to wait(job) or async_status(job, retries=N, delay=SECONDS); detach(job) if it is to be left alone", "%s", msg)
	}
}

// keysSeen returns a function that reports whether the end of a job of a key may be seen, for any call that starts it.
func (fl *flow) keysSeen() func(named string) bool {
	keys := map[string]bool{}
	for _, t := range fl.jobs {
		if t.named != "" && (t.reaped || t.escaped) {
			keys[t.named] = true
		}
	}
	return func(named string) bool {
		return named != "" && (keys[named] || keys[unknownKey] || named == unknownKey && len(keys) > 0)
	}
}

// starter returns the builtin that a call names, or "".
func (p *project) starter(f *file, e *syntax.CallExpr) string {
	if c := p.call(f, e); c != nil && c.async() {
		return c.spec.Name
	}
	return ""
}

// impatient is the rule gives-up-early.
func (fl *flow) impatient() {
	for _, w := range fl.waits {
		jobs, each := w.jobs.given(0), false
		if len(jobs) == 1 && jobs[0].kind == aList {
			jobs, each = jobs[0].holds, true
		}
		var late *thing
		short, count := 0, 0
		var longest time.Duration
		for _, t := range jobs {
			count++
			if t.kind == aJob && isCeiling(t.limit) && w.span < t.limit {
				short++
				if t.limit > longest {
					late, longest = t, t.limit
				}
			}
		}
		if short == 0 || short < count && !each {
			continue
		}
		_, pos := w.call.get("retries")
		fl.p.report(w.call.file, GivesUpEarly, pos, "retries × delay should cover async, or use wait(job)",
			"async_status: gives up after %s, and the job of %s may run for %s", span(w.span), late.at(w.call.file), span(longest))
	}
}

// given returns v with what callers gave in the place of a function's parameters.
func (v value) given(depth int) value {
	if depth > 20 || !v.any(aParam) {
		return v
	}
	var out value
	for _, t := range v {
		if t.kind == aParam {
			out = union(out, t.fn.params[t.index].given.given(depth+1))
		} else {
			out = union(out, value{t})
		}
	}
	return out
}

// at is where a thing was made, as a message about a place in f mentions it.
func (t *thing) at(f *file) string {
	line := syntax.Start(t.node).Line
	if t.file == f {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("%s:%d", t.file.path, line)
}

// keyed returns the calls that wait for a job with a key.
func (p *project) keyed() []*call {
	var out []*call
	for _, f := range p.order {
		syntax.Walk(f.tree, func(n syntax.Node) bool {
			e, ok := n.(*syntax.CallExpr)
			if !ok {
				return true
			}
			if c := p.call(f, e); c != nil && c.async() && c.key() != "" {
				if _, leaves := c.starts(); !leaves {
					out = append(out, c)
				}
			}
			return true
		})
	}
	return out
}

// attached reports whether the job that c starts has a key under which another call attaches to it: then that one sees
// how the job ends.
func (fl *flow) attached(c *call) bool {
	key := c.key()
	return key != "" && slices.ContainsFunc(fl.keyed, func(other *call) bool {
		return key == unknownKey || other.key() == unknownKey || other.key() == key
	})
}

// unknownKey is no key.
const unknownKey = "\x00"

// key returns the key that a call gives its job, "" for none.
func (c *call) key() string {
	if e, _ := c.get("key"); e == nil || c.param("key") == nil {
		return ""
	}
	if s, ok := c.constant("key").(starlark.String); ok {
		return string(s)
	}
	return unknownKey
}
