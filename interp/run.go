// Package interp is the host of the language: it reads Starlark (parse.go), loads modules (load.go), runs a script once
// or once per host in threads of their own (run.go), and lets every effect through one gate (gate.go). It is also the
// API for programs that embed Starling. The vocabulary itself is in package builtins; connections and jobs are in
// internal/job, and nothing here touches the terminal, the environment or the process.
package interp

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.starlark.net/lib/json"
	"go.starlark.net/lib/math"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/transport"
)

// Options say what to run, on which hosts and who watches.
type Options struct {
	Script string // the path, as the user named it
	Source []byte // nil: read from Script
	Root   string // the project's folder; "": found from Script (see ProjectRoot)
	// Hosts are those that the script runs on, once each, side by side; nil: it runs once, without a current host.
	Hosts  []*job.Host
	Serial int // how many hosts at a time; 0: all. After a batch in which a host failed no further one starts
	Run    *builtins.Run
	Events event.Sink // nil discards
	// Builtins are words beside the vocabulary; one of the same name takes the place of ours.
	Builtins []builtins.Builtin
	// Steps keeps the run so that it can be resumed; nil does not. Past are the steps of the run that is resumed.
	Steps Steps
	Past  []Step
	// Read is told of every file that is read, see LoaderConfig.
	Read func(path, sum string) error
	// Flush, when not nil, returns once what Events was told is visible. A print counts as done only then.
	Flush func()
	// MaxSteps bounds the computation of each thread, in Starlark's abstract steps; 0: no bound.
	MaxSteps uint64
}

// Outcome is how the script ended on one host.
type Outcome struct {
	Host string // "" for a script without hosts
	Err  error  // nil: it ran to its end
	// Value is what main() returned, frozen; nil when there is no main, or Err.
	Value   starlark.Value
	Skipped bool // it was not started, since an earlier batch had failed
	Elapsed time.Duration
}

// Interp is one run of one script.
type Interp struct {
	options     Options
	gate        *gate
	predeclared starlark.StringDict
	loader      *Loader
}

// New prepares a run: what can be wrong with a script before anything is touched shows here or in Execute's compiling.
func New(o Options) (*Interp, error) {
	if o.Events == nil {
		o.Events = func(event.Event) {}
	}
	in := &Interp{options: o, gate: &gate{run: o.Run, events: o.Events, records: recorder{steps: o.Steps, past: map[StepKey]Step{}}}}
	for _, s := range o.Past {
		in.gate.records.past[s.Key] = s
	}
	in.predeclared = in.vocabulary()
	loader, err := NewLoader(LoaderConfig{Script: o.Script, Root: o.Root, Predeclared: in.predeclared, NewThread: in.moduleThread, Read: o.Read})
	if err != nil {
		return nil, err
	}
	in.loader = loader
	return in, nil
}

// Specs returns the descriptions of the whole vocabulary, in the order of its documentation.
func Specs() []spec.Spec {
	var specs []spec.Spec
	for _, b := range (&Interp{}).builtins() {
		specs = append(specs, b.Spec)
	}
	return specs
}

func (in *Interp) builtins() []builtins.Builtin {
	return append(append(builtins.All(), in.each(), attempt), in.options.Builtins...)
}

// vocabulary is what a script sees beside Starlark's own names.
func (in *Interp) vocabulary() starlark.StringDict {
	names := starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"json":   json.Module,
		"math":   math.Module,
		"time":   startime.Module,
	}
	all := in.builtins()
	for i := range all {
		names[all[i].Spec.Name] = in.gate.bind(&all[i])
	}
	return names
}

// Check compiles the script and runs nothing.
func (in *Interp) Check() (*starlark.Program, error) {
	return in.loader.Program(in.options.Script, in.options.Source)
}

// Uses reports whether the script, which must compile, names the builtin.
func (in *Interp) Uses(builtin string) bool {
	source := in.options.Source
	if source == nil {
		source, _ = os.ReadFile(in.options.Script)
	}
	file, err := Parse(in.options.Script, source, Script)
	if err != nil {
		return false
	}
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		found = found || ok && id.Name == builtin
		return !found
	})
	return found
}

// On says on which hosts the script runs; one that is named again counts once. It must not be called once Execute was.
func (in *Interp) On(hosts []*job.Host) { in.options.Hosts = once(hosts) }

// once returns the hosts without those that came before: two threads of one name would have the same steps.
func once(hosts []*job.Host) []*job.Host {
	named := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(hosts), func(h *job.Host) bool {
		again := named[h.Name()]
		named[h.Name()] = true
		return again
	})
}

// Execute runs the script and returns how it ended, by host in the order of Options.Hosts. The error is that of a
// script that could not be read or compiled; nothing was run then.
func (in *Interp) Execute(ctx context.Context) ([]Outcome, error) {
	program, err := in.Check()
	if err != nil {
		return nil, err
	}
	hosts := in.options.Hosts
	if hosts == nil {
		return []Outcome{in.thread(ctx, program, nil)}, nil
	}
	outcomes := make([]Outcome, len(hosts))
	size := in.options.Serial
	if size <= 0 {
		size = len(hosts)
	}
	failed := false
	for from := 0; from < len(hosts); from += size {
		batch := hosts[from:min(from+size, len(hosts))]
		if failed || ctx.Err() != nil {
			for i, h := range batch {
				outcomes[from+i] = Outcome{Host: h.Name(), Skipped: true}
				if ctx.Err() != nil {
					outcomes[from+i].Err = &InterruptedError{Err: context.Cause(ctx)}
				}
			}
			continue
		}
		var wg sync.WaitGroup
		for i, h := range batch {
			wg.Go(func() { outcomes[from+i] = in.thread(ctx, program, h) })
		}
		wg.Wait()
		for i := range batch {
			failed = failed || outcomes[from+i].Err != nil
		}
	}
	return outcomes, nil
}

// thread runs the script in a thread and a module instance of its own: the top level, then main().
func (in *Interp) thread(ctx context.Context, program *starlark.Program, h *job.Host) Outcome {
	began := time.Now()
	out := Outcome{}
	name := "main"
	if h != nil {
		out.Host, name = h.Name(), h.Name()
		in.gate.emit(event.Event{Kind: event.HostStart, Host: out.Host})
	}
	thread := in.newThread(ctx, &place{host: h, path: name})
	release := CancelWith(ctx, thread)
	defer release()
	globals, err := program.Init(thread, in.predeclared)
	globals.Freeze()
	if main, ok := globals["main"].(starlark.Callable); ok && err == nil {
		if out.Value, err = starlark.Call(thread, main, nil, nil); err == nil {
			out.Value.Freeze()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = &InterruptedError{Err: err}
	}
	out.Err, out.Elapsed = err, time.Since(began)
	if h != nil {
		h.Yield()
		in.hostEnd(h, began, err)
	}
	return out
}

// hostEnd tells that the thread of a host has ended.
func (in *Interp) hostEnd(h *job.Host, began time.Time, err error) {
	ev := event.Event{Kind: event.HostEnd, Host: h.Name(), Elapsed: time.Since(began), State: StateOf(err)}
	if err != nil {
		ev.Msg, ev.Pos, ev.Hint, ev.Trace = Message(err), Place(err), Hint(err), Render(err, TraceOptions{})
		if r := failedResult(err); r != nil && r.HasRC {
			ev.RC = &r.RC
		}
	}
	in.gate.emit(ev)
}

func (in *Interp) newThread(ctx context.Context, at *place) *starlark.Thread {
	thread := &starlark.Thread{Name: at.path, Load: in.loader.Load, Print: in.print}
	thread.SetLocal(placeKey, at)
	WithContext(thread, ctx)
	startime.SetNow(thread, func() (time.Time, error) {
		now, err := in.gate.fact(thread, "time.now", "", func() (starlark.Value, error) { return startime.Time(time.Now()), nil })
		if err != nil {
			return time.Time{}, err
		}
		return time.Time(now.(startime.Time)), nil
	})
	if in.options.MaxSteps > 0 {
		thread.SetMaxExecutionSteps(in.options.MaxSteps)
		thread.OnMaxSteps = func(t *starlark.Thread) {
			at.spent = true
			t.Cancel("too many steps")
		}
	}
	return thread
}

// moduleThread is a thread for the top level of a module: it has its loader's context and no host.
func (in *Interp) moduleThread(parent *starlark.Thread, name string) *starlark.Thread {
	return in.newThread(Context(parent), &place{path: name})
}

// print is the script's own voice. A print that was seen before a run was resumed is not seen again.
func (in *Interp) print(thread *starlark.Thread, msg string) {
	_, err := in.gate.fact(thread, "print", "", func() (starlark.Value, error) {
		ev := event.Event{Kind: event.Output, Pos: callerPos(thread)}
		if h := placeOf(thread).host; h != nil {
			ev.Host = h.Name()
		}
		for _, line := range strings.Split(msg, "\n") {
			ev.Msg = line
			in.gate.emit(ev)
		}
		if in.options.Steps != nil && in.options.Flush != nil {
			in.options.Flush()
		}
		return starlark.None, nil
	})
	if err != nil {
		thread.Cancel(err.Error()) // print itself can't fail
	}
}

// InterruptedError is a script that was ended from outside: Ctrl-C, a signal, a deadline of the whole run.
type InterruptedError struct{ Err error }

func (e *InterruptedError) Error() string { return "interrupted: " + e.Err.Error() }

// Unwrap returns what the script was doing.
func (e *InterruptedError) Unwrap() error { return e.Err }

// Unreachable reports whether err comes from hosts that could not be reached, logged in to, or asked. Of many errors
// all must: with a failure among them it is a failure.
func Unreachable(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case *transport.UnreachableError, *transport.AuthError, *transport.HostKeyError, *job.UnaskedError:
			return true
		case *PastError:
			return e.state == "unreachable"
		case interface{ Unwrap() []error }:
			return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !Unreachable(part) })
		}
	}
	return false
}

// hostOf returns the host that could not be reached.
func hostOf(err error) string {
	var unreachable *transport.UnreachableError
	var auth *transport.AuthError
	var key *transport.HostKeyError
	var unasked *job.UnaskedError
	var past *PastError
	switch {
	case errors.As(err, &past):
		return past.host
	case errors.As(err, &unasked):
		return unasked.Host
	case errors.As(err, &unreachable):
		return unreachable.Host
	case errors.As(err, &auth):
		return auth.Host
	case errors.As(err, &key):
		return key.Host
	}
	return ""
}

// StateOf names how a thread ended: ok, failed, unreachable or interrupted.
func StateOf(err error) string {
	var interrupted *InterruptedError
	var past *PastError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &past):
		return past.state
	case errors.As(err, &interrupted):
		return "interrupted"
	case Unreachable(err):
		return "unreachable"
	}
	return "failed"
}

// Message is the error without its traceback.
func Message(err error) string {
	var eval *starlark.EvalError
	if errors.As(err, &eval) {
		return eval.Msg
	}
	return err.Error()
}
