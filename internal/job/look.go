package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"starling/internal/wire"
)

const (
	glimpse  = 400      // bytes of a running job's output that a look brings, for its last line
	portion  = 64 << 10 // bytes of an ended job's streams that come with the look that sees its end
	chunk    = 4 << 20  // bytes of one exchange when more is wanted
	longPoll = 500 * time.Millisecond
)

// Look asks once for any number of jobs of this host, in one exchange for each user that they run as, and returns what
// is known of each, in order. The host waits up to hold for one of them to end before it answers. A job that the host
// does not know is an *AbsentError, unless it is known from the journal to have run: then it is lost.
func (h *Host) Look(ctx context.Context, ids []string, hold time.Duration) ([]Result, error) {
	return h.lookAt(ctx, ids, hold, begin)
}

func (h *Host) lookAt(ctx context.Context, ids []string, hold time.Duration, u urgency) ([]Result, error) {
	refs := make([]Ref, len(ids))
	for i, id := range ids {
		refs[i] = Ref{h, id}
	}
	hosts, err := byHost(ctx, refs)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(ids))
	for h, at := range hosts {
		own := make([]string, len(at))
		for i, n := range at {
			own[i] = ids[n]
		}
		got, err := h.look(ctx, own, hold, u)
		if err != nil {
			return nil, err
		}
		for i, n := range at {
			results[n] = got[i]
		}
	}
	return results, nil
}

// look is lookAt for jobs that all run as the host's own user.
func (h *Host) look(ctx context.Context, ids []string, hold time.Duration, u urgency) ([]Result, error) {
	results := make([]Result, len(ids))
	var ask []int
	for i, id := range ids {
		skipped, ok := h.engine.skipped(id)
		if results[i] = skipped; !ok {
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return results, nil
	}
	if err := h.enter(ctx, u); err != nil {
		return nil, err
	}
	defer h.leave()
	records := make([]Record, len(ask))
	request := wire.Look{Wait: hold, Jobs: make([]wire.LookJob, len(ask))}
	for i, n := range ask {
		record, err := h.recordOf(ctx, ids[n])
		if err != nil {
			return nil, err
		}
		records[i] = record
		request.Jobs[i] = wire.LookJob{Base: record.Base, ID: record.ID,
			Out: wire.Window{Offset: -1, Max: glimpse, Final: portion}, Err: wire.Window{Offset: -1, Max: glimpse, Final: portion}}
	}
	frames, err := h.exchange(ctx, request, answerTimeout+hold)
	if err != nil {
		return nil, err
	}
	looked, err := wire.DecodeLook(frames, request)
	if err != nil {
		return nil, h.garbled(err)
	}
	if len(looked.Jobs) != len(ask) {
		return nil, h.garbled(fmt.Errorf("asked about %d jobs, told of %d", len(ask), len(looked.Jobs)))
	}
	for i, facts := range looked.Jobs {
		if results[ask[i]], err = h.result(ctx, records[i], facts, looked.Identity); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// recordOf returns what is written down of a job. One that is not on record is another controller's, and can only be
// in this host's own base.
func (h *Host) recordOf(ctx context.Context, id string) (Record, error) {
	record, err := h.engine.Find(ctx, id)
	if err == nil && record.Base != "" {
		return record, nil
	}
	if err != nil && !errors.Is(err, ErrNoRecord) {
		return Record{}, err
	}
	facts, err := h.facts(ctx)
	if err != nil {
		return Record{}, err
	}
	record.ID, record.Base = id, facts.Base
	return record, nil
}

// result judges the facts of one job.
func (h *Host) result(ctx context.Context, record Record, facts wire.Facts, now wire.HostIdentity) (Result, error) {
	state, detail := facts.Derive(now)
	r := Result{Host: h.Name(), Name: record.Name, Cmd: record.Cmd, ID: record.ID, State: state, Changed: true,
		Limit: record.Limit, Pos: record.Pos, Msg: detail}
	if facts.Token != nil {
		r.Started = time.Unix(facts.Token.Epoch, 0)
		r.Limit = facts.Token.Limit
		r.Elapsed = record.age(r.Started)
	}
	if facts.Elapsed > 0 {
		r.Elapsed = facts.Elapsed
	}
	if facts.Ended {
		r.RC, r.HasRC, r.Elapsed = facts.ExitCode, true, facts.Elapsed
	}
	switch state {
	case wire.Absent:
		return h.absent(record, r)
	case wire.Purged:
		return purged(record, r), nil
	case wire.Succeeded, wire.Failed:
		r.State = wire.Succeeded
		if !okay(record.OKCodes, r.RC) {
			r.State = wire.Failed
		}
		if r.RC < 128 {
			r.Msg = "" // the code says it all
		}
	}
	if facts.Gone {
		r.addMsg(cleaned)
		return r, nil
	}
	var err error
	if r.Stdout, err = h.stream(ctx, record, facts.Out, Stdout, &r); err != nil {
		return r, err
	}
	r.Stderr, err = h.stream(ctx, record, facts.Err, Stderr, &r)
	return r, err
}

// age is how long a job has run on a host that does not tell: by this machine's clock where it was started from here,
// which counts the way there too, else by the host's word for its beginning, which is as true as the two clocks agree.
func (r *Record) age(started time.Time) time.Duration {
	if !r.Created.IsZero() {
		started = r.Created
	}
	return max(0, time.Since(started))
}

// absent is a host that knows nothing of the job: a job that once was acknowledged is lost, any other never was.
func (h *Host) absent(record Record, r Result) (Result, error) {
	if record.Seen.Phase != Started && record.Seen.Phase != Reaped && record.Seen.Phase != Released {
		return r, &AbsentError{Host: h.Name(), ID: record.ID, Base: record.Base, InDoubt: record.Seen.Phase == Intended}
	}
	r.State = wire.Lost
	r.Msg = "the host has no trace of it: its folder " + record.Base + " was removed, or another machine answers under this name"
	return r, nil
}

// cleaned is what is said of a job whose folder was taken off its host.
const cleaned = "its output was cleaned away on the host"

// Cleaned reports whether the job's output was cleaned away, so that there is nothing to read.
func (r Result) Cleaned() bool { return r.Msg == cleaned }

// purged is a job that was cleaned away: what was seen of it before is all there is.
func purged(record Record, r Result) Result {
	r.Msg = cleaned
	if record.Seen.State.Final() {
		r.State, r.RC, r.HasRC = record.Seen.State, record.Seen.RC, record.Seen.HasRC
		return r
	}
	r.State = wire.Lost
	return r
}

// stream returns what a Result shows of one stream: for a running job what came with the look, for an ended one the
// last bytes up to the engine's cap.
func (h *Host) stream(ctx context.Context, record Record, out wire.Output, which Stream, r *Result) ([]byte, error) {
	most := h.engine.cfg.OutputCap
	if !r.Ended() || out.Start == 0 {
		return out.Data, nil
	}
	if out.Size > most {
		note := fmt.Sprintf("%s is cut to its last %d of %d bytes; all of it: starling jobs logs %s", which, most, out.Size, record.ID)
		r.addMsg(note)
	}
	from := max(0, out.Size-most)
	data, err := h.read(ctx, record, which, from, out.Size-from)
	if err != nil {
		return nil, err
	}
	return data, nil
}

// lastLine is the last line of what a job has written that is not empty.
func lastLine(r *Result) string {
	for _, data := range [][]byte{r.Stdout, r.Stderr} {
		data = bytes.TrimRight(data, "\r\n\t ")
		if len(data) > 0 {
			return string(data[bytes.LastIndexAny(data, "\r\n")+1:])
		}
	}
	return ""
}
