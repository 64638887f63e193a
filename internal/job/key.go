package job

import (
	"context"
	"errors"
	"fmt"

	"starling/internal/event"
	"starling/internal/wire"
)

// key gives the record of a job with a key the id that the host has for it, so that whoever starts a job under this
// key sends the same id, and the host starts one. When that job is on record here already, known is true and record
// becomes what is written down of it; one that the host did not take is no job yet, and is intended anew.
func (h *Host) key(ctx context.Context, cmd *Command, record *Record) (known bool, err error) {
	if cmd.Key == "" {
		return false, nil
	}
	for told := false; ; told = true {
		frames, err := h.exchange(ctx, wire.Key{Base: record.Base, Key: cmd.Key, Salt: newNonce()}, answerTimeout)
		if err != nil {
			return false, err
		}
		keyed, err := wire.DecodeKey(frames)
		if err != nil {
			return false, h.garbled(err)
		}
		record.ID, record.Key, record.KeyGen = keyed.ID(), cmd.Key, keyed.Generation
		was, err := h.engine.Find(ctx, record.ID)
		switch {
		case errors.Is(err, ErrNoRecord), err == nil && was.Seen.Phase == Refused && was.Seen.State != wire.Cancelled:
			return false, nil
		case err != nil:
			return false, err
		case was.Seen.Phase != Reaped && was.Seen.Phase != Refused:
			*record = was
			return true, nil
		case told:
			return false, fmt.Errorf("%s: the job %s of the key %s is over, and the host begins no other", h.Name(), record.ID, cmd.Key)
		}
		// It could not be told when that was seen, or when the job was cancelled before it began.
		if err := h.tellReaped(ctx, was); err != nil {
			return false, err
		}
	}
}

// tellReaped tells the host that the job of a key was reaped.
func (h *Host) tellReaped(ctx context.Context, record Record) error {
	frames, err := h.exchange(ctx, wire.Mark{Base: record.Base, Key: record.Key, Generation: record.KeyGen}, answerTimeout)
	if err != nil {
		return err
	}
	return wire.DecodePing(frames)
}

// mark tells the host that the job of a key was reaped, or will never be: the next start under the key begins a new
// job. When the host can't be told, that start tells it; one from elsewhere takes this job up once more, which does no
// harm.
func (h *Host) mark(ctx context.Context, record Record) {
	if record.Key == "" {
		return
	}
	err := h.enter(ctx, begin)
	if err == nil {
		defer h.leave()
		err = h.tellReaped(ctx, record)
	}
	if err != nil {
		h.emit(event.Event{Kind: event.Warning, Job: record.ID, Msg: "the host was not told that this job of the key " + record.Key +
			" is reaped, and a new start will find it again: " + err.Error()})
	}
}
