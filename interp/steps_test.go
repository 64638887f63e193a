package interp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
)

// kept is Steps in memory, and may fail.
type kept struct {
	mu    sync.Mutex
	begun []Step
	ended map[StepKey][]byte
	fail  error
}

func (k *kept) BeginStep(_ context.Context, s Step) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	k.begun = append(k.begun, s)
	return nil
}

func (k *kept) EndStep(_ context.Context, key StepKey, outcome []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended[key] = outcome
	return nil
}

func (k *kept) NoteStep(context.Context, StepKey, string) error { return nil }

func TestRecorder(t *testing.T) {
	step := Step{Key: StepKey{"web1", 1}, Builtin: "run", Digest: "d", Pos: "x.star:1:1"}
	acted := 0
	act := func(value starlark.Value, err error) func(bool, string) (starlark.Value, error) {
		return func(bool, string) (starlark.Value, error) { acted++; return value, err }
	}
	k := &kept{ended: map[StepKey][]byte{}}
	then := func() {}
	r := recorder{steps: k}
	value, err := r.call(t.Context(), step, act(starlark.String("first"), nil), then)
	require.NoError(t, err)
	require.Equal(t, starlark.String("first"), value)
	require.Equal(t, []Step{step}, k.begun)

	// Gone on with, it answers from the record and does not act.
	done := step
	done.Outcome = k.ended[step.Key]
	again := recorder{steps: k, past: map[StepKey]Step{step.Key: done}}
	value, err = again.call(t.Context(), step, act(starlark.String("second"), nil), then)
	require.NoError(t, err)
	require.Equal(t, starlark.String("first"), value)
	require.Equal(t, 1, acted)

	other := step
	other.Digest = "e"
	_, err = again.call(t.Context(), other, act(starlark.None, nil), then)
	var diverged *DivergedError
	require.ErrorAs(t, err, &diverged)
	require.ErrorContains(t, err, "other arguments")
	other.Builtin = "reboot"
	_, err = again.call(t.Context(), other, act(starlark.None, nil), then)
	require.ErrorContains(t, err, "was run at x.star:1:1, and is reboot now")

	// One that was begun and has no outcome acts, and is told so.
	open := recorder{steps: k, past: map[StepKey]Step{step.Key: {Key: step.Key, Builtin: "run", Digest: "d", Note: "boot"}}}
	_, err = open.call(t.Context(), step, func(begun bool, note string) (starlark.Value, error) {
		require.True(t, begun)
		require.Equal(t, "boot", note)
		return starlark.None, nil
	}, then)
	require.NoError(t, err)

	// What can't be written down is not begun; what was interrupted, or is not known, has no outcome.
	k.fail = errors.New("disk full")
	_, err = r.call(t.Context(), Step{Key: StepKey{"web1", 2}}, act(starlark.None, nil), then)
	require.ErrorContains(t, err, "disk full")
	require.Equal(t, 1, acted)
	k.fail = nil
	ctx, cancel := context.WithCancel(t.Context())
	_, err = r.call(ctx, Step{Key: StepKey{"web1", 3}}, func(bool, string) (starlark.Value, error) { cancel(); return nil, ctx.Err() }, then)
	require.Error(t, err)
	require.NotContains(t, k.ended, StepKey{"web1", 3})
	_, err = r.call(t.Context(), Step{Key: StepKey{"web1", 4}}, act(nil, &builtins.UnknownOutcomeError{}), then)
	require.Error(t, err)
	require.NotContains(t, k.ended, StepKey{"web1", 4})
}

// What a script would do about an outcome that nobody knows is nothing: attempt does not catch it, and no share of
// failed hosts allows for it.
func TestResumeThatCanNotGoOnIsNotCaught(t *testing.T) {
	s := newStage(t)
	command := digest(&builtins.Builtin{Spec: spec.Spec{Name: "run"}}, starlark.Tuple{starlark.String("x")}, nil)
	for _, row := range []struct{ name, source, thread, builtin, says string }{
		{"an unknown outcome", "attempt(run, 'x')\nprint('caught')", "web1", "run", "not known"},
		{"another way than the run took", "attempt(run, 'x')\nprint('caught')", "web1", "reboot", "was reboot"},
		{"in a function", "def f():\n    run('x')\nattempt(attempt, f)\nprint('caught')", "web1", "run", "not known"},
		{"on one host of many", "def work(h):\n    if h.name == 'b':\n        run('x')\n" +
			"def main():\n    attempt(each, ['a', 'b'], work, max_fail=2)\n    print('caught')", "web1/1:b", "run", "1 of 2 hosts failed\nb: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.events = nil
			in := s.script(row.source, nil, "web1")
			key := StepKey{row.thread, 1}
			in.gate.records = recorder{steps: &kept{ended: map[StepKey][]byte{}}, past: map[StepKey]Step{key: {Key: key, Builtin: row.builtin, Digest: command}}}
			out := s.execute(t.Context(), in)
			require.ErrorContains(t, out.Err, row.says)
			require.Empty(t, s.lines())
		})
	}
}

// The steps of a host that each is called with twice are two threads' own.
func TestEachTellsThreadsOfOneHostApart(t *testing.T) {
	s := newStage(t)
	in := s.script("def main():\n    each(['a', 'b', 'a'], lambda h: var('name'))\n    each(['a'], lambda h: var('name'))", nil)
	k := &kept{ended: map[StepKey][]byte{}}
	in.gate.records.steps = k
	require.NoError(t, s.execute(t.Context(), in).Err)
	var keys []string
	for key := range k.ended {
		keys = append(keys, key.String())
	}
	require.ElementsMatch(t, []string{"main#1", "main/1:a#1", "main/1:b#1", "main#2", "main/2:a#1"}, keys)
}

// Which hosts a pattern means is a fact of the world, as the time is, also where it stands in a list.
func TestEachGoesWhereTheRunWent(t *testing.T) {
	for _, hosts := range []string{"'@list'", "['@list', 'a']"} {
		t.Run(hosts, func(t *testing.T) {
			s := newStage(t)
			k := &kept{ended: map[StepKey][]byte{}}
			script := func(past map[StepKey]Step) *Interp {
				in := s.script("def main():\n    print([o.host for o in each("+hosts+", lambda h: None)][:2])", nil)
				in.gate.records = recorder{steps: k, past: past}
				return in
			}
			find := s.run.Hosts
			list := []string{"a", "b"}
			s.run.Hosts = func(ctx context.Context, pattern string) (found []*job.Host, err error) {
				if pattern != "@list" {
					return find(ctx, pattern)
				}
				for _, name := range list {
					found = append(found, s.host(name))
				}
				return found, nil
			}
			require.NoError(t, s.execute(t.Context(), script(nil)).Err)
			list = []string{"c", "d"}
			past := k.begun[0]
			past.Outcome = k.ended[past.Key]
			require.NoError(t, s.execute(t.Context(), script(map[StepKey]Step{past.Key: past})).Err)
			require.NoError(t, s.execute(t.Context(), script(nil)).Err)
			require.Equal(t, []string{`["a", "b"]`, `["a", "b"]`, `["c", "d"]`}, s.lines())
		})
	}
}

// What takes away from a host what a call has seen there comes after that is written down, and not again.
func TestAfterTheOutcomeIsKept(t *testing.T) {
	s := newStage(t)
	k := &kept{ended: map[StepKey][]byte{}}
	var order []string
	taking := builtins.Builtin{Spec: spec.Spec{Name: "take"}, Effect: builtins.Outside, Do: func(c *builtins.Call) (starlark.Value, error) {
		c.After(func() error {
			order = append(order, fmt.Sprintf("after, with %d kept", len(k.ended)))
			return errors.New("still there")
		})
		order = append(order, "do")
		return starlark.String("taken"), nil
	}}
	script := func(past map[StepKey]Step) *Interp {
		in := s.script("print(take())", nil)
		in.predeclared["take"] = in.gate.bind(&taking)
		in.gate.records = recorder{steps: k, past: past}
		return in
	}
	require.NoError(t, s.execute(t.Context(), script(nil)).Err)
	past := k.begun[0]
	past.Outcome = k.ended[past.Key]
	require.NoError(t, s.execute(t.Context(), script(map[StepKey]Step{past.Key: past})).Err)
	require.Equal(t, []string{"do", "after, with 1 kept"}, order)
	require.Equal(t, []string{"taken", "taken"}, s.lines())
	var warnings []string
	for _, e := range s.events {
		if e.Kind == event.Warning {
			warnings = append(warnings, e.Msg)
		}
	}
	require.Equal(t, []string{"still there"}, warnings)
}
