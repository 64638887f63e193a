package local

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/transport"
	"starling/internal/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	transporttest.Run(t, func(*testing.T) transport.Transport { return New("here", Options{}) })
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	tr := New("here", Options{Shell: "/bin/bash", Dir: dir, Env: []string{"COLOUR=blue"}})
	var out bytes.Buffer
	require.NoError(t, tr.Exec(context.Background(), transport.Command{Line: `pwd; echo ${COLOUR^^}`, Stdout: &out}))
	require.Equal(t, dir+"\nBLUE\n", out.String())
}

func TestNoShell(t *testing.T) {
	err := New("here", Options{Shell: "/no/shell"}).Exec(context.Background(), transport.Command{Line: "true"})
	require.True(t, transport.NotSent(err), "%v", err)
}

// TestCtxKillsTheGroup has a child that is not the shell itself and holds the output open.
func TestCtxKillsTheGroup(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	err := New("here", Options{}).Exec(ctx, transport.Command{Line: "sleep 61.5 & echo $!; wait", Stdout: &out})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	probe := "i=0; while kill -0 " + string(bytes.TrimSpace(out.Bytes())) + " 2>/dev/null && ! grep -q '^State:.Z' /proc/" +
		string(bytes.TrimSpace(out.Bytes())) + "/status; do i=$((i+1)); [ $i -lt 500 ] || exit 9; sleep 0.01; done"
	require.NoError(t, New("here", Options{}).Exec(context.Background(), transport.Command{Line: probe}))
}

// TestCtxLeavesDetached has a process that left the group and holds the output open: it lives, and Exec returns.
func TestCtxLeavesDetached(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	err := New("here", Options{}).Exec(ctx, transport.Command{Line: "setsid sh -c 'echo $$; exec sleep 61.6' & wait", Stdout: &out})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	pid := string(bytes.TrimSpace(out.Bytes()))
	require.NotEmpty(t, pid)
	require.NoError(t, New("here", Options{}).Exec(context.Background(), transport.Command{Line: "kill " + pid}))
}
