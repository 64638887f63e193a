package job

import (
	"context"

	"starling/internal/event"
	"starling/internal/wire"
)

// key gives the record of a job with a key the id that the host has for it, so that whoever starts a job under this
// key sends the same id, and the host starts one.
func (h *Host) key(ctx context.Context, cmd *Command, record *Record) error {
	if cmd.Key == "" {
		return nil
	}
	frames, err := h.exchange(ctx, wire.Key{Base: record.Base, Key: cmd.Key, Salt: newNonce()}, answerTimeout)
	if err != nil {
		return err
	}
	keyed, err := wire.DecodeKey(frames)
	if err != nil {
		return h.garbled(err)
	}
	record.ID, record.Key, record.KeyGen = keyed.ID(), cmd.Key, keyed.Generation
	return nil
}

// mark tells the host that the job of a key was reaped: the next start under the key begins a new job. When the host
// can't be told, that start will take this job up once more, which is told and does no harm.
func (h *Host) mark(ctx context.Context, record Record) {
	if record.Key == "" {
		return
	}
	err := h.enter(ctx, begin)
	if err == nil {
		defer h.leave()
		var frames []wire.Frame
		frames, err = h.exchange(ctx, wire.Mark{Base: record.Base, Key: record.Key, Generation: record.KeyGen}, answerTimeout)
		if err == nil {
			err = wire.DecodePing(frames)
		}
	}
	if err != nil {
		h.emit(event.Event{Kind: event.Warning, Job: record.ID, Msg: "the host was not told that this job of the key " + record.Key +
			" is reaped, and a new start will find it again: " + err.Error()})
	}
}
