// Package embed is for Go programs that run scripts against machines of their own: it puts hosts, connections, the job
// engine and the interpreter together, as cmd/starling does for the command line. It has no journal on disk and no
// terminal; jobs that outlive the program are for its caller to keep (Fleet.Recorder).
package embed

import (
	"context"
	"fmt"
	"path"

	"go.starlark.net/starlark"

	"starling/builtins"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/interp"
)

// The types of other rooms that a caller has to name.
type (
	Host      = transport.Target    // a machine; only Name is needed
	Transport = transport.Transport // a way to one machine
	Command   = transport.Command   // what a Transport executes
	Event     = event.Event         // one thing that happened
	Result    = job.Result          // how a command ended
	Record    = job.Record          // a detached job
	Recorder  = job.Recorder        // keeps detached jobs
	Outcome   = interp.Outcome      // how the script ended on one host
)

// Fleet is the machines a program drives. Its zero value has none; it may be used again and by many goroutines.
type Fleet struct {
	Hosts []Host
	// Connect makes the transport of a host; nil is SSH as the user's ssh_config, agent and known_hosts say.
	Connect func(Host) Transport
	// Recorder keeps detached jobs where they outlive the program; nil keeps them in memory.
	Recorder Recorder
	// Events is told what happens, from many goroutines at once; nil is not.
	Events func(Event)
	// Builtins are words of the program's own, beside the vocabulary; one of the same name takes the place of ours.
	Builtins []builtins.Builtin
	// Vars are what var() returns.
	Vars map[string]string
	// Forks is how many hosts are worked on at an instant; 0 is 50.
	Forks int
}

// Script is what a Fleet runs.
type Script struct {
	Path   string // in positions; also where load() looks
	Source []byte // nil: read from Path
	// On names the hosts on which the script runs, once each; globs are allowed. Empty: it runs once, without a
	// current host, and reaches hosts through each().
	On []string
}

// Report is how a script ended.
type Report struct {
	Outcomes []Outcome
	Unreaped []Record // jobs that may run and whose end nobody has seen
}

// Results returns the Results that main() returned, by itself or in a list, host by host. What else it returned is in
// the Outcomes.
func (r Report) Results() []Result {
	var out []Result
	add := func(v starlark.Value) {
		if r, ok := v.(*builtins.Result); ok {
			out = append(out, r.Result)
		}
	}
	for _, o := range r.Outcomes {
		add(o.Value)
		if list, ok := o.Value.(starlark.Iterable); ok {
			for v := range starlark.Elements(list) {
				add(v)
			}
		}
	}
	return out
}

// Run carries a script out and returns how it ended on each host. The error is that of a script that does not compile,
// or of hosts that are not in the Fleet; nothing was run then.
func (f *Fleet) Run(ctx context.Context, s Script) (Report, error) {
	recorder, connect := f.Recorder, f.Connect
	if recorder == nil {
		recorder = &job.Memory{}
	}
	if connect == nil {
		options := ssh.FromEnvironment()
		connect = func(h Host) Transport { return ssh.New(h, options) }
	}
	engine := job.New(job.Config{Recorder: recorder, Events: f.Events, Forks: f.Forks})
	defer engine.Close()
	world := world{f, engine, connect}
	in, err := interp.New(interp.Options{Script: s.Path, Source: s.Source, Events: f.Events, Builtins: f.Builtins,
		Run: &builtins.Run{Engine: engine, Locate: world.locate, Hosts: world.hosts, Vars: f.Vars}})
	if err != nil {
		return Report{}, err
	}
	var on []*job.Host
	for _, pattern := range s.On {
		hosts, err := world.hosts(ctx, pattern)
		if err != nil {
			return Report{}, err
		}
		on = append(on, hosts...)
	}
	in.On(on)
	outcomes, err := in.Execute(ctx)
	return Report{Outcomes: outcomes, Unreaped: engine.Unreaped()}, err
}

// world answers a script's questions about hosts.
type world struct {
	fleet   *Fleet
	engine  *job.Engine
	connect func(Host) Transport
}

func (w world) hosts(_ context.Context, pattern string) ([]*job.Host, error) {
	var out []*job.Host
	for _, h := range w.fleet.Hosts {
		matched, err := path.Match(pattern, h.Name)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if matched || pattern == "all" {
			out = append(out, w.engine.Host(h, w.connect))
		}
	}
	if out == nil {
		return nil, fmt.Errorf("pattern %q: none of the %d hosts", pattern, len(w.fleet.Hosts))
	}
	return out, nil
}

func (w world) locate(ctx context.Context, id string) (*job.Host, error) {
	record, err := w.engine.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return w.engine.Host(record.Target, w.connect), nil
}
