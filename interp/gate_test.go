package interp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.uber.org/goleak"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/transport"
	"starling/internal/transport/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a run on hosts that nobody may reach: what is tested with it happens before a host is asked.
type stage struct {
	t      *testing.T
	run    *builtins.Run
	mu     sync.Mutex
	events []event.Event
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t}
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	engine := job.New(job.Config{Recorder: j, Events: s.take})
	t.Cleanup(engine.Close)
	s.run = &builtins.Run{Engine: engine, Vars: map[string]string{"name": "value"}}
	s.run.Locate = func(context.Context, string) (*job.Host, error) { return nil, job.ErrNoRecord }
	s.run.Hosts = func(_ context.Context, pattern string) ([]*job.Host, error) {
		if strings.HasPrefix(pattern, "no") {
			return nil, errors.New("no host " + pattern)
		}
		return []*job.Host{s.host(pattern)}, nil
	}
	return s
}

func (s *stage) take(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// host is a host on which any command is a fault of the test.
func (s *stage) host(name string) *job.Host {
	return s.run.Engine.Host(transport.Target{Name: name}, func(transport.Target) transport.Transport {
		return fake.New(name, func(context.Context, transport.Command) error {
			s.t.Errorf("%s was asked something", name)
			return errors.New("asked")
		})
	})
}

// script prepares a script; files stand beside it by name.
func (s *stage) script(source string, files map[string]string, names ...string) *Interp {
	dir := s.t.TempDir()
	for name, text := range files {
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	in, err := New(Options{Script: filepath.Join(dir, "script.star"), Root: dir, Source: []byte(source), Run: s.run, Events: s.take})
	require.NoError(s.t, err)
	if names != nil {
		var hosts []*job.Host
		for _, name := range names {
			hosts = append(hosts, s.host(name))
		}
		in.On(hosts)
	}
	return in
}

// execute runs a prepared script and returns the outcome of its one thread.
func (s *stage) execute(ctx context.Context, in *Interp) Outcome {
	outcomes, err := in.Execute(ctx)
	require.NoError(s.t, err)
	require.Len(s.t, outcomes, 1)
	return outcomes[0]
}

// A call of each builtin that would do something, were it let through.
var calls = map[string]string{
	"run": `run("true")`, "async_status": `async_status("j-aaaaaaaaaaaaaaaa")`, "wait": `wait("j-aaaaaaaaaaaaaaaa")`,
	"wait_any": `wait_any(["j-aaaaaaaaaaaaaaaa"])`, "cancel": `cancel("j-aaaaaaaaaaaaaaaa")`, "detach": `detach("j-aaaaaaaaaaaaaaaa")`,
	"jobs": `jobs()`, "output": `output("j-aaaaaaaaaaaaaaaa")`, "reboot": `reboot()`, "wait_for_connection": `wait_for_connection()`,
	"ping": `ping()`, "copy": `copy(dest="x", content="y")`, "host": `host()`, "hosts": `hosts()`, "var": `var("name")`, "quote": `quote("a b")`,
	"each": `each([], lambda h: None)`, "attempt": `attempt(lambda: 1)`,
}

// No builtin is reached around the gate: where the gate refuses, each of them is refused, and no host hears of it.
func TestGateRefuses(t *testing.T) {
	s := newStage(t)
	for _, b := range (&Interp{options: Options{Run: s.run}}).builtins() {
		call, ok := calls[b.Spec.Name]
		require.True(t, ok, "%s is new: how is it called?", b.Spec.Name)
		t.Run(b.Spec.Name, func(t *testing.T) {
			ended, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("the end"))
			in := s.script("", nil, "web1")
			thread := in.newThread(ended, &place{host: s.host("web1"), path: "web1"})
			_, err := starlark.Call(thread, in.predeclared[b.Spec.Name], nil, nil)
			require.ErrorContains(t, err, "the end", "once the context has ended, before its arguments are looked at")

			out := s.execute(t.Context(), s.script(`load("lib.star", "x")`, map[string]string{"lib.star": "x = " + call}, "web1"))
			if b.Effect == builtins.Pure {
				require.NoError(t, out.Err)
			} else {
				require.ErrorContains(t, out.Err, b.Spec.Name+": not while ")
			}

			out = s.execute(t.Context(), s.script("def main():\n    "+call, nil))
			if b.Effect == builtins.Host {
				require.ErrorContains(t, out.Err, b.Spec.Name+": there is no current host")
				require.Contains(t, Render(out.Err, TraceOptions{}), "hint: run the script with --on PATTERN")
			}
		})
	}
}

// What a script can call and what has a description are the same.
func TestEveryWordIsDescribed(t *testing.T) {
	s := newStage(t)
	in := s.script("", nil)
	described := map[string]bool{"struct": true, "json": true, "math": true, "time": true} // Starlark's own
	for _, spec := range Specs() {
		described[spec.Name] = true
	}
	for name := range in.predeclared {
		require.True(t, described[name], "%s has no Spec", name)
	}
	require.Len(t, in.predeclared, len(described))
}

// bound is a builtin of the test's own, behind the gate.
func (s *stage) bound(b builtins.Builtin) (*Interp, *starlark.Builtin) {
	in := s.script("", nil, "web1")
	b.Spec.Name, b.Spec.Summary = "mine", "Mine."
	return in, in.gate.bind(&b)
}

func TestGatePasses(t *testing.T) {
	s := newStage(t)
	for _, row := range []struct {
		name    string
		effect  builtins.Effect
		do      func(c *builtins.Call) (starlark.Value, error)
		fails   string
		state   string // of the call_end event; "" for no event
		checked bool   // the run is a dry one
	}{
		{"a value", builtins.Host, func(*builtins.Call) (starlark.Value, error) { return starlark.NewList(nil), nil }, "", "succeeded", false},
		{"an error gets the name", builtins.Host, func(*builtins.Call) (starlark.Value, error) { return nil, errors.New("bad luck") }, "mine: bad luck", "failed", false},
		{"a panic is an error", builtins.Host, func(*builtins.Call) (starlark.Value, error) { panic("oops") }, "mine: internal error: oops", "failed", false},
		{"pure calls are no events", builtins.Pure, func(*builtins.Call) (starlark.Value, error) { return starlark.None, nil }, "", "", false},
		{"a dry run takes the other way", builtins.Host, func(*builtins.Call) (starlark.Value, error) { return nil, errors.New("changed") }, "", "succeeded", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.events = nil
			s.run.Check = row.checked
			defer func() { s.run.Check = false }()
			in, mine := s.bound(builtins.Builtin{Effect: row.effect, Do: row.do,
				Check: func(*builtins.Call) (starlark.Value, error) { return starlark.NewList(nil), nil }})
			if !row.checked {
				in, mine = s.bound(builtins.Builtin{Effect: row.effect, Do: row.do})
			}
			value, err := starlark.Call(in.newThread(t.Context(), &place{host: s.host("web1"), path: "web1"}), mine, nil, nil)
			if row.fails != "" {
				require.ErrorContains(t, err, row.fails)
			} else {
				require.NoError(t, err)
				if list, ok := value.(*starlark.List); ok {
					require.ErrorContains(t, list.Append(starlark.None), "frozen")
				}
			}
			if row.state == "" {
				require.Empty(t, s.events)
				return
			}
			require.Len(t, s.events, 2)
			require.Equal(t, event.CallStart, s.events[0].Kind)
			require.Equal(t, event.CallEnd, s.events[1].Kind)
			require.Equal(t, s.events[0].Call, s.events[1].Call)
			require.Equal(t, row.state, s.events[1].State)
			require.Equal(t, "web1", s.events[1].Host)
		})
	}
}

// A call that has a deadline of its own says so, as a job says its ceiling.
func TestGateTellsTheLimit(t *testing.T) {
	s := newStage(t)
	in, mine := s.bound(builtins.Builtin{Effect: builtins.Host,
		Spec: spec.Spec{Params: []spec.Param{{Name: "timeout", Type: spec.Duration, Default: "600"}}},
		Do:   func(*builtins.Call) (starlark.Value, error) { return starlark.None, nil }})
	_, err := starlark.Call(in.newThread(t.Context(), &place{host: s.host("web1"), path: "web1"}), mine, nil, nil)
	require.NoError(t, err)
	require.Equal(t, event.CallStart, s.events[0].Kind)
	require.Equal(t, 10*time.Minute, s.events[0].Limit)
}

// The end of the context ends a builtin that waits, at once.
func TestContextReachesBuiltins(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	in, mine := s.bound(builtins.Builtin{Effect: builtins.Host, Do: func(c *builtins.Call) (starlark.Value, error) {
		cancel(errors.New("Ctrl-C"))
		select {
		case <-c.Ctx.Done():
			return nil, context.Cause(c.Ctx)
		case <-time.After(time.Minute):
			return starlark.None, nil
		}
	}})
	_, err := starlark.Call(in.newThread(ctx, &place{host: s.host("web1"), path: "web1"}), mine, nil, nil)
	require.ErrorContains(t, err, "Ctrl-C")
}
