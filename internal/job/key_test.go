package job_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// Controllers that start under a key at the same instant, half of them with one journal and half with one each, start
// one job and all see it.
func TestKeyAtTheSameInstant(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	var hosts []*job.Host
	for n := range 6 {
		recorder := job.Recorder(b.journal)
		if n%2 == 0 {
			recorder = &job.Memory{}
		}
		engine := job.New(job.Config{Recorder: recorder})
		t.Cleanup(engine.Close)
		hosts = append(hosts, b.reach(engine, b.server.ConfigFile))
		_, err := hosts[n].Ping(b.ctx)
		require.NoError(t, err)
	}
	for round := range 5 {
		key := fmt.Sprint("k", round)
		ids, errs := make([]string, len(hosts)), make([]error, len(hosts))
		var wg sync.WaitGroup
		for i, h := range hosts {
			wg.Go(func() {
				var r job.Result
				r, errs[i] = h.Start(b.ctx, job.Command{Text: "echo ran >>$HOME/" + key, Display: key, Key: key, Limit: time.Minute})
				ids[i] = r.ID
			})
		}
		wg.Wait()
		for i := range hosts {
			require.NoError(t, errs[i])
			require.Equal(t, ids[0], ids[i])
		}
		require.Equal(t, wire.Succeeded, b.wait(ids[0]).State)
		require.Equal(t, 1, b.lines(key))
	}
}

// What was not begun, and what was reaped while the host could not be told, does not stand in the way of a key.
func TestKeyGivesWay(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	keyed := job.Command{Text: "echo ran >>$HOME/counter", Display: "keyed", Key: "k", Limit: time.Minute}
	b.wait(b.start("true", time.Minute).ID)
	refused := func() string { return b.refusedStart(keyed) }

	first := refused()
	r, err := b.host.Start(b.ctx, keyed)
	require.NoError(t, err)
	require.Equal(t, first, r.ID, "the host has begun no job under this id")
	again, err := b.host.Start(b.ctx, keyed)
	require.NoError(t, err)
	require.Equal(t, first, again.ID)
	require.Len(t, b.engine.Ledger(), 2, "it is one job, however often it is started")
	require.Equal(t, wire.Succeeded, b.wait(first).State)
	require.Empty(t, b.engine.Unreaped())

	cancelled := refused()
	_, err = b.host.Cancel(b.ctx, cancelled, 0)
	var absent *job.AbsentError
	require.ErrorAs(t, err, &absent)
	r, err = b.host.Start(b.ctx, keyed)
	require.NoError(t, err)
	require.NotEqual(t, cancelled, r.ID, "the host begins no job that was cancelled before it began")
	b.eventually("it ends", func() bool { return b.look(r.ID).Ended() })

	require.NoError(t, b.journal.Update(b.ctx, r.ID, job.Seen{Phase: job.Reaped, State: wire.Succeeded, At: time.Now()}))
	_, other := b.controller(b.server.ConfigFile)
	next, err := other.Start(b.ctx, keyed)
	require.NoError(t, err)
	require.NotEqual(t, r.ID, next.ID, "it was reaped, and the host had not heard of that")
	require.Equal(t, wire.Succeeded, b.wait(next.ID).State)
	require.Equal(t, 3, b.lines("counter"))
}

// refusedStart is the id of a job that the host did not take.
func (b *bench) refusedStart(cmd job.Command) string {
	folder := b.home(".local/state/starling/v1")
	require.NoError(b.t, os.Rename(folder, folder+".away"))
	_, err := b.host.Start(b.ctx, cmd)
	var start *job.StartError
	require.ErrorAs(b.t, err, &start)
	require.NoError(b.t, os.Rename(folder+".away", folder))
	return start.ID
}

// A job that was cancelled before it began does not stand in the way of its key, also when whoever cancelled it did not
// know the key, or could not tell the host.
func TestKeyGivesWayToWhatWasCancelledElsewhere(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	keyed := job.Command{Text: "true", Display: "keyed", Key: "k", Limit: time.Minute}
	b.wait(b.start("true", time.Minute).ID)
	engine := job.New(job.Config{Recorder: &job.Memory{}})
	t.Cleanup(engine.Close)
	elsewhere := b.reach(engine, b.server.ConfigFile)
	cancelled := func() string {
		id := b.refusedStart(keyed)
		_, err := elsewhere.Cancel(b.ctx, id, 0)
		var absent *job.AbsentError
		require.ErrorAs(t, err, &absent)
		return id
	}

	first := cancelled()
	_, err := b.host.Start(b.ctx, keyed)
	require.ErrorContains(t, err, first+" was not started: it was cancelled before it began")
	r, err := b.host.Start(b.ctx, keyed)
	require.NoError(t, err)
	require.NotEqual(t, first, r.ID)
	require.Equal(t, wire.Succeeded, b.wait(r.ID).State)

	second := cancelled()
	require.NoError(t, b.journal.Update(b.ctx, second, job.Seen{Phase: job.Refused, State: wire.Cancelled, At: time.Now()}))
	_, other := b.controller(b.server.ConfigFile)
	r, err = other.Start(b.ctx, keyed)
	require.NoError(t, err, "it was known to be cancelled, and the host had not heard of that")
	require.NotEqual(t, second, r.ID)
	require.Equal(t, wire.Succeeded, b.wait(r.ID).State)
}
