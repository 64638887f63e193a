package job

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
	"starling/internal/transport/fake"
)

// crew makes an engine and some machines whose transports count how often they are closed.
func crew(t *testing.T, forks, n int) []*Host {
	e := New(Config{Recorder: &Memory{}, Forks: forks, Idle: time.Minute})
	hosts := make([]*Host, n)
	for i := range hosts {
		name := string(rune('a' + i))
		hosts[i] = e.Host(transport.Target{Name: name}, func(transport.Target) transport.Transport {
			return fake.New(name, func(context.Context, transport.Command) error { return errors.New("not to be used") })
		})
	}
	t.Cleanup(e.Close)
	return hosts
}

func enter(t *testing.T, h *Host) {
	t.Helper()
	require.NoError(t, h.enter(t.Context(), begin))
}

func TestSlotStaysBetweenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 2)
		a, b := hosts[0], hosts[1]
		enter(t, a)
		var order []string
		var wg sync.WaitGroup
		wg.Go(func() {
			require.NoError(t, b.enter(t.Context(), begin))
			order = append(order, "b")
			b.leave()
		})
		synctest.Wait()
		for range 10 {
			a.leave()
			time.Sleep(linger / 2) // time of the bubble
			enter(t, a)
			order = append(order, "a")
		}
		a.leave()
		wg.Wait()
		require.Equal(t, []string{"a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "b"}, order)
	})
}

func TestIdleSlotIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 2)
		enter(t, hosts[0])
		hosts[0].leave()
		require.True(t, hosts[0].slot, "nobody waits: the connection stays")
		time.Sleep(time.Second)
		began := time.Now()
		enter(t, hosts[1])
		hosts[1].leave()
		require.Zero(t, time.Since(began), "idle for long enough")
		require.False(t, hosts[0].slot)

		began = time.Now()
		enter(t, hosts[0])
		hosts[0].leave()
		require.Equal(t, linger, time.Since(began))
	})
}

func TestWhatBeginsGoesBeforeLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 4)
		enter(t, hosts[0])
		var order []string
		var wg sync.WaitGroup
		for i, u := range []urgency{observe, begin, begin} {
			h := hosts[i+1]
			wg.Go(func() {
				require.NoError(t, h.enter(t.Context(), u))
				order = append(order, h.Name())
				h.leave()
				h.Rest()
			})
			synctest.Wait()
		}
		hosts[0].leave()
		hosts[0].Rest()
		wg.Wait()
		require.Equal(t, []string{"c", "d", "b"}, order)
	})
}

// A machine that has a slot from its last call gives it up rather than look while others wait to begin.
func TestLookGivesItsOwnSlotAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 2)
		enter(t, hosts[0])
		began := time.Now()
		var order []string
		var wg sync.WaitGroup
		wg.Go(func() {
			enter(t, hosts[1])
			order = append(order, "begun")
			hosts[1].leave()
			hosts[1].Rest()
		})
		synctest.Wait()
		hosts[0].leave()
		require.NoError(t, hosts[0].enter(t.Context(), observe))
		order = append(order, "looked")
		hosts[0].leave()
		wg.Wait()
		require.Equal(t, []string{"begun", "looked"}, order)
		require.Zero(t, time.Since(began))
	})
}

// A look that has given way for long enough has its turn even where calls that begin something never run out.
func TestLookIsNotKeptAwayForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 3)
		enter(t, hosts[0])
		looked, began := false, false
		var wg sync.WaitGroup
		wg.Go(func() {
			require.NoError(t, hosts[1].enter(t.Context(), observe))
			looked = true
			require.False(t, began)
			hosts[1].leave()
			hosts[1].Rest()
		})
		synctest.Wait()
		time.Sleep(observePatience + time.Second)
		wg.Go(func() {
			require.NoError(t, hosts[2].enter(t.Context(), begin))
			began = true
			hosts[2].leave()
		})
		synctest.Wait()
		hosts[0].leave()
		hosts[0].Rest()
		wg.Wait()
		require.True(t, looked && began)
	})
}

// A call that begins something does not queue behind a look of the same host.
func TestLookIsHastened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 3)
		enter(t, hosts[0])
		var order []string
		var wg sync.WaitGroup
		call := func(h *Host, u urgency) {
			wg.Go(func() {
				require.NoError(t, h.enter(t.Context(), u))
				order = append(order, h.Name())
				h.leave()
				h.Rest()
			})
			synctest.Wait()
		}
		call(hosts[1], observe)
		call(hosts[1], begin)
		call(hosts[2], begin)
		hosts[0].leave()
		hosts[0].Rest()
		wg.Wait()
		require.Equal(t, "b", order[0])
		require.Len(t, order, 3)
	})
}

func TestEndedContextLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := crew(t, 1, 2)
		enter(t, hosts[0])
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("out of time"))
		defer cancel()
		require.EqualError(t, hosts[1].enter(ctx, begin), "out of time")
		require.False(t, hosts[1].engine.slots.crowded())
		hosts[0].leave()
		hosts[0].Rest()
		enter(t, hosts[1])
		hosts[1].leave()
	})
}

// However many hosts and calls there are, no more hosts than slots are in use at an instant, and all get their turn.
func TestSlotsAreNeverExceeded(t *testing.T) {
	hosts := crew(t, 3, 20)
	var mu sync.Mutex
	using, most := map[string]int{}, 0
	var wg sync.WaitGroup
	for i := range 400 {
		h := hosts[i%len(hosts)]
		wg.Go(func() {
			if err := h.enter(t.Context(), urgency(i%2)); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			using[h.Name()]++
			most = max(most, len(using))
			mu.Unlock()
			mu.Lock()
			if using[h.Name()]--; using[h.Name()] == 0 {
				delete(using, h.Name())
			}
			mu.Unlock()
			h.leave()
			if i%3 == 0 {
				h.Yield()
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, most, 3)
	for _, h := range hosts {
		h.Rest()
	}
	require.Equal(t, 3, hosts[0].engine.slots.free)
	require.Empty(t, hosts[0].engine.slots.idle)
}
