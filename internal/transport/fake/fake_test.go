package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/transport"
	"starling/internal/transport/local"
	"starling/internal/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	transporttest.Run(t, func(*testing.T) transport.Transport { return New("pretend", local.New("here", local.Options{}).Exec) })
}

func TestContractThroughFaults(t *testing.T) {
	none := func(int, transport.Command) Fault { return nil }
	transporttest.Run(t, func(*testing.T) transport.Transport { return WithFaults(local.New("here", local.Options{}), none) })
}

func TestScript(t *testing.T) {
	tr := New("pretend", func(_ context.Context, cmd transport.Command) error {
		if cmd.Line != "hello" {
			return &transport.ExitError{Code: 127}
		}
		fmt.Fprint(cmd.Stdout, "world")
		return nil
	})
	var out bytes.Buffer
	require.NoError(t, tr.Exec(context.Background(), transport.Command{Line: "hello", Stdout: &out}))
	require.Equal(t, "world", out.String())
	require.Equal(t, &transport.ExitError{Code: 127}, tr.Exec(context.Background(), transport.Command{Line: "other"}))
	require.Equal(t, []string{"hello", "other"}, tr.Lines())
}

func TestCuts(t *testing.T) {
	for n := range int64(8) {
		t.Run(fmt.Sprintf("stdin after %d of 6", n), func(t *testing.T) {
			got := filepath.Join(t.TempDir(), "got")
			tr := WithFaults(local.New("here", local.Options{}), Nth(1, CutStdin("here", n)))
			var out bytes.Buffer
			err := tr.Exec(context.Background(), transport.Command{
				Line: "cat >" + got + "; echo late", Stdin: strings.NewReader("123456"), Stdout: &out,
			})
			text, readErr := os.ReadFile(got)
			require.NoError(t, readErr)
			require.Equal(t, "123456"[:min(n, 6)], string(text))
			var lost *transport.DisconnectedError
			require.Equal(t, n < 6, errors.As(err, &lost), "%v", err)
			require.Equal(t, n < 6, out.Len() == 0)
		})
		t.Run(fmt.Sprintf("stdout after %d of 6", n), func(t *testing.T) {
			end := filepath.Join(t.TempDir(), "end")
			tr := WithFaults(local.New("here", local.Options{}), Nth(1, CutStdout("here", n)))
			var out bytes.Buffer
			err := tr.Exec(context.Background(), transport.Command{Line: "printf 123456; echo >" + end, Stdout: &out})
			require.Equal(t, "123456"[:min(n, 6)], out.String())
			require.FileExists(t, end)
			var lost *transport.DisconnectedError
			require.Equal(t, n < 6, errors.As(err, &lost), "%v", err)
		})
	}
}

// A command that waits for more of its input learns that the connection is gone.
func TestCutStdoutEndsTheInput(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stdin, in := io.Pipe()
	defer in.Close()
	tr := WithFaults(local.New("here", local.Options{}), Nth(1, CutStdout("here", 3)))
	var out bytes.Buffer
	err := tr.Exec(ctx, transport.Command{Line: "printf 123456; cat", Stdin: stdin, Stdout: &out})
	var lost *transport.DisconnectedError
	require.ErrorAs(t, err, &lost)
	require.Equal(t, "123", out.String())
}

func TestFaults(t *testing.T) {
	ctx := context.Background()
	hold := make(chan struct{})
	faults := []Fault{nil, Unreachable("here"), Lose("here"), Block(hold)}
	tr := WithFaults(local.New("here", local.Options{}), func(n int, _ transport.Command) Fault { return faults[n-1] })
	ran := filepath.Join(t.TempDir(), "ran")
	touch := transport.Command{Line: "echo >>" + ran}
	lines := func() int {
		text, _ := os.ReadFile(ran)
		return len(text)
	}
	require.NoError(t, tr.Exec(ctx, touch))
	require.True(t, transport.NotSent(tr.Exec(ctx, touch)))
	require.Equal(t, 1, lines())
	var lost *transport.DisconnectedError
	require.ErrorAs(t, tr.Exec(ctx, touch), &lost)
	require.Equal(t, 2, lines())
	result := make(chan error)
	go func() { result <- tr.Exec(ctx, touch) }()
	require.Equal(t, 2, lines())
	close(hold)
	require.NoError(t, <-result)
	require.Equal(t, 3, lines())
	require.Equal(t, 4, tr.Count())
}
