package interp

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"starling/builtins"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/wire"
)

// What is written down of a value comes back as it was, of the same type.
func TestOutcomesComeBack(t *testing.T) {
	names := starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"result": &builtins.Result{Result: job.Result{Host: "web1", ID: "j-0123456789abcdef", State: wire.Failed, RC: 7, HasRC: true,
			Stdout: []byte{0, 255, 10}, Elapsed: 1234567 * time.Nanosecond, Started: time.Unix(1, 2).UTC()}},
		"named": starlarkstruct.FromStringDict(starlark.String("host"), starlark.StringDict{"name": starlark.String("web1")}),
		"raw":   starlark.String("a\xffb"),
		"now":   startime.Time(time.Unix(5, 6).UTC()),
		"span":  startime.Duration(7 * time.Hour),
	}
	for _, expr := range []string{
		`None`, `True`, `False`, `0`, `-7`, `123456789012345678901234567890`, `0.1`, `-1e300`, `""`, `"it's ż\n"`, `raw`, `b"\x00\xff"`, `[]`, `()`, `{}`,
		`[1, [2, ()], {"a": [None]}]`, `(1, "b", False)`, `{1: "a", "b": 2, (3, 4): {}}`, `struct()`, `struct(a = 1, b = struct(c = [1]))`,
		`named`, `result`, `[result, named]`, `now`, `span`,
	} {
		t.Run(expr, func(t *testing.T) {
			want, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x", expr, names)
			require.NoError(t, err)
			text, err := encodeOutcome(want, nil)
			require.NoError(t, err)
			got, failed, err := decodeOutcome(text)
			require.NoError(t, err)
			require.NoError(t, failed)
			require.Equal(t, want.Type(), got.Type())
			require.Equal(t, want.String(), got.String())
			if r, ok := want.(*builtins.Result); ok {
				require.Equal(t, r, got)
			}
		})
	}
	_, err := encodeOutcome(names["struct"], nil)
	require.ErrorContains(t, err, "can't be written down")
	_, _, err = decodeOutcome([]byte("{"))
	require.Error(t, err)
}

func TestErrorsComeBack(t *testing.T) {
	for name, row := range map[string]struct {
		err   error
		state string
		host  string
	}{
		"failed": {&CallError{Builtin: "run", Err: &builtins.FailedError{Results: []job.Result{{Host: "web1", ID: "j-0123456789abcdef", RC: 3, HasRC: true, State: wire.Failed}}}}, "failed", ""},
		"gone":   {&CallError{Builtin: "run", Err: &transport.UnreachableError{Host: "web2", Op: "dial", Err: errors.New("refused"), Hint: "look"}}, "unreachable", "web2"},
		"plain":  {fmt.Errorf("x: %w", errors.New("y")), "failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := encodeOutcome(nil, row.err)
			require.NoError(t, err)
			_, got, err := decodeOutcome(text)
			require.NoError(t, err)
			require.Equal(t, row.err.Error(), got.Error())
			require.Equal(t, row.state, StateOf(got))
			require.Equal(t, row.host, hostOf(got))
			require.Equal(t, row.state == "unreachable", Unreachable(got))
			before, _ := asHinter(row.err)
			after, _ := asHinter(got)
			if before != nil {
				require.Equal(t, before.Hint(), after.Hint())
			}
			was, isFailed := asFailed(row.err)
			is, _ := asFailed(got)
			if isFailed {
				require.Equal(t, was.Results, is.Results)
			}
		})
	}
}
