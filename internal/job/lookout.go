package job

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// lookout is the looks at the jobs of one host, shared by all who wait for some of them: whoever looks asks for the
// jobs of all, and who comes a little later finds the answer there. A tick costs the host one look, however many
// threads of a script wait.
type lookout struct {
	turn *semaphore.Weighted // held by the one who looks

	mu      sync.Mutex
	waiting map[string]int // by job id, how many wait for it
	seen    map[string]sighting
}

// sighting is what a look has found of a job.
type sighting struct {
	result Result
	at     time.Time
}

func newLookout() *lookout {
	return &lookout{turn: semaphore.NewWeighted(1), waiting: map[string]int{}, seen: map[string]sighting{}}
}

// expect has the looks of others take in these jobs too, until the returned function is called.
func (l *lookout) expect(ids []string) (enough func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.waiting[id]++
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, id := range ids {
			if l.waiting[id]--; l.waiting[id] == 0 {
				delete(l.waiting, id)
				delete(l.seen, id)
			}
		}
	}
}

// since returns what was found of the jobs, when all of it was found after t.
func (l *lookout) since(t time.Time, ids []string) ([]Result, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Result, len(ids))
	for i, id := range ids {
		s, ok := l.seen[id]
		if !ok || s.at.Before(t) {
			return nil, false
		}
		out[i] = s.result
	}
	return out, true
}

// all returns ids and, behind them, the others that are waited for and are not known to have ended.
func (l *lookout) all(ids []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(ids)
	for id := range l.waiting {
		if s, ok := l.seen[id]; !slices.Contains(ids, id) && !(ok && s.result.Ended()) {
			out = append(out, id)
		}
	}
	return out
}

func (l *lookout) note(ids []string, results []Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i, id := range ids {
		if l.waiting[id] > 0 {
			l.seen[id] = sighting{results[i], now}
		}
	}
}

// glance returns what is known of jobs that are waited for: from a look of another that is no older than t, else from
// one of its own, which takes in what the others wait for.
func (h *Host) glance(ctx context.Context, ids []string, hold time.Duration, t time.Time, u urgency) ([]Result, error) {
	if err := h.lookout.turn.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer h.lookout.turn.Release(1)
	if found, ok := h.lookout.since(t, ids); ok {
		return found, nil
	}
	all := h.lookout.all(ids)
	results, err := h.lookAt(ctx, all, hold, u)
	var absent *AbsentError
	if errors.As(err, &absent) && len(all) > len(ids) {
		all = ids // what is wrong with another's job is for that one to hear
		results, err = h.lookAt(ctx, all, hold, u)
	}
	if err != nil {
		return nil, err
	}
	h.lookout.note(all, results)
	return results[:len(ids)], nil
}
