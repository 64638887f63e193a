package journal

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/wire"
)

func TestStats(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"))
	begin := time.Unix(1_700_000_000, 0)
	add := func(n int, cmd string, state job.State, took time.Duration) {
		id := fmt.Sprintf("j-%014d%s", n, cmd)
		require.NoError(t, j.Intend(t.Context(), job.Record{ID: id, Cmd: cmd, Limit: time.Hour, Created: begin.Add(time.Duration(n))}))
		require.NoError(t, j.Update(t.Context(), id, job.Seen{Phase: job.Reaped, State: state, Started: begin, Ended: begin.Add(took)}))
	}
	for n := 1; n <= 100; n++ {
		add(n, "make", wire.Succeeded, time.Duration(n)*time.Second)
	}
	add(101, "make", wire.TimedOut, time.Hour)
	add(102, "make", wire.Lost, 2*time.Hour)
	add(1, "one", wire.Failed, 3*time.Second)
	require.NoError(t, j.Intend(t.Context(), job.Record{ID: "j-running", Cmd: "running"}))
	all, err := j.Stats(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []Stats{
		{Cmd: "make", Count: 100, Median: 50 * time.Second, P95: 95 * time.Second, Max: 100 * time.Second, Ceiling: time.Hour, Killed: 1},
		{Cmd: "one", Count: 1, Median: 3 * time.Second, P95: 3 * time.Second, Max: 3 * time.Second, Ceiling: time.Hour},
	}, all)
	one, err := j.Stats(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, all[1:], one)
	elsewhere := job.Record{ID: "j-elsewhere", Cmd: "one", Target: transport.Target{Name: "web2"}}
	require.NoError(t, j.Intend(t.Context(), elsewhere))
	require.NoError(t, j.Update(t.Context(), elsewhere.ID, job.Seen{Phase: job.Reaped, State: wire.Succeeded, Started: begin, Ended: begin.Add(time.Second)}))
	byHost, err := j.StatsByHost(t.Context())
	require.NoError(t, err)
	require.Equal(t, append(all, Stats{Cmd: "one", Host: "web2", Count: 1, Median: time.Second, P95: time.Second, Max: time.Second}), byHost)
	none, err := j.Stats(t.Context(), "never")
	require.NoError(t, err)
	require.Empty(t, none)
}
