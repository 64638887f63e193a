package job_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/internal/wire"
)

// counted counts the looks that go to a host.
type counted struct {
	transport.Transport
	looks atomic.Int64
}

func (c *counted) Exec(ctx context.Context, cmd transport.Command) error {
	cmd.Stdin = &countedInput{cmd.Stdin.(io.ReadCloser), &c.looks}
	return c.Transport.Exec(ctx, cmd)
}

type countedInput struct {
	io.ReadCloser
	looks *atomic.Int64
}

func (r *countedInput) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.looks.Add(int64(bytes.Count(p[:n], []byte("\n_sl_look "))))
	return n, err
}

// However many threads wait for jobs of a host, a tick is one look, and not one for each of them.
func TestWaitersShareLooks(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	const waiters = 12
	ids := make([]string, waiters)
	for i := range ids {
		ids[i] = b.start("while [ ! -e $HOME/go-on ]; do sleep 0.1; done", time.Minute).ID
	}
	engine := job.New(job.Config{Recorder: b.journal})
	t.Cleanup(engine.Close)
	link := &counted{}
	host := engine.Host(transport.Target{Name: b.server.Name, ConfigFile: b.server.ConfigFile}, func(t transport.Target) transport.Transport {
		link.Transport = ssh.New(t, ssh.Options{Home: b.t.TempDir()})
		return link
	})
	began := time.Now()
	const every = 600 * time.Millisecond
	var wg sync.WaitGroup
	results := make([]job.Result, waiters)
	for i, id := range ids {
		wg.Go(func() {
			if got, err := engine.Wait(b.ctx, []job.Ref{{Host: host, ID: id}}, job.Pace{Every: every}); err == nil {
				results[i] = got[0]
			}
		})
	}
	b.eventually("some ticks", func() bool { return link.looks.Load() >= 4 })
	b.write("go-on")
	wg.Wait()
	for _, r := range results {
		require.Equal(t, wire.Succeeded, r.State)
	}
	// Two a tick at most, since not all may come in its first half; without sharing, one a tick for each waiter.
	ticks := int64(time.Since(began)/every) + 2
	require.LessOrEqual(t, link.looks.Load(), 2*ticks)
}
