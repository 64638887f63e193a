package job

import (
	"context"
	"fmt"
	"io"

	"starling/internal/wire"
)

// Stream is one of a job's two outputs.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// ShrunkError is output that has become shorter than what was read of it: the job truncated its own output.
type ShrunkError struct {
	Host, ID     string
	Stream       Stream
	Offset, Size int64
}

func (e *ShrunkError) Error() string {
	return fmt.Sprintf("%s: job %s: %s has only %d bytes, %d were asked for: the job cut it; begin again at 0",
		e.Host, e.ID, e.Stream, e.Size, e.Offset)
}

// Read returns at most the next most bytes of a job's output from offset on; none when there are no more yet, or when
// the job was skipped.
func (h *Host) Read(ctx context.Context, id string, stream Stream, offset, most int64) ([]byte, error) {
	if _, skipped := h.engine.skipped(id); skipped {
		return nil, nil
	}
	h, err := h.owner(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := h.enter(ctx, begin); err != nil {
		return nil, err
	}
	defer h.leave()
	record, err := h.recordOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.read(ctx, record, stream, offset, most)
}

// Copy writes a job's output from offset to its present end to w, in bounded memory, and returns the offset behind
// the last byte written.
func (h *Host) Copy(ctx context.Context, w io.Writer, id string, stream Stream, offset int64) (int64, error) {
	for {
		data, err := h.Read(ctx, id, stream, offset, chunk)
		if err != nil {
			return offset, err
		}
		n, err := w.Write(data)
		offset += int64(n)
		if err != nil || len(data) == 0 {
			return offset, err
		}
	}
}

func (h *Host) read(ctx context.Context, record Record, stream Stream, offset, most int64) ([]byte, error) {
	job := wire.LookJob{Base: record.Base, ID: record.ID, Settled: true}
	window := wire.Window{Offset: offset, Max: min(most, chunk), Final: min(most, chunk)}
	if stream == Stdout {
		job.Out = window
	} else {
		job.Err = window
	}
	request := wire.Look{Jobs: []wire.LookJob{job}}
	frames, err := h.exchange(ctx, request, answerTimeout)
	if err != nil {
		return nil, err
	}
	looked, err := wire.DecodeLook(frames, request)
	if err != nil || len(looked.Jobs) != 1 {
		return nil, h.garbled(fmt.Errorf("no output in it: %v", err))
	}
	facts := looked.Jobs[0]
	if state, _ := facts.Derive(looked.Identity); state == wire.Absent {
		return nil, &AbsentError{Host: h.Name(), ID: record.ID, Base: record.Base}
	}
	out := facts.Out
	if stream == Stderr {
		out = facts.Err
	}
	if out.Shrunk {
		return nil, &ShrunkError{Host: h.Name(), ID: record.ID, Stream: stream, Offset: offset, Size: out.Size}
	}
	return out.Data, nil
}
