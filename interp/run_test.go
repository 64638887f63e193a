package interp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
)

// lines returns what was printed, in order, with the host in front.
func (s *stage) lines() (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind == event.Output {
			lines = append(lines, strings.TrimPrefix(e.Host+": "+e.Msg, ": "))
		}
	}
	return lines
}

func TestTopLevelThenMain(t *testing.T) {
	s := newStage(t)
	out := s.execute(t.Context(), s.script("def main():\n    print('main', x)\nprint('top')\nx = 1\nx += 1\n", nil))
	require.NoError(t, out.Err)
	require.Equal(t, []string{"top", "main 2"}, s.lines())

	out = s.execute(t.Context(), s.script("def main(a):\n    pass\n", nil))
	require.ErrorContains(t, out.Err, "missing 1 argument")
	out = s.execute(t.Context(), s.script("main = 3\n", nil))
	require.NoError(t, out.Err, "what is no function is not called")
}

// What a script binds is each host's own; what it loads is everybody's, and frozen.
func TestHostsShareNothing(t *testing.T) {
	s := newStage(t)
	source := "load('lib.star', 'shared')\nmine = []\nfor _ in range(100):\n    mine.append(host().name)\nprint(len(mine), shared)\n"
	in := s.script(source, map[string]string{"lib.star": "shared = ['all']\nprint('once')"}, "web1", "web2", "web3")
	outcomes, err := in.Execute(t.Context())
	require.NoError(t, err)
	for i, o := range outcomes {
		require.NoError(t, o.Err)
		require.Equal(t, fmt.Sprintf("web%d", i+1), o.Host)
	}
	require.ElementsMatch(t, []string{"once", "web1: 100 [\"all\"]", "web2: 100 [\"all\"]", "web3: 100 [\"all\"]"}, s.lines())

	in = s.script("load('lib.star', 'shared')\nshared.append(1)", map[string]string{"lib.star": "shared = []"}, "web1", "web2")
	outcomes, err = in.Execute(t.Context())
	require.NoError(t, err)
	for _, o := range outcomes {
		require.ErrorContains(t, o.Err, "frozen")
	}
}

func TestSerial(t *testing.T) {
	s := newStage(t)
	in := s.script("print('here')\nif host().name == 'web3':\n    fail('no')", nil, "web1", "web2", "web3", "web4", "web5")
	in.options.Serial = 2
	outcomes, err := in.Execute(t.Context())
	require.NoError(t, err)
	var got []string
	for _, o := range outcomes {
		got = append(got, fmt.Sprintf("%s %s %t", o.Host, StateOf(o.Err), o.Skipped))
	}
	require.Equal(t, []string{"web1 ok false", "web2 ok false", "web3 failed false", "web4 ok false", "web5 ok true"}, got)
	require.Len(t, s.lines(), 4)
}

func TestInterrupted(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	in := s.script("print('loops')\nwhile True:\n    pass", nil, "web1", "web2")
	in.options.Events = nil
	in.gate.events = func(e event.Event) {
		if e.Kind == event.Output {
			cancel(errors.New("Ctrl-C"))
		}
	}
	outcomes, err := in.Execute(ctx)
	require.NoError(t, err)
	for _, o := range outcomes {
		require.Equal(t, "interrupted", StateOf(o.Err))
	}
}

// Hosts whose turn had not come are interrupted as well: their script did not come to its end.
func TestInterruptedBetweenBatches(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	in := s.script("print('here')", nil, "web1", "web2")
	in.options.Serial = 1
	in.gate.events = func(e event.Event) {
		if e.Kind == event.HostEnd {
			cancel(errors.New("Ctrl-C"))
		}
	}
	outcomes, err := in.Execute(ctx)
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	require.True(t, outcomes[1].Skipped)
	require.Equal(t, "interrupted", StateOf(outcomes[1].Err))
	require.ErrorContains(t, outcomes[1].Err, "Ctrl-C")
}

func TestInterruptedInEach(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	in := s.script("def loop(h):\n    print('loops')\n    while True:\n        pass\ndef main():\n    each(['a', 'b'], loop, max_fail=2)\n    print('after')", nil)
	take := in.gate.events
	in.gate.events = func(e event.Event) {
		take(e)
		if e.Kind == event.Output {
			cancel(errors.New("Ctrl-C"))
		}
	}
	out := s.execute(ctx, in)
	require.Equal(t, "interrupted", StateOf(out.Err))
	require.ErrorContains(t, out.Err, "each: Ctrl-C")
	for _, e := range s.events {
		require.NotEqual(t, "after", e.Msg)
		if e.Kind == event.HostEnd {
			require.Equal(t, "interrupted", e.State)
		}
	}
}

func TestMaxSteps(t *testing.T) {
	s := newStage(t)
	in := s.script("ok = attempt(lambda: [x for x in range(1000000)])\nprint('caught')", nil)
	in.options.MaxSteps = 10000
	out := s.execute(t.Context(), in)
	require.ErrorContains(t, out.Err, "too many steps")
	require.Empty(t, s.lines(), "attempt must not catch it")
}

func TestNothingRunsWhenItDoesNotCompile(t *testing.T) {
	s := newStage(t)
	for _, source := range []string{"print('ran')\nx = (", "print('ran')\nnope()"} {
		_, err := s.script(source, nil, "web1").Execute(t.Context())
		require.Error(t, err)
	}
	require.Empty(t, s.lines())
}
