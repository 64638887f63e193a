package job_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// However many threads wait for jobs of a host, a tick is one look: one connection, and not one for each of them.
func TestWaitersShareLooks(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	const waiters = 12
	ids := make([]string, waiters)
	for i := range ids {
		ids[i] = b.start("while [ ! -e $HOME/go-on ]; do sleep 0.1; done", time.Minute).ID
	}
	before := b.server.Accepted()
	var wg sync.WaitGroup
	results := make([]job.Result, waiters)
	for i, id := range ids {
		wg.Go(func() {
			got, err := b.engine.Wait(b.ctx, []job.Ref{{Host: b.host, ID: id}}, job.Pace{Every: 600 * time.Millisecond})
			if err == nil {
				results[i] = got[0]
			}
		})
	}
	const ticks = 4
	b.eventually("some ticks", func() bool { return b.server.Accepted()-before >= ticks })
	b.write("go-on")
	wg.Wait()
	for _, r := range results {
		require.Equal(t, wire.Succeeded, r.State)
	}
	// One connection a tick, and a few for those that came when one had just closed; without sharing, one for each waiter.
	require.Less(t, b.server.Accepted()-before, ticks*waiters/2)
}
