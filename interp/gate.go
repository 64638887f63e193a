package interp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/wire"
)

// This file is the gate: every call of every builtin passes it, and no builtin can be reached around it. What must
// happen around all of them is here, once.

// gate binds builtins to one run.
type gate struct {
	run     *builtins.Run
	events  event.Sink
	calls   atomic.Int64
	records recorder
}

// place is what a thread carries: the host it acts on, and where it is in its run. It is used by its thread alone.
type place struct {
	host  *job.Host // nil: no current host
	path  string    // StepKey.Thread
	taken int       // steps so far
	forks int       // calls of each so far
	spent bool      // the thread ran out of computation steps
}

// next is the key of the thread's next step.
func (p *place) next() StepKey {
	p.taken++
	return StepKey{p.path, p.taken}
}

// placeKey is the thread-local of a *place.
const placeKey = "starling.place"

func placeOf(thread *starlark.Thread) *place {
	p, _ := thread.Local(placeKey).(*place)
	if p == nil {
		return &place{}
	}
	return p
}

// CallError is the error of a builtin, as a script sees it.
type CallError struct {
	Builtin string
	Err     error
	passing bool // the hosts go with this program: a command for later is of no use
}

func (e *CallError) Error() string { return e.Builtin + ": " + e.Err.Error() }

// Unwrap returns the builtin's own error.
func (e *CallError) Unwrap() error { return e.Err }

// Hint returns the command or the words that help, or "".
func (e *CallError) Hint() string {
	hint := ""
	if hinter, ok := asHinter(e.Err); ok {
		hint = hinter.Hint()
	}
	if e.passing && strings.HasPrefix(hint, "starling jobs ") {
		return ""
	}
	return hint
}

// bind makes the value that a script calls.
func (g *gate) bind(b *builtins.Builtin) *starlark.Builtin {
	return starlark.NewBuiltin(b.Spec.Name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		at := placeOf(thread)
		if err := admit(thread, b, at); err != nil {
			return nil, err
		}
		unpacked, err := b.Spec.Unpack(args, kwargs)
		if err != nil {
			return nil, err
		}
		host, err := b.As(g.run, at.host, unpacked)
		if err != nil {
			return nil, g.named(b.Spec.Name, err)
		}
		c := &builtins.Call{Ctx: Context(thread), Thread: thread, Args: unpacked, Pos: callerPos(thread), Host: host, Run: g.run}
		value, err := g.pass(b, c, at, digest(b, args, kwargs))
		if err != nil {
			return nil, g.named(b.Spec.Name, err)
		}
		value.Freeze()
		return value, nil
	})
}

// pass lets an admitted call through: recorded, announced and guarded.
func (g *gate) pass(b *builtins.Builtin, c *builtins.Call, at *place, digest string) (starlark.Value, error) {
	if b.Effect == builtins.Pure || b.Effect == builtins.Control {
		return guarded(b, c)
	}
	step := Step{Key: at.next(), Builtin: b.Spec.Name, Digest: digest, Pos: c.Pos, Durable: b.Effect == builtins.Host}
	c.Step = step.Key.String()
	c.Note = func(note string) error { return g.records.note(c.Ctx, step.Key, note) }
	c.Diff = func(text string) {
		g.emit(event.Event{Kind: event.Diff, Host: c.Host.Name(), Builtin: b.Spec.Name, Pos: c.Pos, Msg: text})
	}
	var after []func() error
	c.After = func(do func() error) { after = append(after, do) }
	return g.records.call(c.Ctx, step, func(begun bool, note string) (starlark.Value, error) {
		c.Begun, c.Noted = begun, note
		done := g.announce(b, c)
		value, err := guarded(b, c)
		done(value, err)
		return value, err
	}, func() {
		for _, do := range after {
			if err := do(); err != nil {
				g.emit(event.Event{Kind: event.Warning, Builtin: b.Spec.Name, Pos: c.Pos, Msg: err.Error()})
			}
		}
	})
}

// fact asks for a fact of the world that no builtin of ours stands for, so that a resumed run sees what the run saw.
// The digest is of what is asked about, "" when there is but one thing to ask.
func (g *gate) fact(thread *starlark.Thread, name, digest string, ask func() (starlark.Value, error)) (starlark.Value, error) {
	step := Step{Key: placeOf(thread).next(), Builtin: name, Digest: digest, Pos: callerPos(thread)}
	return g.records.call(Context(thread), step, func(bool, string) (starlark.Value, error) { return ask() }, func() {})
}

// admit says whether the builtin may be called from here at all.
func admit(thread *starlark.Thread, b *builtins.Builtin, at *place) error {
	if ctx := Context(thread); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if b.Effect == builtins.Pure {
		return nil
	}
	if module, loading := Loading(thread); loading {
		return &placeError{b.Spec.Name, fmt.Sprintf("not while %s is being loaded: a module runs once, for all hosts", module),
			"move the call into a function, and call that from the script"}
	}
	if b.Effect == builtins.Host && at.host == nil {
		return &placeError{b.Spec.Name, "there is no current host",
			"run the script with --on PATTERN, once per host, or call this from a function given to each(hosts, fn)"}
	}
	return nil
}

// placeError is a builtin that was called where it can't be.
type placeError struct{ builtin, problem, hint string }

func (e *placeError) Error() string { return e.builtin + ": " + e.problem }
func (e *placeError) Hint() string  { return e.hint }

// guarded carries the call out. A panic in a builtin is this program's fault and must not take the other hosts down.
func guarded(b *builtins.Builtin, c *builtins.Call) (value starlark.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v\n%s", p, debug.Stack())
		}
	}()
	if c.Run.Check && b.Check != nil {
		return b.Check(c)
	}
	return b.Do(c)
}

// announce tells those who watch that the call begins; the function it returns, that it has ended.
func (g *gate) announce(b *builtins.Builtin, c *builtins.Call) func(starlark.Value, error) {
	if b.Effect != builtins.Host && b.Effect != builtins.Jobs {
		return func(starlark.Value, error) {}
	}
	began := time.Now()
	ev := event.Event{Kind: event.CallStart, Call: g.calls.Add(1), Builtin: b.Spec.Name, Name: b.Spec.Name, Pos: c.Pos}
	if c.Host != nil {
		ev.Host = c.Host.Name()
	}
	if b.Label != nil {
		ev.Name = b.Label(c.Args)
	}
	if p := b.Spec.Param("timeout"); p != nil && p.Type == spec.Duration {
		ev.Limit = c.Args.Duration("timeout")
	}
	g.emit(ev)
	return func(value starlark.Value, err error) {
		ev.Kind, ev.Elapsed, ev.State = event.CallEnd, time.Since(began), "succeeded"
		if r, ok := value.(*builtins.Result); ok && err == nil {
			ev.State, ev.Job, ev.Changed = string(r.State), r.ID, r.Changed && b.Effect == builtins.Host && r.State != wire.Skipped
			if r.HasRC {
				ev.RC = &r.RC
			}
		}
		if err != nil {
			ev.State, ev.Msg = "failed", err.Error()
			if r := failedResult(err); r != nil {
				ev.State, ev.Job = string(r.State), r.ID
				if r.HasRC {
					ev.RC = &r.RC
				}
			}
		}
		g.emit(ev)
		if r, ok := value.(*builtins.Result); ok && err == nil && r.State == wire.Skipped && b.Effect == builtins.Host {
			ev.Kind, ev.Msg = event.Skip, r.Msg
			g.emit(ev)
		}
	}
}

func (g *gate) emit(ev event.Event) {
	ev.Time, ev.Run = time.Now(), g.run.Engine.Run()
	g.events(ev)
}

// named puts the builtin's name before its error, unless it is there already.
func (g *gate) named(name string, err error) error {
	var usage *spec.UsageError
	if errors.As(err, &usage) {
		return err
	}
	return &CallError{Builtin: name, Err: err, passing: g.run.Passing}
}

// callerPos is where in the script the builtin that thread executes was called.
func callerPos(thread *starlark.Thread) string {
	for depth := 1; depth < thread.CallStackDepth(); depth++ {
		if pos := thread.CallFrame(depth).Pos; pos.Line > 0 {
			return pos.String()
		}
	}
	return ""
}

// hinter is an error that knows what helps against it.
type hinter interface{ Hint() string }

// asHinter finds the outermost error in err that knows what helps.
func asHinter(err error) (hinter, bool) {
	var h hinter
	if errors.As(err, &h) {
		return h, true
	}
	if hint := transport.Hint(err); hint != "" {
		return hintText(hint), true
	}
	return nil, false
}

type hintText string

func (h hintText) Hint() string { return string(h) }

func asFailed(err error) (*builtins.FailedError, bool) {
	var failed *builtins.FailedError
	return failed, errors.As(err, &failed)
}

// failedResult returns the Result that err is about, nil when it is about none or about several.
func failedResult(err error) *job.Result {
	if failed, ok := asFailed(err); ok && len(failed.Results) == 1 {
		return &failed.Results[0]
	}
	return nil
}
