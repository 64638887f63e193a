package job

import (
	"context"
	"errors"
	"sync"
	"time"

	"starling/internal/wire"
)

// Survey returns the jobs of this run as they stand now, in the order they were started: those of one host, or with
// "" of all. Those whose end nobody has seen are looked at, one look a host, which does not reap them; where a host
// can't be asked their state is unknown and Msg says why.
func (e *Engine) Survey(ctx context.Context, host string) ([]Result, error) {
	var results []Result
	open := map[*Host][]int{}
	for _, record := range e.Ledger() {
		if host != "" && record.Target.Name != host || record.Seen.Phase == Refused {
			continue
		}
		results = append(results, record.result())
		if record.Seen.Phase == Reaped {
			continue
		}
		e.mu.Lock()
		h := e.hosts[record.Target.Name]
		e.mu.Unlock()
		if h == nil {
			continue // of an earlier program; this one has not come to that host
		}
		open[h] = append(open[h], len(results)-1)
	}
	var wg sync.WaitGroup
	for h, at := range open {
		wg.Go(func() { h.survey(ctx, results, at) })
	}
	wg.Wait()
	return results, context.Cause(ctx)
}

// survey replaces the results at the given places by what one look finds. Where the host does not know one of the jobs,
// the others are asked for without it.
func (h *Host) survey(ctx context.Context, results []Result, at []int) {
	ids := make([]string, len(at))
	for i, n := range at {
		ids[i] = results[n].ID
	}
	found, err := h.Look(ctx, ids, 0)
	var absent *AbsentError
	if errors.As(err, &absent) && len(ids) > 1 {
		for _, n := range at {
			h.survey(ctx, results, []int{n})
		}
		return
	}
	for i, n := range at {
		if err == nil {
			results[n] = found[i]
			continue
		}
		results[n].State, results[n].Msg = wire.Unknown, err.Error()
	}
}

// result is a job as it was last seen.
func (r *Record) result() Result {
	out := Result{Host: r.Target.Name, Name: r.Name, Cmd: r.Cmd, ID: r.ID, State: r.Seen.State, RC: r.Seen.RC, HasRC: r.Seen.HasRC,
		Changed: true, Started: r.Seen.Started, Limit: r.Limit, Msg: r.Seen.Msg, Pos: r.Pos}
	switch {
	case r.Seen.State == "":
		out.State = wire.Unknown
	case !r.Seen.Ended.IsZero():
		out.Elapsed = r.Seen.Ended.Sub(r.Seen.Started)
	case !r.Seen.Started.IsZero():
		out.Elapsed = time.Since(r.Seen.Started)
	}
	return out
}
