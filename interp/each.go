package interp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
)

// each is a method of Interp's making, since it starts threads; its Spec stands here beside it all the same.
var eachSpec = spec.Spec{
	Name:    "each",
	Summary: "Call a function once per host, in a thread of its own for each, side by side.",
	Params: []spec.Param{
		{Name: "hosts", Type: spec.Any, Required: true, Positional: true,
			Doc: "A list of host names, patterns or what hosts() returns, or one pattern. A host that is named again counts once."},
		{Name: "fn", Type: spec.Callable, Required: true, Positional: true,
			Doc: "A function of one parameter, the host; host builtins in it act on that host. It, what it closes over " +
				"and the hosts are frozen."},
		{Name: "serial", Type: spec.Any, Default: "None",
			Doc: "How many hosts at a time: a number, a share such as \"25%\", or a list of these for batches that grow; the " +
				"last one repeats. None: all at once."},
		{Name: "max_fail", Type: spec.Any, Default: "0",
			Doc: "How many hosts may fail, a number or a share such as \"10%\"; when more have, no further batch starts."},
	},
	Returns: "A list of structs with host, ok, value and error (as attempt's), in the order of hosts.",
	Fails:   "When more than max_fail hosts failed: one error that names each and why. Not before the batch has ended.",
	Example: `def upgrade(host):
    return run("echo upgraded").stdout

def main():
    for o in each(hosts(), upgrade, serial=1):
        print(o.host, o.value)`,
}

func (in *Interp) each() builtins.Builtin {
	return builtins.Builtin{Spec: eachSpec, Effect: builtins.Control, Do: in.doEach}
}

func (in *Interp) doEach(c *builtins.Call) (starlark.Value, error) {
	for _, frame := range c.Thread.CallStack() {
		if frame.Name == "<toplevel>" {
			return nil, &placeError{"each", "not from the top level: the threads would share a module that is not frozen yet",
				"put the call into def main(), which is called once the top level has run"}
		}
	}
	hosts, err := in.hostsOf(c, c.Args.Value("hosts"))
	if err != nil {
		return nil, err
	}
	sizes, err := batches(c.Args.Value("serial"), len(hosts))
	if err != nil {
		return nil, err
	}
	most, err := share("max_fail", c.Args.Value("max_fail"), len(hosts))
	if err != nil {
		return nil, err
	}
	fn := c.Args.Callable("fn")
	fn.Freeze()
	at := placeOf(c.Thread)
	at.forks++
	fork := fmt.Sprintf("%s/%d:", at.path, at.forks)
	outcomes := make([]eachOutcome, len(hosts))
	var failed []error
	for from, n := 0, 0; from < len(hosts); n++ {
		to := min(from+sizes[min(n, len(sizes)-1)], len(hosts))
		in.batch(c, fn, fork, hosts[from:to], outcomes[from:to])
		if c.Ctx.Err() != nil {
			return nil, context.Cause(c.Ctx)
		}
		for i := from; i < to; i++ {
			if outcomes[i].err != nil {
				failed = append(failed, &ThreadError{Host: hosts[i].Name(), Parent: c.Thread.CallStack(), Err: outcomes[i].err})
			}
		}
		from = to
		err := &EachError{Failed: failed, Hosts: len(hosts), Left: len(hosts) - to, MaxFail: most}
		if len(failed) > most || stuck(err) {
			return nil, err
		}
	}
	values := make([]starlark.Value, len(hosts))
	for i, o := range outcomes {
		values[i] = o.value(hosts[i].Name())
	}
	return starlark.NewList(values), nil
}

// EachError is an each in which more hosts failed than might.
type EachError struct {
	Failed  []error // a *ThreadError each
	Hosts   int     // how many there were
	Left    int     // how many were not begun
	MaxFail int
}

func (e *EachError) Error() string {
	text := fmt.Sprintf("%d of %d hosts failed", len(e.Failed), e.Hosts)
	if len(e.Failed) > e.MaxFail {
		text += fmt.Sprintf(", and max_fail is %d", e.MaxFail)
	}
	if e.Left > 0 {
		text += fmt.Sprintf("; %d were not begun", e.Left)
	}
	names := make([]string, 0, len(e.Failed))
	for _, err := range e.Failed {
		var thread *ThreadError
		if errors.As(err, &thread) {
			names = append(names, thread.Host+": "+Message(thread.Err))
		}
	}
	return text + "\n" + strings.Join(names, "\n")
}

// Unwrap returns the errors of the hosts.
func (e *EachError) Unwrap() []error { return e.Failed }

// eachOutcome is how fn ended on one host.
type eachOutcome struct {
	result starlark.Value
	err    error
}

func (o eachOutcome) value(host string) starlark.Value {
	value, failure := o.result, starlark.Value(starlark.None)
	if o.err != nil {
		value, failure = starlark.None, errorValue(o.err, host)
	}
	return starlarkstruct.FromStringDict(starlark.String("outcome"), starlark.StringDict{
		"host": starlark.String(host), "ok": starlark.Bool(o.err == nil), "value": value, "error": failure,
	})
}

// batch calls fn on some hosts side by side and waits for all.
func (in *Interp) batch(c *builtins.Call, fn starlark.Callable, fork string, hosts []*job.Host, out []eachOutcome) {
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			began := time.Now()
			in.gate.emit(event.Event{Kind: event.HostStart, Host: h.Name()})
			thread := in.newThread(c.Ctx, &place{host: h, path: fork + h.Name()})
			release := CancelWith(c.Ctx, thread)
			defer release()
			argument := in.options.Run.HostValue(h)
			argument.Freeze()
			value, err := starlark.Call(thread, fn, starlark.Tuple{argument}, nil)
			if err == nil {
				value.Freeze()
			} else if c.Ctx.Err() != nil {
				err = &InterruptedError{Err: err}
			}
			h.Yield()
			in.hostEnd(h, began, err)
			out[i] = eachOutcome{value, err}
		})
	}
	wg.Wait()
}

// hostsOf resolves the hosts argument, before anything is done on any. Which hosts a pattern means is a fact of the
// world (it may name a file), and a resumed run goes to the hosts that the run went to.
func (in *Interp) hostsOf(c *builtins.Call, v starlark.Value) ([]*job.Host, error) {
	patterns, err := patternsOf(v)
	if err != nil {
		return nil, err
	}
	var hosts []*job.Host
	names, err := in.gate.fact(c.Thread, "each", Digest([]byte(strings.Join(patterns, "\n"))), func() (starlark.Value, error) {
		if hosts, err = in.find(c.Ctx, patterns); err != nil {
			return nil, err
		}
		names := make([]starlark.Value, len(hosts))
		for i, h := range hosts {
			names[i] = starlark.String(h.Name())
		}
		return starlark.NewList(names), nil
	})
	if err != nil || hosts != nil {
		return hosts, err
	}
	if patterns, err = patternsOf(names); err != nil {
		return nil, err
	}
	return in.find(c.Ctx, patterns)
}

// find returns the hosts that any of the patterns means.
func (in *Interp) find(ctx context.Context, patterns []string) ([]*job.Host, error) {
	var hosts []*job.Host
	for _, pattern := range patterns {
		found, err := in.options.Run.Hosts(ctx, pattern)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, found...)
	}
	return once(hosts), nil
}

// patternsOf reads a pattern, or a list of hosts, names and patterns.
func patternsOf(v starlark.Value) ([]string, error) {
	if pattern, ok := starlark.AsString(v); ok {
		return []string{pattern}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("hosts: got %s, want a list of hosts or a pattern", v.Type())
	}
	var patterns []string
	for item := range starlark.Elements(list) {
		name, ok := starlark.AsString(item)
		if s, isStruct := item.(*starlarkstruct.Struct); isStruct {
			attr, err := s.Attr("name")
			if err == nil {
				name, ok = starlark.AsString(attr)
			}
		}
		if !ok {
			return nil, fmt.Errorf("hosts: got %s among the hosts, want a name or a host", item.Type())
		}
		patterns = append(patterns, name)
	}
	return patterns, nil
}

// batches reads serial as the sizes of the batches; the last one repeats.
func batches(v starlark.Value, hosts int) ([]int, error) {
	if v == starlark.None {
		return []int{max(hosts, 1)}, nil
	}
	items := []starlark.Value{v}
	if list, ok := v.(*starlark.List); ok {
		items = nil
		for i := range list.Len() {
			items = append(items, list.Index(i))
		}
	}
	if len(items) == 0 {
		return nil, errors.New("serial: got an empty list, want the sizes of the batches")
	}
	sizes := make([]int, len(items))
	for i, item := range items {
		n, err := share("serial", item, hosts)
		if err != nil {
			return nil, err
		}
		if number, isInt := item.(starlark.Int); isInt && number.Sign() <= 0 {
			return nil, fmt.Errorf("serial: got %s, want at least 1", item)
		}
		sizes[i] = max(n, 1)
	}
	return sizes, nil
}

// share reads a number, or a share such as "25%" of all.
func share(name string, v starlark.Value, all int) (int, error) {
	if n, ok := v.(starlark.Int); ok {
		if i, ok := n.Int64(); ok && i >= 0 && i <= math.MaxInt32 {
			return int(i), nil
		}
		return 0, fmt.Errorf("%s: got %s, want a number that is not negative", name, v)
	}
	if text, ok := starlark.AsString(v); ok {
		number, isShare := strings.CutSuffix(text, "%")
		percent, err := strconv.ParseFloat(number, 64)
		if isShare && err == nil && percent >= 0 && percent <= 100 {
			return int(percent / 100 * float64(all)), nil
		}
	}
	return 0, fmt.Errorf("%s: got %s, want a number or a share such as \"25%%\"", name, v)
}
