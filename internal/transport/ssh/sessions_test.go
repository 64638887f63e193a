package ssh

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
	"starling/internal/transport"
)

func TestSessionsThatTheServerRefusesWait(t *testing.T) {
	for _, most := range []int{1, 3, 10} {
		t.Run(fmt.Sprintf("MaxSessions %d", most), func(t *testing.T) {
			s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{fmt.Sprintf("MaxSessions %d", most)}})
			tr := to(t, target(s), options())
			var wg sync.WaitGroup
			errs := make([]error, 20)
			for i := range errs {
				wg.Add(1)
				go func() {
					defer wg.Done()
					var out bytes.Buffer
					errs[i] = tr.Exec(context.Background(), transport.Command{Line: fmt.Sprintf("sleep 0.05; echo %d", i), Stdout: &out})
					if errs[i] == nil && out.String() != fmt.Sprintf("%d\n", i) {
						errs[i] = fmt.Errorf("%d printed %q", i, out.String())
					}
				}()
			}
			wg.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			require.Equal(t, 1, s.Accepted(), "one connection, never torn down")
		})
	}
}

func TestAtMostEightSessions(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 100"}})
	tr := to(t, target(s), options())
	var wg sync.WaitGroup
	errs := make(chan error, 12)
	for range cap(errs) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs <- run2(tr, "echo + >>$HOME/log; while [ ! -e $HOME/go ]; do sleep 0.02; done; echo - >>$HOME/log")
		}()
	}
	require.Eventually(t, func() bool {
		log, _ := os.ReadFile(s.Home + "/log") // not there at first
		return strings.Count(string(log), "+") == 8
	}, 20*time.Second, time.Millisecond)
	write(t, s.Home+"/go", "")
	wg.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	running, most := 0, 0
	for _, sign := range strings.Fields(read(t, s.Home+"/log")) {
		running += map[string]int{"+": 1, "-": -1}[sign]
		most = max(most, running)
	}
	require.Equal(t, 8, most)
	require.Zero(t, running)
}

func run2(tr transport.Transport, line string) error {
	return tr.Exec(context.Background(), transport.Command{Line: line})
}

func TestNoSessionsAtAll(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 0"}})
	e := unreachable(t, run(t, to(t, target(s), options())), "open session")
	require.Contains(t, e.Hint, "MaxSessions")
}

// TestSessionsLeftBehind leaves as many sessions as the server allows while their commands run on. The server counts
// them still; the next command gets a new connection.
func TestSessionsLeftBehind(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 2"}})
	tr := to(t, target(s), options())
	for range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		w := writer(func(b []byte) (int, error) { cancel(); return len(b), nil })
		err := tr.Exec(ctx, transport.Command{Line: "echo up; exec sleep 60", Stdout: w})
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, run(t, tr))
	require.LessOrEqual(t, s.Accepted(), 3)
}

// TestLeavingClosesTheSession has a command that learns from its output that nobody listens any more.
func TestLeavingClosesTheSession(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{LoginShell: "/bin/sh"})
	tr := to(t, target(s), options())
	ctx, cancel := context.WithCancel(context.Background())
	w := writer(func(b []byte) (int, error) { cancel(); return len(b), nil })
	line := "trap '' PIPE; while echo up 2>/dev/null; do sleep 0.02; done; echo >gone"
	require.ErrorIs(t, tr.Exec(ctx, transport.Command{Line: line, Stdout: w}), context.Canceled)
	require.Eventually(t, func() bool {
		_, err := os.Stat(s.Home + "/gone")
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
}

func TestWaitForASessionEndsWithCtx(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 1"}})
	tr := to(t, target(s), options())
	up, result := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		w := writer(func(b []byte) (int, error) { once.Do(func() { close(up) }); return len(b), nil })
		result <- tr.Exec(context.Background(), transport.Command{Line: "echo up; sleep 60", Stdout: w})
	}()
	<-up
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, tr.Exec(ctx, transport.Command{Line: "true"}), context.DeadlineExceeded)
	require.NoError(t, tr.Close())
	var lost *transport.DisconnectedError
	require.ErrorAs(t, <-result, &lost)
}

func BenchmarkExec(b *testing.B) {
	s := sshdtest.Start(b, sshdtest.Options{LoginShell: "/bin/sh"})
	tr := New(target(s), options())
	defer tr.Close()
	require.NoError(b, run2(tr, "true"))
	for b.Loop() {
		require.NoError(b, run2(tr, "true"))
	}
}
