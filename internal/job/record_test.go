package job

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/wire"
)

// queue is a Recorder that many others write to: each update takes a while.
type queue struct {
	Memory
	takes time.Duration
}

func (q *queue) Update(ctx context.Context, id string, s Seen) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(q.takes):
		return q.Memory.Update(ctx, id, s)
	}
}

// What was seen of a job is written down however long that takes, and for a while also when the run has ended.
func TestWhatWasSeenIsWrittenDown(t *testing.T) {
	for name, row := range map[string]struct {
		takes, ends time.Duration
		want        Phase
	}{
		"others write for long":        {time.Minute, time.Hour, Reaped},
		"the run has ended":            {time.Second, 0, Reaped},
		"the run ends meanwhile":       {12 * time.Second, 5 * time.Second, Reaped},
		"it has ended for long enough": {20 * time.Second, 5 * time.Second, Intended},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queue{takes: row.takes}
				require.NoError(t, q.Intend(t.Context(), Record{ID: "j", Seen: Seen{Phase: Intended}}))
				e := New(Config{Recorder: q})
				defer e.Close()
				h := e.Host(transport.Target{Name: "web1"}, func(transport.Target) transport.Transport { return fake.New("web1", nil) })
				ctx, cancel := context.WithTimeout(t.Context(), row.ends)
				defer cancel()
				h.record(ctx, "j", Seen{Phase: Reaped, State: wire.Succeeded})
				r, err := q.Find(t.Context(), "j")
				require.NoError(t, err)
				require.Equal(t, row.want, r.Seen.Phase)
			})
		})
	}
}

// Of two threads that start the job of a key at one instant, one may be refused and the other not: there is a job then,
// whichever is heard first, and a recorder without a journal knows as much as one with it.
func TestAStartOutweighsARefusal(t *testing.T) {
	m := &Memory{}
	e := New(Config{Recorder: m})
	defer e.Close()
	h := e.Host(transport.Target{Name: "web1"}, func(transport.Target) transport.Transport { return fake.New("web1", nil) })
	refused, started := Seen{Phase: Refused}, Seen{Phase: Started, State: wire.Running}
	for id, seen := range map[string][]Seen{"refused first": {refused, started}, "started first": {started, refused}} {
		r := Record{ID: id, Seen: Seen{Phase: Intended}}
		require.NoError(t, m.Intend(t.Context(), r))
		require.Error(t, m.Intend(t.Context(), r), "it is on record")
		e.enter(r)
		for _, s := range seen {
			h.record(t.Context(), id, s)
		}
		r, err := m.Find(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, Started, r.Seen.Phase, id)
		require.Error(t, m.Intend(t.Context(), r), "it is on record")
	}
	require.Len(t, e.Unreaped(), 2)

	require.NoError(t, m.Intend(t.Context(), Record{ID: "refused", Seen: refused}))
	require.NoError(t, m.Intend(t.Context(), Record{ID: "refused", Seen: Seen{Phase: Intended}}), "that was none")
}
