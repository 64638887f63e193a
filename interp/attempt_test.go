package interp

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
)

func TestAttempt(t *testing.T) {
	s := newStage(t)
	for _, row := range []struct{ name, call, want string }{
		{"a value", `attempt(lambda a, b=2: a + b, 1)`, `(True, 3, None)`},
		{"keywords are passed on", `attempt(lambda a, b=2: a + b, 1, b=5)[1]`, `6`},
		{"also one named as a parameter of its own", `attempt(lambda fn: fn, fn=7)[1]`, `7`},
		{"fail", `attempt(fail, "mine")[2].msg`, `fail: mine`},
		{"the language's own errors", `attempt(lambda: 1 // 0)[2].msg`, `floored division by zero`},
		{"wrong use of a builtin", `attempt(run, "true", asink=1)[2].msg`, `run: unexpected keyword argument "asink" (did you mean async?)`},
		{"its kind", `attempt(fail, "x")[2].kind`, `error`},
		{"in one another", `attempt(attempt, fail, "x")[1][2].msg`, `fail: x`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.events = nil
			out := s.execute(t.Context(), s.script("print("+row.call+")", nil, "web1"))
			require.NoError(t, out.Err)
			require.Equal(t, []string{"web1: " + row.want}, s.lines())
		})
	}
}

// Ctrl-C goes through.
func TestAttemptLetsInterruptionThrough(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	in := s.script("attempt(lambda: print('in it') or [x for x in range(1 << 40)])\nprint('caught')", nil, "web1")
	take := in.gate.events
	in.gate.events = func(e event.Event) {
		take(e)
		if e.Msg == "in it" {
			cancel(errors.New("Ctrl-C"))
		}
	}
	out := s.execute(ctx, in)
	require.Equal(t, "interrupted", StateOf(out.Err))
	require.NotContains(t, s.lines(), "web1: caught")
}
