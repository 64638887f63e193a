package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"starling/internal/transport"
	"starling/internal/wire"
)

// answerTimeout is how long a host that has a connection may take over one answer, beyond what it was asked to wait.
const answerTimeout = 60 * time.Second

// channel is a command channel: one exec of a wire line that stays open, on which requests and answers alternate.
type channel struct {
	nonce  string
	seq    int
	in     *io.PipeWriter
	out    *io.PipeReader
	reader *wire.Reader
	stderr *tail
	cancel context.CancelFunc
	done   chan struct{} // closed when the exec has ended
	err    error         // how it ended; set before done is closed
	fresh  bool          // nothing was answered on it yet
}

// openChannel starts the exec; whether the host understands it shows at the first exchange.
func openChannel(t transport.Transport, line string, crowded func()) *channel {
	ctx, cancel := context.WithCancel(context.Background())
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	c := &channel{nonce: newNonce(), in: in, out: out, stderr: newTail(2 << 10), cancel: cancel, done: make(chan struct{}), fresh: true}
	c.reader = wire.NewReader(out, c.nonce)
	go func() {
		defer close(c.done)
		c.err = t.Exec(ctx, transport.Command{Line: line, Crowded: crowded, Stdin: stdin, Stdout: stdout, Stderr: c.stderr})
		stdin.Close()
		stdout.CloseWithError(io.EOF)
	}()
	return c
}

// exchange sends one request and reads its answer. After an error the channel is closed.
func (c *channel) exchange(ctx context.Context, r wire.Request) ([]wire.Frame, error) {
	// Only the death of the exec unblocks a pipe, so the end of the context is made that death.
	stop := context.AfterFunc(ctx, c.cancel)
	defer stop()
	c.seq++
	text, err := wire.Encode(c.nonce, c.seq, r)
	if err != nil {
		c.close()
		return nil, err
	}
	if c.fresh {
		text = append(wire.Open(c.nonce), text...)
	}
	_, err = c.in.Write(text)
	var frames []wire.Frame
	if err == nil {
		frames, err = c.reader.Answer(c.seq)
	}
	if err == nil {
		c.fresh = false
		return frames, nil
	}
	c.close()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if c.err != nil {
		return nil, c.err
	}
	return nil, err
}

// close ends the exec and waits for it.
func (c *channel) close() {
	c.cancel()
	c.in.Close()
	c.out.Close()
	<-c.done
}

// alive reports whether the exec still runs.
func (c *channel) alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// exchange asks the host one thing, over the command channel that is open or over a new one. A channel that breaks
// is replaced once, so r must be a request that does no harm when it is carried out twice, and of which nobody needs to
// know whether it was.
func (h *Host) exchange(ctx context.Context, r wire.Request, timeout time.Duration) ([]wire.Frame, error) {
	return h.inTurn(ctx, timeout, func(ctx context.Context) ([]wire.Frame, error) {
		frames, err := h.ask(ctx, r)
		if ctx.Err() == nil && disconnected(err) {
			return h.ask(ctx, r)
		}
		return frames, err
	})
}

// once is exchange for a request that starts something: it is sent at most once, so that transport.NotSent of the error
// is the truth about it.
func (h *Host) once(ctx context.Context, r wire.Request, timeout time.Duration) ([]wire.Frame, error) {
	return h.inTurn(ctx, timeout, func(ctx context.Context) ([]wire.Frame, error) { return h.ask(ctx, r) })
}

// inTurn calls ask, within the timeout, when nobody else uses the command channel.
func (h *Host) inTurn(ctx context.Context, timeout time.Duration, ask func(context.Context) ([]wire.Frame, error)) ([]wire.Frame, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s: no answer within %s", h.Name(), timeout))
	defer cancel()
	if err := h.turn.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer h.turn.Release(1)
	return ask(ctx)
}

// ask sends r over the channel that is open, or over a new one.
func (h *Host) ask(ctx context.Context, r wire.Request) ([]wire.Frame, error) {
	if h.channel == nil || !h.channel.alive() {
		h.channel = nil
		return h.first(ctx, r)
	}
	frames, err := h.channel.exchange(ctx, r)
	if err != nil {
		h.channel = nil
		return nil, err
	}
	h.answered()
	return frames, nil
}

// first asks over a new channel: the first exchange shows which exec line the login shell understands.
func (h *Host) first(ctx context.Context, r wire.Request) ([]wire.Frame, error) {
	for {
		line, more := h.execLine()
		var c *channel
		var frames []wire.Frame
		err := h.reach(ctx, func() (err error) {
			c = openChannel(h.transport, line, h.makeRoom)
			frames, err = c.exchange(ctx, r)
			return err
		})
		if err == nil {
			h.channel = c
			h.answered()
			return frames, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var exit *transport.ExitError
		if !errors.As(err, &exit) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		if c.reader.Greeted() {
			// The line was understood, and the request may have been carried out.
			return nil, &transport.DisconnectedError{Host: h.Name(), Err: fmt.Errorf("the shell ended before it answered: %w", err)}
		}
		if !more {
			return nil, h.mute(err, c.noise())
		}
		h.line.Add(1)
	}
}

// execLine returns the line that starts a shell on this host, and whether there are others to try.
func (h *Host) execLine() (line string, more bool) {
	lines := wire.Lines()
	at := int(h.line.Load())
	return lines[at%len(lines)], at+1 < len(lines)
}

// mute is a host whose login shell runs none of the exec lines.
func (h *Host) mute(err error, noise string) error {
	h.line.Store(0)
	return &ProtocolError{Host: h.Name(), Problem: "its login shell does not run /bin/sh for us: " + err.Error(), Noise: noise,
		Help: fmt.Sprintf("ssh %s /bin/sh -c true   # must work, ask nothing and read nothing", h.Name())}
}

// noise is what the host said in place of an answer.
func (c *channel) noise() string {
	if text := c.stderr.String(); text != "" {
		return text
	}
	return c.reader.Noise()
}

// disconnected reports whether the channel broke under a request: whether that was carried out is not known.
func disconnected(err error) bool {
	if err == nil || transport.NotSent(err) {
		return false
	}
	var gone *transport.DisconnectedError
	return errors.As(err, &gone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}
