package job_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"path/filepath"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

func TestKeyIsOneJobWhoeverStartsIt(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	nightly := job.Command{Text: "echo ran >>$HOME/counter; while [ ! -e $HOME/go-on ]; do sleep 0.1; done", Display: "nightly", Key: "nightly", Limit: time.Minute}
	first, err := b.host.Start(b.ctx, nightly)
	require.NoError(t, err)
	again, err := b.host.Start(b.ctx, nightly)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)

	// Controllers with journals of their own, at the same instant.
	var wg sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		j, err := journal.Open(b.ctx, filepath.Join(t.TempDir(), "journal.db"))
		require.NoError(t, err)
		t.Cleanup(func() { j.Close() })
		engine := job.New(job.Config{Recorder: j})
		t.Cleanup(engine.Close)
		host := b.reach(engine, b.server.ConfigFile)
		wg.Go(func() {
			if r, err := host.Start(b.ctx, nightly); err == nil {
				ids[i] = r.ID
			}
		})
	}
	wg.Wait()
	require.Equal(t, []string{first.ID, first.ID, first.ID, first.ID}, ids)
	require.Equal(t, 1, b.lines("counter"))

	// One that has ended and was not reaped is taken up; one that was gives way.
	b.write("go-on")
	b.eventually("it ends", func() bool { return b.look(first.ID).Ended() })
	again, err = b.host.Start(b.ctx, nightly)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, wire.Succeeded, b.wait(first.ID).State)
	next, err := b.host.Start(b.ctx, nightly)
	require.NoError(t, err)
	require.NotEqual(t, first.ID, next.ID)
	require.Equal(t, wire.Succeeded, b.wait(next.ID).State)
	require.Equal(t, 2, b.lines("counter"))
}
