package job

import (
	"context"
	"errors"
	"sync"
	"time"

	"starling/internal/event"
	"starling/internal/wire"
)

// Ref is one job and its host.
type Ref struct {
	Host *Host
	ID   string
}

// Pace says how a wait looks and when it gives up. The zero Pace is one that never pauses and never gives up.
type Pace struct {
	// Every is the pause between two looks; with Early the first looks come sooner and the pauses grow up to Every.
	Every time.Duration
	Early bool
	// Looks is how many looks are made at most; 0 is no limit.
	Looks int
	// Deadline ends the wait; zero is none.
	Deadline time.Time
}

const (
	early = 2 * time.Second // how long an early wait keeps asking before it lets the connection go
	// restFrom is the shortest pause for which a wait lets the connection go: to dial anew costs about as much.
	restFrom = 100 * time.Millisecond
	// margin is how much longer than its ceiling and grace an unanswering host's job is waited for.
	margin = time.Minute
	// retryFloor is the least pause after a look that failed, so that a host that is down is not dialled in a loop.
	retryFloor = 500 * time.Millisecond
)

// Wait looks at jobs, on one or many hosts at once, until all have ended or the pace is over, and returns what is
// known of each, in order. Those that ended are reaped. A host that can't be asked does not end the wait before the
// pace, or the ceilings of its jobs, are over; the error then is *UnaskedError, and the Results are those of the other
// hosts, with zero ones between them.
func (e *Engine) Wait(ctx context.Context, refs []Ref, p Pace) ([]Result, error) {
	results, err := watch(ctx, refs, p, false, func() {})
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	hosts := map[*Host][]*Result{}
	for i, ref := range refs {
		hosts[ref.Host] = append(hosts[ref.Host], &results[i])
	}
	var wg sync.WaitGroup
	for h, ended := range hosts {
		wg.Go(func() {
			for _, r := range ended {
				h.reap(ctx, r)
			}
		})
	}
	wg.Wait()
	return results, err
}

// WaitAny waits until the first of refs, which must not be empty, has ended, reaps that one, and returns its place.
func (e *Engine) WaitAny(ctx context.Context, refs []Ref, p Pace) (int, Result, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	results, err := watch(waiting, refs, p, true, cancel)
	for i, r := range results {
		if r.Ended() {
			refs[i].Host.reap(ctx, &r)
			return i, r, nil
		}
	}
	return -1, Result{}, err
}

// watch waits on every host of refs at once. With any, one job that has ended is enough on each host, and found is
// called by the first host that has one. The results are those of the hosts that had no error.
func watch(ctx context.Context, refs []Ref, p Pace, any bool, found func()) ([]Result, error) {
	results := make([]Result, len(refs))
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	hosts, err := byHost(ctx, refs)
	if err != nil {
		return results, err
	}
	for h, at := range hosts {
		wg.Go(func() {
			ids := make([]string, len(at))
			for i, n := range at {
				ids[i] = refs[n].ID
			}
			got, err := h.wait(ctx, ids, p, any)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			for i, n := range at {
				results[n] = got[i]
			}
			found()
		})
	}
	wg.Wait()
	if len(errs) == 1 {
		return results, errs[0]
	}
	return results, errors.Join(errs...)
}

// byHost returns the places of refs by their host, under the user that each job is on record with.
func byHost(ctx context.Context, refs []Ref) (map[*Host][]int, error) {
	m := map[*Host][]int{}
	for i, ref := range refs {
		h, err := ref.Host.owner(ctx, ref.ID)
		if err != nil {
			return nil, err
		}
		m[h] = append(m[h], i)
	}
	return m, nil
}

// wait is Wait for the jobs of one host, without the reaping. With any, the first job that has ended ends the wait.
func (h *Host) wait(ctx context.Context, ids []string, p Pace, any bool) ([]Result, error) {
	known := make(map[string]Result, len(ids))
	pending := unique(ids)
	began := time.Now()
	defer h.lookout.expect(pending)()
	var lost missed
	var paused time.Duration
	for looks := 1; ; looks++ {
		asked := time.Now()
		hold, crowded := p.hold(began), h.engine.slots.crowded()
		if crowded {
			hold = 0
		}
		results, err := h.glance(ctx, pending, hold, asked.Add(-paused/2), p.urgency())
		if err != nil && (ctx.Err() != nil || !h.worthRetrying(err)) {
			return nil, err
		}
		if err != nil {
			lost.add(err)
			h.emit(event.Event{Kind: event.JobMissed, Msg: err.Error(), Elapsed: time.Since(began)})
		} else {
			lost = missed{}
			pending = h.sift(pending, results, known)
		}
		if len(pending) == 0 || any && anyEnded(known) {
			return inOrder(ids, known), nil
		}
		pause, over := p.next(began, looks, lost.looks > 0)
		if over || lost.looks > 0 && h.outlived(ctx, pending) {
			if lost.looks > 0 {
				return nil, &UnaskedError{Host: h.Name(), IDs: pending, Since: h.seen(), Looks: lost.looks, Over: time.Since(lost.since), Err: lost.err}
			}
			return inOrder(ids, known), nil
		}
		switch {
		case pause == 0 && crowded:
			pause = time.Second // others need the slot; to know of an end at once can wait
		case pause == 0 && time.Since(asked) < restFrom:
			pause = restFrom / 2 // the host does not wait for a job that is neither running nor at its end
		}
		if err := h.pause(ctx, pause); err != nil {
			return nil, err
		}
		paused = pause
	}
}

// missed counts looks in a row that could not be made.
type missed struct {
	looks int
	since time.Time
	err   error
}

func (m *missed) add(err error) {
	if m.looks == 0 {
		m.since = time.Now()
	}
	m.looks, m.err = m.looks+1, err
}

// sift takes in what a look has found and returns the jobs that have not ended.
func (h *Host) sift(pending []string, results []Result, known map[string]Result) []string {
	var left []string
	for i, id := range pending {
		r := results[i]
		known[id] = r
		ev := event.Event{Kind: event.JobLook, Job: id, Name: r.label(), Pos: r.Pos, State: string(r.State), Limit: r.Limit,
			Elapsed: r.Elapsed, Line: lastLine(&r)}
		if r.Ended() {
			ev.Kind, ev.Msg = event.JobEnd, r.Msg
			if r.HasRC {
				ev.RC = &r.RC
			}
		} else {
			left = append(left, id)
		}
		h.emit(ev)
	}
	return left
}

// pause lets d pass. The connection is let go meanwhile when the pause is long enough, or when others wait.
func (h *Host) pause(ctx context.Context, d time.Duration) error {
	if d >= restFrom {
		h.Rest()
	}
	h.Yield()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// hold is how long the host itself may wait for an end before it answers the next look.
func (p Pace) hold(began time.Time) time.Duration {
	if p.Early && time.Since(began) < early {
		return min(longPoll, p.Every)
	}
	return 0
}

// urgency is that of a question for a wait of one look.
func (p Pace) urgency() urgency {
	if p.Looks == 1 {
		return begin
	}
	return observe
}

// next returns the pause before the next look, or that the pace is over.
func (p Pace) next(began time.Time, looks int, missed bool) (pause time.Duration, over bool) {
	if p.Looks > 0 && looks >= p.Looks {
		return 0, true
	}
	pause = p.Every
	if p.Early {
		switch age := time.Since(began); {
		case age < early:
			pause = 0 // the host waits for us
		default:
			pause = min(age/2, p.Every)
		}
	}
	if missed {
		pause = max(pause, retryFloor)
	}
	if !p.Deadline.IsZero() {
		left := time.Until(p.Deadline)
		if left <= 0 {
			return 0, true
		}
		pause = min(pause, left)
	}
	return pause, false
}

// worthRetrying reports whether a look that failed this way may succeed later. While a host boots it may refuse even
// a login that is right, so only what proves another host or another protocol ends a wait.
func (h *Host) worthRetrying(err error) bool {
	var absent *AbsentError
	var id *IDError
	return !permanent(err) && !errors.As(err, &absent) && !errors.As(err, &id)
}

// outlived reports whether every one of the jobs must have ended by itself: its ceiling, its grace and a margin are
// over. A job without a ceiling never is.
func (h *Host) outlived(ctx context.Context, ids []string) bool {
	for _, id := range ids {
		record, err := h.recordOf(ctx, id)
		if err != nil || record.Limit == 0 || time.Since(record.Created) < record.Limit+wire.DefaultGrace+margin {
			return false
		}
	}
	return true
}

// reap writes down that somebody saw the end of a job.
func (h *Host) reap(ctx context.Context, r *Result) {
	if !r.Ended() || r.ID == "" || r.State == wire.Skipped || h.engine.spares(r.ID) {
		return
	}
	if record, err := h.engine.Find(ctx, r.ID); err == nil && record.Seen.Phase != Reaped {
		h.As(record.Become).mark(ctx, record)
	}
	h.record(ctx, r.ID, Seen{Phase: Reaped, State: r.State, RC: r.RC, HasRC: r.HasRC, Started: r.Started,
		Ended: r.Started.Add(r.Elapsed), At: time.Now(), Msg: r.Msg})
}

func (r *Result) label() string {
	c := Command{Name: r.Name, Display: r.Cmd}
	return c.label()
}

func anyEnded(known map[string]Result) bool {
	for _, r := range known {
		if r.Ended() {
			return true
		}
	}
	return false
}

func inOrder(ids []string, known map[string]Result) []Result {
	out := make([]Result, len(ids))
	for i, id := range ids {
		out[i] = known[id]
	}
	return out
}

func unique(ids []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
