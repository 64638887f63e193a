package job_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

func TestEnds(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	for _, row := range []struct {
		name, cmd string
		limit     time.Duration
		state     job.State
		rc        int
		out       string
	}{
		{"success", "echo hi", time.Minute, wire.Succeeded, 0, "hi\n"},
		{"failure", "echo bad; exit 7", time.Minute, wire.Failed, 7, "bad\n"},
		{"not found", "no-such-command-here", time.Minute, wire.Failed, 127, ""},
		{"no ceiling", "echo free", 0, wire.Succeeded, 0, "free\n"},
		{"killed by a signal", "echo x; kill -9 $$", time.Minute, wire.Failed, 137, "x\n"},
		{"ceiling", "echo before; sleep 100; echo after", 2 * time.Second, wire.TimedOut, 143, "before\n"},
		{"child left behind", "sleep 60 & echo parent", time.Minute, wire.Succeeded, 0, "parent\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			started := time.Now()
			r := b.wait(b.start(row.cmd, row.limit).ID)
			require.Equal(t, row.state, r.State, r.Msg)
			require.Equal(t, row.rc, r.RC)
			require.Equal(t, row.out, string(r.Stdout))
			require.Less(t, time.Since(started), patience)
			looks := 5
			if row.name == "failure" {
				looks = 100
			}
			for range looks {
				again := b.look(r.ID)
				require.Equal(t, r.State, again.State)
				require.Equal(t, r.RC, again.RC)
				require.Equal(t, r.Stdout, again.Stdout)
			}
			record, err := b.journal.Find(b.ctx, r.ID)
			require.NoError(t, err)
			require.Equal(t, job.Reaped, record.Seen.Phase)
			require.Equal(t, row.state, record.Seen.State)
		})
	}
	require.Empty(t, b.engine.Unreaped())
}

func TestOKCodes(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r, err := b.host.Start(b.ctx, job.Command{Text: "exit 3", Display: "exit 3", Limit: time.Minute, OKCodes: []int{0, 3}})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, b.wait(r.ID).State)
	// Another program knows it from the journal.
	engine, other := b.controller(b.server.ConfigFile)
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: other, ID: r.ID}}, job.Pace{Looks: 1})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, results[0].State)
}

// A host that is only waited for holds no connection.
func TestWaitHoldsNoConnection(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("while [ ! -e $HOME/go-on ]; do sleep 0.1; done", time.Minute)
	done := make(chan job.Result)
	go func() { done <- b.wait(r.ID) }()
	closed := 0
	b.eventually("the connection closes between looks, and opens again", func() bool {
		if b.server.Connections() == 0 && b.server.Accepted() > 2 {
			closed++
		}
		return closed > 3
	})
	require.NoError(t, os.WriteFile(b.home("go-on"), nil, 0o600))
	require.Equal(t, wire.Succeeded, (<-done).State)
}

// The connection breaks after every possible number of bytes, as far as time allows; the job runs once.
func TestStartExactlyOnceThroughCuts(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	proxy := sshdtest.NewProxy(t, b.server.Addr())
	config := b.server.ConfigVia(proxy.Addr())
	measure := func(d sshdtest.Direction) int64 {
		before := proxy.Passed(d)
		engine, host := b.controller(config)
		_, err := host.Start(b.ctx, job.Command{Text: "true", Limit: time.Minute})
		require.NoError(t, err)
		engine.Close()
		return proxy.Passed(d) - before
	}
	points := 12
	if os.Getenv("STARLING_SOAK") != "" {
		points = 1 << 20
	}
	for d, name := range map[sshdtest.Direction]string{sshdtest.ToServer: "to the server", sshdtest.ToClient: "to the client"} {
		total := measure(d)
		step := max(1, total/int64(points))
		for n := int64(1); n <= total; n += step {
			t.Run(fmt.Sprintf("%s after %d of %d", name, n, total), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // each its own: all of them take hours
				defer cancel()
				counter := fmt.Sprintf("counter-%d-%d", d, n)
				engine, host := b.controller(config)
				defer engine.Close()
				proxy.CutAfter(d, n)
				cmd := job.Command{Text: "echo ran >>$HOME/" + counter, Display: "count", Limit: time.Minute}
				r, err := host.Start(ctx, cmd)
				if err != nil {
					// Cut before anything of the job was sent: it must never run.
					require.True(t, job.NeverStarted(err), "%v", err)
					require.Zero(t, b.lines(counter))
					return
				}
				results, err := engine.Wait(ctx, []job.Ref{{Host: host, ID: r.ID}}, job.Pace{Every: 100 * time.Millisecond, Early: true})
				require.NoError(t, err)
				require.Equal(t, wire.Succeeded, results[0].State)
				require.Equal(t, 1, b.lines(counter))
			})
		}
	}
}

// How long a job has run is its host's word: a start may have been long on its way.
func TestElapsedIsTheHosts(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	started := b.start("sleep 60", time.Minute)
	record, err := b.journal.Find(b.ctx, started.ID)
	require.NoError(t, err)
	record.Created = record.Created.Add(-time.Hour)
	engine, host := b.controller(b.server.ConfigFile)
	engine.Adopt([]job.Record{record})
	b.eventually("the host counts", func() bool {
		results, err := host.Look(b.ctx, []string{started.ID}, 0)
		require.NoError(t, err)
		return results[0].Elapsed > 0 && results[0].Elapsed < time.Minute
	})
}

func TestJobOutlivesItsConnectionAndItsProgram(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("while [ ! -e $HOME/go-on ]; do sleep 0.1; done; echo ran >>$HOME/counter", time.Minute)
	b.server.DropAll()
	require.Equal(t, wire.Running, b.look(r.ID).State)
	b.engine.Close()
	engine, host := b.controller(b.server.ConfigFile)
	require.NoError(t, os.WriteFile(b.home("go-on"), nil, 0o600))
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: host, ID: r.ID}}, job.Pace{Every: 100 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, results[0].State)
	require.Equal(t, 1, b.lines("counter"))
}

func TestCeilingsOfManyLeaveNoSurvivor(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	jobs := 100
	refs := make([]job.Ref, jobs)
	for i := range refs {
		// One third each: plain, deaf to TERM, in a session of its own.
		cmd := []string{"sleep 100", "trap '' TERM; while :; do sleep 1; done", "setsid sleep 100 & sleep 100"}[i%3]
		r, err := b.host.Start(b.ctx, job.Command{Text: "echo kept; " + cmd, Limit: 2 * time.Second})
		require.NoError(t, err)
		refs[i] = job.Ref{Host: b.host, ID: r.ID}
	}
	results, err := b.engine.Wait(b.ctx, refs, job.Pace{Every: time.Second})
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, wire.TimedOut, r.State, "job %d: %s", i, r.Msg)
		require.Equal(t, "kept\n", string(r.Stdout))
	}
	b.engine.Close()
	b.eventually("nothing of the jobs is left", func() bool { return len(b.server.Processes()) == 0 })
}

func TestSupervisorKilled(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("while [ ! -e $HOME/go-on ]; do sleep 0.1; done", time.Minute)
	require.NoError(t, syscall.Kill(b.supervisor(r.ID), syscall.SIGKILL))
	b.eventually("orphaned", func() bool { return b.look(r.ID).State == wire.Orphaned })
	require.NoError(t, os.WriteFile(b.home("go-on"), nil, 0o600))
	last := b.wait(r.ID)
	require.Equal(t, wire.Lost, last.State)
	require.Contains(t, last.Msg, "supervisor")
}

func TestBootIDChanged(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("sleep 60", time.Minute)
	require.NoError(t, os.WriteFile(b.server.BootIDFile, []byte("11111111-2222-3333-4444-555555555555\n"), 0o600))
	last := b.wait(r.ID)
	require.Equal(t, wire.Lost, last.State)
	require.Contains(t, last.Msg, "reboot")
	require.True(t, last.Failed())
}

func TestBigOutput(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	const size = 48 << 20
	r := b.start(fmt.Sprintf("head -c %d /dev/urandom | tee $HOME/copy", size), time.Minute)
	var seen atomic.Int64
	digest := sha256.New()
	w := writerFunc(func(p []byte) (int, error) {
		seen.Add(int64(len(p)))
		return digest.Write(p)
	})
	var offset int64
	var most uint64
	for {
		ended := b.look(r.ID).Ended()
		var err error
		offset, err = b.host.Copy(b.ctx, w, r.ID, job.Stdout, offset)
		require.NoError(t, err)
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		most = max(most, stats.HeapInuse)
		if ended {
			break
		}
	}
	require.EqualValues(t, size, offset)
	file, err := os.Open(b.home("copy"))
	require.NoError(t, err)
	defer file.Close()
	want := sha256.New()
	_, err = io.Copy(want, file)
	require.NoError(t, err)
	require.Equal(t, want.Sum(nil), digest.Sum(nil))
	require.Less(t, most, uint64(size), "the output was held in memory as a whole")
	last := b.wait(r.ID)
	require.Len(t, last.Stdout, job.DefaultOutputCap)
	require.Contains(t, last.Msg, fmt.Sprintf("of %d bytes", size))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCancel(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	for name, cmd := range map[string]string{
		"plain": "echo kept; sleep 100", "deaf": "echo kept; trap '' TERM; while :; do sleep 1; done", "tree": "echo kept; setsid sleep 100 & sleep 100",
	} {
		t.Run(name, func(t *testing.T) {
			r := b.start(cmd, time.Minute)
			b.eventually("it writes", func() bool { return len(b.look(r.ID).Stdout) > 0 })
			ended, err := b.host.Cancel(b.ctx, r.ID, time.Second)
			require.NoError(t, err)
			require.Equal(t, wire.Cancelled, ended.State)
			require.Equal(t, "kept\n", string(ended.Stdout))
		})
	}
	done := b.start("exit 3", time.Minute)
	b.wait(done.ID)
	ended, err := b.host.Cancel(b.ctx, done.ID, time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.Failed, ended.State, "a job that has ended is told as it ended")
	b.engine.Close()
	b.eventually("nothing is left", func() bool { return len(b.server.Processes()) == 0 })
}

func TestUnknownJobs(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	for _, id := range []string{"", "../x", "j-4f7yq0c9x2m8k1ab\n", "j-4f7yq0c9;rm", "short", strings.Repeat("x", 65), "j-4f7yq0c9x2m8k1ä"} {
		var bad *job.IDError
		require.ErrorAs(t, job.CheckID(id), &bad, "%q", id)
	}
	require.NoError(t, job.CheckID(job.NewID()))
	_, err := b.host.Look(b.ctx, []string{job.NewID()}, 0)
	var absent *job.AbsentError
	require.ErrorAs(t, err, &absent)
	require.Contains(t, err.Error(), "web1")
}

// A job that once was acknowledged and of which its host has no trace is lost, and never "not there".
func TestFolderVanished(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("sleep 60", time.Minute)
	record, err := b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(record.Base))
	last := b.wait(r.ID)
	require.Equal(t, wire.Lost, last.State)
}

func TestHostGoneDuringWait(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	r := b.start("sleep 2; echo ran >>$HOME/counter", time.Minute)
	b.server.Refuse(true)
	b.server.DropAll()
	done := make(chan job.Result)
	go func() { done <- b.wait(r.ID) }()
	b.eventually("looks are missed", func() bool { return len(b.said(event.JobMissed)) > 1 })
	b.server.Refuse(false)
	require.Equal(t, wire.Succeeded, (<-done).State)
	require.Equal(t, 1, b.lines("counter"))

	r = b.start("sleep 60", time.Minute)
	b.server.Refuse(true)
	b.server.DropAll()
	_, err := b.engine.Wait(b.ctx, []job.Ref{{Host: b.host, ID: r.ID}}, job.Pace{Every: 50 * time.Millisecond, Looks: 3})
	var unasked *job.UnaskedError
	require.ErrorAs(t, err, &unasked)
	require.False(t, unasked.Since.IsZero())
	require.Contains(t, err.Error(), "may still run")
	require.Len(t, b.engine.Unreaped(), 1)
}

func TestManyJobsOneLook(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	var ids []string
	for i := range 120 {
		ids = append(ids, b.start(fmt.Sprintf("exit %d", i%3), time.Minute).ID)
	}
	b.eventually("all have ended", func() bool {
		results, err := b.host.Look(b.ctx, ids, 0)
		require.NoError(t, err)
		for _, r := range results {
			if !r.Ended() {
				return false
			}
		}
		return true
	})
	results, err := b.host.Look(b.ctx, ids, 0)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, ids[i], r.ID)
		require.Equal(t, i%3, r.RC)
	}
}

func TestAttached(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	r, err := b.host.Run(b.ctx, job.Command{Text: "cat; echo err >&2; exit 5", Stdin: everyByte}, 0)
	require.NoError(t, err)
	require.Equal(t, everyByte, r.Stdout)
	require.Equal(t, "err\n", string(r.Stderr))
	require.Equal(t, 5, r.RC)
	require.Equal(t, wire.Failed, r.State)

	r, err = b.host.Run(b.ctx, job.Command{Argv: []string{"printf", "%s|", "a b", "$HOME", "'"}, Env: []string{"X=a\nb"}, Chdir: "/"}, 0)
	require.NoError(t, err)
	require.Equal(t, "a b|$HOME|'|", string(r.Stdout))

	r, err = b.host.Run(b.ctx, job.Command{Text: "echo kept; setsid sleep 100 & sleep 100"}, time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.TimedOut, r.State)
	require.Equal(t, "kept\n", string(r.Stdout))
	b.engine.Close()
	b.eventually("the whole tree is gone", func() bool { return len(b.server.Processes()) == 0 })
}

func TestAttachedConnectionLost(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	done := make(chan error)
	go func() {
		_, err := b.host.Run(b.ctx, job.Command{Text: "touch $HOME/begun; sleep 30", Display: "long"}, 0)
		done <- err
	}()
	b.eventually("it runs", func() bool { _, err := os.Stat(b.home("begun")); return err == nil })
	b.server.DropAll()
	var broken *job.BrokenError
	require.ErrorAs(t, <-done, &broken)
	require.Contains(t, broken.Error(), "not known")
}

func TestNothingStartedWhenTheJournalCannotBeWritten(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	require.NoError(t, b.journal.Close())
	_, err := b.host.Start(b.ctx, job.Command{Text: "echo ran >>$HOME/counter", Limit: time.Minute})
	require.ErrorContains(t, err, "not started")
	require.Zero(t, b.lines("counter"))
}
