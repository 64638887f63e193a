package interp

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"starling/builtins"
)

// kept is Steps in memory, and may fail.
type kept struct {
	begun []Step
	ended map[StepKey][]byte
	fail  error
}

func (k *kept) BeginStep(_ context.Context, s Step) error {
	if k.fail != nil {
		return k.fail
	}
	k.begun = append(k.begun, s)
	return nil
}

func (k *kept) EndStep(_ context.Context, key StepKey, outcome []byte) error {
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
	r := recorder{steps: k}
	value, err := r.call(t.Context(), step, act(starlark.String("first"), nil))
	require.NoError(t, err)
	require.Equal(t, starlark.String("first"), value)
	require.Equal(t, []Step{step}, k.begun)

	// Gone on with, it answers from the record and does not act.
	done := step
	done.Outcome = k.ended[step.Key]
	again := recorder{steps: k, past: map[StepKey]Step{step.Key: done}}
	value, err = again.call(t.Context(), step, act(starlark.String("second"), nil))
	require.NoError(t, err)
	require.Equal(t, starlark.String("first"), value)
	require.Equal(t, 1, acted)

	other := step
	other.Digest = "e"
	_, err = again.call(t.Context(), other, act(starlark.None, nil))
	var diverged *DivergedError
	require.ErrorAs(t, err, &diverged)
	require.ErrorContains(t, err, "other arguments")
	other.Builtin = "reboot"
	_, err = again.call(t.Context(), other, act(starlark.None, nil))
	require.ErrorContains(t, err, "was run at x.star:1:1, and is reboot now")

	// One that was begun and has no outcome acts, and is told so.
	open := recorder{steps: k, past: map[StepKey]Step{step.Key: {Key: step.Key, Builtin: "run", Digest: "d", Note: "boot"}}}
	_, err = open.call(t.Context(), step, func(begun bool, note string) (starlark.Value, error) {
		require.True(t, begun)
		require.Equal(t, "boot", note)
		return starlark.None, nil
	})
	require.NoError(t, err)

	// What can't be written down is not begun; what was interrupted, or is not known, has no outcome.
	k.fail = errors.New("disk full")
	_, err = r.call(t.Context(), Step{Key: StepKey{"web1", 2}}, act(starlark.None, nil))
	require.ErrorContains(t, err, "disk full")
	require.Equal(t, 1, acted)
	k.fail = nil
	ctx, cancel := context.WithCancel(t.Context())
	_, err = r.call(ctx, Step{Key: StepKey{"web1", 3}}, func(bool, string) (starlark.Value, error) { cancel(); return nil, ctx.Err() })
	require.Error(t, err)
	require.NotContains(t, k.ended, StepKey{"web1", 3})
	_, err = r.call(t.Context(), Step{Key: StepKey{"web1", 4}}, act(nil, &builtins.UnknownOutcomeError{}))
	require.Error(t, err)
	require.NotContains(t, k.ended, StepKey{"web1", 4})
}
