package job_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/transport/ssh"
	"starling/internal/wire"
)

// A start whose answer is lost over a channel that was open before, on a host that can't be reached again, is in doubt:
// that nothing could be sent the second time says nothing about the first.
func TestStartInDoubtIsKept(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	for name, again := range map[string]error{
		"unreachable": &transport.UnreachableError{Host: "web1", Op: "dial", Err: context.DeadlineExceeded},
		"stranger":    &transport.HostKeyError{Host: "web1", Problem: transport.HostKeyChanged},
		"locked":      &transport.AuthError{Host: "web1"},
	} {
		t.Run(name, func(t *testing.T) {
			silence := &deaf{again: again}
			engine := job.New(job.Config{Run: "r-test", Recorder: b.journal, Events: b.take})
			t.Cleanup(engine.Close)
			host := engine.Host(transport.Target{Name: b.server.Name, ConfigFile: b.server.ConfigFile}, silence.dial)
			_, err := host.Start(b.ctx, job.Command{Text: "true", Limit: time.Minute}) // opens the channel
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
			defer cancel()
			silence.on.Store(true)
			_, err = host.Start(ctx, job.Command{Text: "echo ran >>$HOME/" + name, Display: "count", Limit: time.Minute})
			var doubt *job.InDoubtError
			require.ErrorAs(t, err, &doubt)
			require.False(t, job.NeverStarted(err))
			require.Len(t, engine.Unreaped(), 2)

			// Another program, which can reach the host, finds out.
			other, there := b.controller(b.server.ConfigFile)
			results, err := other.Wait(b.ctx, []job.Ref{{Host: there, ID: doubt.ID}}, job.Pace{Every: 100 * time.Millisecond})
			require.NoError(t, err)
			require.Equal(t, wire.Succeeded, results[0].State)
			require.Equal(t, 1, b.lines(name))
		})
	}
}

// deaf is the way to a host that, once on is set, hears what it is told and is not heard itself, and then can't be
// reached again.
type deaf struct {
	on    atomic.Bool
	again error
}

func (d *deaf) dial(target transport.Target) transport.Transport {
	return fake.WithFaults(ssh.New(target, ssh.Options{}), func(int, transport.Command) fake.Fault {
		if d.on.Load() {
			return fake.Fail(d.again)
		}
		return func(ctx context.Context, cmd transport.Command, next fake.Handler) error {
			inner, cancel := context.WithCancel(ctx)
			defer cancel()
			out := cmd.Stdout
			lost := false
			cmd.Stdout = writerFunc(func(p []byte) (int, error) {
				if d.on.Load() {
					lost = true
					cancel()
					return len(p), nil
				}
				return out.Write(p)
			})
			err := next(inner, cmd)
			if lost && ctx.Err() == nil {
				return &transport.DisconnectedError{Host: target.Name, Err: context.Canceled}
			}
			return err
		}
	})
}

// A start that never reached the host is in doubt until the host is asked: then it is known not to have begun, the
// other jobs of the host are told as they stand, and to cancel it settles it.
func TestDoubtIsSettled(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	running := b.start("sleep 60", time.Minute)
	id := job.NewID()
	record, err := b.journal.Find(b.ctx, running.ID)
	require.NoError(t, err)
	require.NoError(t, b.journal.Intend(b.ctx, job.Record{ID: id, Run: record.Run, Target: record.Target, Base: record.Base,
		Cmd: "true", Created: time.Now(), Seen: job.Seen{Phase: job.Intended, At: time.Now()}}))
	doubtful, err := b.journal.Find(b.ctx, id)
	require.NoError(t, err)
	engine, host := b.controller(b.server.ConfigFile)
	engine.Adopt([]job.Record{record, doubtful})

	_, err = host.Look(b.ctx, []string{id}, 0)
	require.ErrorContains(t, err, "web1: job "+id+" has not begun")
	var absent *job.AbsentError
	require.ErrorAs(t, err, &absent)
	require.Contains(t, absent.Hint(), "starling jobs cancel "+id)
	results, err := engine.Survey(b.ctx, "")
	require.NoError(t, err)
	require.Equal(t, wire.Running, results[0].State)
	require.Equal(t, wire.Unknown, results[1].State)
	require.Contains(t, results[1].Msg, "has not begun")

	r, err := host.Cancel(b.ctx, id, time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.Cancelled, r.State)
	doubtful, err = b.journal.Find(b.ctx, id)
	require.NoError(t, err)
	require.Equal(t, job.Refused, doubtful.Seen.Phase)
	require.Len(t, engine.Unreaped(), 1)
	_, err = host.Cancel(b.ctx, job.NewID(), time.Second)
	require.ErrorContains(t, err, "no job ")
}

// To cancel a job of which its host lost all trace does not make it one that was cancelled.
func TestCancelOfALostJob(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("sleep 60", time.Minute)
	record, err := b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(record.Base, "v1", r.ID)))
	ended, err := b.host.Cancel(b.ctx, r.ID, time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.Lost, ended.State)
	record, err = b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	require.Equal(t, job.Reaped, record.Seen.Phase)
	require.Equal(t, wire.Lost, record.Seen.State)
}

// A step whose start an earlier program may have sent stays in doubt when its host can't be reached as it is taken again.
func TestResumedStartStaysInDoubt(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("true", time.Minute)
	record, err := b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	record.ID, record.Step, record.Seen = job.NewID(), "main/1", job.Seen{Phase: job.Intended, At: time.Now()}
	require.NoError(t, b.journal.Intend(b.ctx, record))
	silence := &deaf{again: &transport.UnreachableError{Host: "web1", Op: "dial", Err: context.DeadlineExceeded}}
	engine := job.New(job.Config{Run: "r-test", Recorder: b.journal, Events: b.take})
	t.Cleanup(engine.Close)
	host := engine.Host(transport.Target{Name: b.server.Name, ConfigFile: b.server.ConfigFile}, silence.dial)
	engine.Adopt([]job.Record{record})
	detached, err := host.Start(b.ctx, job.Command{Text: "true", Limit: time.Minute}) // asks the host what it is
	require.NoError(t, err)
	require.NoError(t, host.Release(b.ctx, detached.ID))
	host.Rest()
	silence.on.Store(true)
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	_, err = host.Start(ctx, job.Command{Text: "true", Limit: time.Minute, Step: "main/1"})
	var doubt *job.InDoubtError
	require.ErrorAs(t, err, &doubt)
	require.Equal(t, record.ID, doubt.ID)
	require.Len(t, engine.Unreaped(), 1)
}

// That a start can't be sent at all says nothing of an earlier one of the same job.
func TestUnfitStartKeepsTheDoubt(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("true", time.Minute)
	record, err := b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	record.ID, record.Step, record.Seen = job.NewID(), "main/1", job.Seen{Phase: job.Intended, At: time.Now()}
	require.NoError(t, b.journal.Intend(b.ctx, record))
	engine, host := b.controller(b.server.ConfigFile)
	engine.Adopt([]job.Record{record})
	unfit := job.Command{Text: "a NUL \x00", Limit: time.Minute, Step: "main/1"}
	_, err = host.Start(b.ctx, unfit)
	var doubt *job.InDoubtError
	require.ErrorAs(t, err, &doubt)
	require.ErrorContains(t, err, "NUL")
	require.Len(t, engine.Unreaped(), 1)

	unfit.Step = "main/2"
	_, err = host.Start(b.ctx, unfit)
	var refused *job.StartError
	require.ErrorAs(t, err, &refused)
	require.Len(t, engine.Unreaped(), 1)
}
