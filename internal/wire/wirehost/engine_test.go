package wirehost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/wire"
	"starling/internal/wire/wirehost"
)

// controller is an engine whose hosts are all made by dial.
func controller(t *testing.T, c job.Config, dial func(name string) transport.Transport) (context.Context, *job.Engine, func(name string) *job.Host) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	if c.Recorder == nil {
		c.Recorder = &job.Memory{}
	}
	engine := job.New(c)
	t.Cleanup(engine.Close)
	return ctx, engine, func(name string) *job.Host {
		return engine.Host(transport.Target{Name: name}, func(t transport.Target) transport.Transport { return dial(t.Name) })
	}
}

var pace = job.Pace{Every: 50 * time.Millisecond, Early: true}

func TestEngine(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	host := wirehost.New("web1", wirehost.Options{Script: func(cmd string) wirehost.Job {
		if cmd == "big" {
			return wirehost.Job{Stdout: big, Code: 1}
		}
		return script(cmd)
	}})
	ctx, engine, reach := controller(t, job.Config{}, func(string) transport.Transport { return host })
	h := reach("web1")
	start := func(t *testing.T, cmd job.Command) job.Result {
		r, err := h.Start(ctx, cmd)
		require.NoError(t, err)
		require.Equal(t, wire.Running, r.State)
		return r
	}
	t.Run("ping and probe", func(t *testing.T) {
		r, err := h.Ping(ctx)
		require.NoError(t, err)
		require.Equal(t, wire.Succeeded, r.State)
	})
	t.Run("wait", func(t *testing.T) {
		var refs []job.Ref
		for _, cmd := range []string{"true", "echo some; exit 3", "echo 0123456789; sleep 0.3", "big"} {
			refs = append(refs, job.Ref{Host: h, ID: start(t, job.Command{Text: cmd, Limit: time.Minute}).ID})
		}
		results, err := engine.Wait(ctx, refs, pace)
		require.NoError(t, err)
		for i, want := range []struct {
			state job.State
			rc    int
			out   string
		}{{wire.Succeeded, 0, ""}, {wire.Failed, 3, "some\n"}, {wire.Succeeded, 0, "0123456789\n"}, {wire.Failed, 1, string(big)}} {
			require.Equal(t, want.state, results[i].State, results[i].Msg)
			require.Equal(t, want.rc, results[i].RC)
			require.True(t, want.out == string(results[i].Stdout), "%d: %d bytes", i, len(results[i].Stdout))
		}
		require.Empty(t, engine.Unreaped())
	})
	t.Run("any", func(t *testing.T) {
		long := start(t, job.Command{Text: "exec sleep 301"})
		short := start(t, job.Command{Text: "echo 0123456789; sleep 0.3"})
		at, r, err := engine.WaitAny(ctx, []job.Ref{{Host: h, ID: long.ID}, {Host: h, ID: short.ID}}, pace)
		require.NoError(t, err)
		require.Equal(t, 1, at)
		require.Equal(t, wire.Succeeded, r.State)
		r, err = h.Cancel(ctx, long.ID, time.Second)
		require.NoError(t, err)
		require.Equal(t, wire.Cancelled, r.State)
	})
	t.Run("limit", func(t *testing.T) {
		r := start(t, job.Command{Text: "exec sleep 301", Limit: 200 * time.Millisecond})
		results, err := engine.Wait(ctx, []job.Ref{{Host: h, ID: r.ID}}, pace)
		require.NoError(t, err)
		require.Equal(t, wire.TimedOut, results[0].State)
	})
	t.Run("look, read, cancel, clean", func(t *testing.T) {
		r := start(t, job.Command{Text: "echo 0123456789; echo oops >&2; exec sleep 300"})
		results, err := h.Look(ctx, []string{r.ID}, 0)
		require.NoError(t, err)
		require.Equal(t, wire.Running, results[0].State)
		require.Equal(t, "0123456789\n", string(results[0].Stdout))
		var copied strings.Builder
		offset, err := h.Copy(ctx, &copied, r.ID, job.Stdout, 4)
		require.NoError(t, err)
		require.EqualValues(t, 11, offset)
		require.Equal(t, "456789\n", copied.String())
		var refused *job.RefusedError
		require.ErrorAs(t, engine.Clean(ctx, []job.Ref{{Host: h, ID: r.ID}}), &refused)
		r, err = h.Cancel(ctx, r.ID, time.Second)
		require.NoError(t, err)
		require.Equal(t, wire.Cancelled, r.State)
		require.Equal(t, "oops\n", string(r.Stderr))
		require.NoError(t, engine.Clean(ctx, []job.Ref{{Host: h, ID: r.ID}}))
		listed, err := h.List(ctx)
		require.NoError(t, err)
		for _, l := range listed {
			require.NotEqual(t, r.ID, l.ID)
		}
	})
	t.Run("key", func(t *testing.T) {
		cmd := job.Command{Text: "exec sleep 301", Key: "nightly"}
		first := start(t, cmd)
		ctx, other, reach := controller(t, job.Config{}, func(string) transport.Transport { return host })
		second, err := reach("web1").Start(ctx, cmd)
		require.NoError(t, err)
		require.Equal(t, first.ID, second.ID, "another controller finds the job")
		other.Close()
		_, err = h.Cancel(ctx, first.ID, time.Second)
		require.NoError(t, err)
		third := start(t, cmd)
		require.NotEqual(t, first.ID, third.ID)
		_, err = h.Cancel(ctx, third.ID, time.Second)
		require.NoError(t, err)
	})
	t.Run("attached", func(t *testing.T) {
		r, err := h.Run(ctx, job.Command{Text: "cat; exit 4", Stdin: big, Env: []string{"A=b"}, Chdir: "/"}, 0)
		require.NoError(t, err)
		require.Equal(t, 4, r.RC)
		require.True(t, bytes.Equal(big, r.Stdout))
		r, err = h.Run(ctx, job.Command{Text: "echo out; echo err >&2; exit 5"}, 0)
		require.NoError(t, err)
		require.Equal(t, []any{5, "out\n", "err\n"}, []any{r.RC, string(r.Stdout), string(r.Stderr)})
		r, err = h.Run(ctx, job.Command{Text: "exec sleep 301"}, 100*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, wire.TimedOut, r.State)
	})
	t.Run("unknown", func(t *testing.T) {
		_, err := h.Look(ctx, []string{newID()}, 0)
		var absent *job.AbsentError
		require.ErrorAs(t, err, &absent)
	})
	h.Rest()
	require.Eventually(t, func() bool { return host.Connections() == 0 }, patience, time.Millisecond)
}

// A start is carried out once, wherever the connection breaks.
func TestStartOnceThroughCuts(t *testing.T) {
	size := int64(len(wire.Open(nonce()))) // of what opens a channel; the requests are shorter than that
	for name, fault := range map[string]func(n int64) fake.Fault{
		"input":  func(n int64) fake.Fault { return fake.CutStdin("web1", n) },
		"output": func(n int64) fake.Fault { return fake.CutStdout("web1", n) },
	} {
		points := []int64{0, 1, 20, size - 1, size, size + 10}
		for n := int64(30); n < 1600; n += 31 {
			points = append(points, n, size+n)
		}
		t.Run(name, func(t *testing.T) {
			for _, n := range points {
				var meter wirehost.Meter
				host := wirehost.New("web1", wirehost.Options{Script: script, Meter: &meter})
				ctx, engine, reach := controller(t, job.Config{}, func(string) transport.Transport {
					return fake.WithFaults(host, fake.Nth(1, fault(n)))
				})
				r, err := reach("web1").Start(ctx, job.Command{Text: "echo some; exit 3", Limit: time.Minute})
				if err != nil {
					require.True(t, job.NeverStarted(err), "cut after %d: %v", n, err)
					require.Zero(t, meter.Starts())
					continue
				}
				results, err := engine.Wait(ctx, []job.Ref{{Host: reach("web1"), ID: r.ID}}, pace)
				require.NoError(t, err)
				require.Equal(t, 3, results[0].RC)
				require.Equal(t, 1, meter.Starts(), "cut after %d", n)
				engine.Close()
				require.Zero(t, meter.Open())
			}
		})
	}
}

// A fleet shares a meter, and what it counts adds up.
func TestFleet(t *testing.T) {
	const hosts, jobs, forks = 200, 3, 20
	var meter wirehost.Meter
	ctx, engine, reach := controller(t, job.Config{Forks: forks}, func(name string) transport.Transport {
		return wirehost.New(name, wirehost.Options{Meter: &meter, Script: func(cmd string) wirehost.Job {
			return wirehost.Job{Duration: 50 * time.Millisecond, Stdout: []byte(cmd)}
		}})
	})
	var mu sync.Mutex
	var refs []job.Ref
	var wg sync.WaitGroup
	var errs []error
	for i := range hosts {
		wg.Go(func() {
			h := reach(fmt.Sprint("host", i))
			for n := range jobs {
				r, err := h.Start(ctx, job.Command{Text: fmt.Sprint(i, " ", n)})
				mu.Lock()
				refs, errs = append(refs, job.Ref{Host: h, ID: r.ID}), append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	results, err := engine.Wait(ctx, refs, pace)
	require.NoError(t, err)
	out := map[string]bool{}
	for _, r := range results {
		require.Equal(t, wire.Succeeded, r.State)
		out[string(r.Stdout)] = true
	}
	require.Len(t, out, hosts*jobs)
	require.Equal(t, hosts*jobs, meter.Starts())
	require.GreaterOrEqual(t, meter.Execs(), hosts)
	require.GreaterOrEqual(t, meter.Exchanges(), meter.Starts()+2*hosts, "a probe and a look at least for each host")
	require.LessOrEqual(t, meter.MostOpen(), forks)
	require.Positive(t, meter.MostOpen())
	engine.Close()
	require.Zero(t, meter.Open())
}

// A host costs a few KB, with its jobs.
func TestMemory(t *testing.T) {
	const hosts, jobs = 300, 10
	before := heap()
	all := make([]*wirehost.Host, hosts)
	for i := range all {
		all[i] = wirehost.New(fmt.Sprint("host", i), wirehost.Options{})
		n := nonce()
		text := bytes.NewBuffer(wire.Open(n))
		requests := []wire.Request{wire.Probe{Base: "/b"}}
		for range jobs {
			requests = append(requests, wire.Start{Base: "/b", ID: newID(), Attempt: nonce(), Cmd: make([]byte, 0), Env: map[string]string{"A": strings.Repeat("x", 5000)}})
		}
		for seq, r := range requests {
			b, err := wire.Encode(n, seq+1, r)
			require.NoError(t, err)
			text.Write(b)
		}
		require.NoError(t, all[i].Exec(t.Context(), transport.Command{Line: wire.Lines()[0], Stdin: text}))
	}
	each := (heap() - before) / hosts
	require.Less(t, each, int64(8<<10), "bytes for a host with %d jobs", jobs)
	t.Log(each, "bytes for a host with", jobs, "jobs")
	runtime.KeepAlive(all)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
