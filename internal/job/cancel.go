package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"starling/internal/wire"
)

// Cancel ends a job: TERM to its whole process tree, KILL after grace. It returns when the job has ended, and reaps
// it; a job that had ended before is returned as it ended. The host carries the cancel out by itself, also when the
// connection breaks after it was asked.
func (h *Host) Cancel(ctx context.Context, id string, grace time.Duration) (Result, error) {
	if skipped, ok := h.engine.skipped(id); ok {
		return skipped, nil
	}
	h, err := h.owner(ctx, id)
	if err != nil {
		return Result{}, err
	}
	asked, err := h.kill(ctx, id, grace)
	if err != nil {
		return Result{}, err
	}
	switch asked.Outcome {
	case wire.KillAbsent:
		return h.cancelledAbsent(ctx, id)
	case wire.KillRefused:
		return Result{}, fmt.Errorf("%s: job %s was not cancelled: %s", h.Name(), id, asked.Reason)
	}
	results, err := h.engine.Wait(ctx, []Ref{{h, id}}, Pace{Every: time.Second, Early: true, Deadline: time.Now().Add(grace + margin)})
	if err != nil {
		return Result{}, err
	}
	if !results[0].Ended() {
		return results[0], fmt.Errorf("%s: job %s: %s after it was told to end: %s", h.Name(), id, results[0].State, results[0].Msg)
	}
	return results[0], nil
}

// cancelledAbsent judges a job of which the host knew nothing when it was told to end it; it can't start there any more.
func (h *Host) cancelledAbsent(ctx context.Context, id string) (Result, error) {
	record, err := h.recordOf(ctx, id)
	if err != nil {
		return Result{}, err
	}
	r, err := h.absent(record, record.result())
	if err == nil {
		h.reap(ctx, &r) // it was lost before
		return r, nil
	}
	h.mark(ctx, record) // its token is taken: no job will ever begin under this id
	var absent *AbsentError
	if errors.As(err, &absent) && absent.InDoubt {
		r.State, r.Msg = wire.Cancelled, "it had not begun"
		h.record(ctx, id, Seen{Phase: Refused, State: r.State, At: time.Now(), Msg: "cancelled before it began"})
		return r, nil
	}
	return r, err
}

func (h *Host) kill(ctx context.Context, id string, grace time.Duration) (wire.Killed, error) {
	if err := h.enter(ctx, begin); err != nil {
		return wire.Killed{}, err
	}
	defer h.leave()
	record, err := h.recordOf(ctx, id)
	if err != nil {
		return wire.Killed{}, err
	}
	if grace == 0 {
		grace = -1 // the protocol's word for "no grace"
	}
	frames, err := h.exchange(ctx, wire.Kill{Base: record.Base, ID: id, Nonce: newNonce(), Grace: grace}, answerTimeout)
	if err != nil {
		return wire.Killed{}, err
	}
	killed, err := wire.DecodeKill(frames)
	if err != nil {
		return wire.Killed{}, h.garbled(err)
	}
	return killed, nil
}

// Release leaves a job to itself on purpose: it no longer counts as unreaped. The host is not asked.
func (h *Host) Release(ctx context.Context, id string) error {
	record, err := h.engine.Find(ctx, id)
	if err != nil {
		return fmt.Errorf("%s: job %s: %w", h.Name(), id, err)
	}
	seen := record.Seen
	seen.Phase, seen.At = Released, time.Now()
	h.engine.note(id, seen)
	return h.engine.cfg.Recorder.Update(ctx, id, seen)
}

// RefusedError is jobs of which a host did not remove what it keeps.
type RefusedError struct {
	Host    string
	Refused map[string]string // by job id, the reason
}

func (e *RefusedError) Error() string {
	text := e.Host + ": not cleaned:"
	for id, why := range e.Refused {
		text += fmt.Sprintf(" job %s: %s;", id, why)
	}
	return text[:len(text)-1]
}

// Clean removes what the hosts keep of jobs that have ended, their output included. The error joins a *RefusedError
// of every host that kept some.
func (e *Engine) Clean(ctx context.Context, refs []Ref) error {
	var errs []error
	refs = slices.DeleteFunc(slices.Clone(refs), func(r Ref) bool {
		_, skipped := e.skipped(r.ID)
		return skipped || e.spares(r.ID)
	})
	hosts, err := byHost(ctx, refs)
	if err != nil {
		return err
	}
	for h, at := range hosts {
		ids := make([]string, len(at))
		for i, n := range at {
			ids[i] = refs[n].ID
		}
		errs = append(errs, h.clean(ctx, ids))
	}
	return errors.Join(errs...)
}

func (h *Host) clean(ctx context.Context, ids []string) error {
	if err := h.enter(ctx, begin); err != nil {
		return err
	}
	defer h.leave()
	byBase := map[string][]string{}
	for _, id := range ids {
		record, err := h.recordOf(ctx, id)
		if err != nil {
			return err
		}
		byBase[record.Base] = append(byBase[record.Base], id)
	}
	refused := map[string]string{}
	for base, ids := range byBase {
		frames, err := h.exchange(ctx, wire.Clean{Base: base, IDs: ids}, answerTimeout)
		if err != nil {
			return err
		}
		cleaned, err := wire.DecodeClean(frames)
		if err != nil {
			return h.garbled(err)
		}
		for id, why := range cleaned.Refused {
			refused[id] = why
		}
	}
	if len(refused) > 0 {
		return &RefusedError{Host: h.Name(), Refused: refused}
	}
	return nil
}
