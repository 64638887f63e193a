package fake

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"starling/internal/transport"
)

// Fault is what goes wrong with one Exec: it calls next, or does not, and answers in its place. A nil Fault is none.
type Fault func(ctx context.Context, cmd transport.Command, next Handler) error

// Faulty passes every Exec on to another transport through the fault that a plan chooses.
type Faulty struct {
	inner transport.Transport
	plan  func(n int, cmd transport.Command) Fault

	mu sync.Mutex
	n  int
}

var _ transport.Transport = (*Faulty)(nil)

// WithFaults returns inner with faults. plan is asked before each Exec, one at a time; n counts them from 1, in the
// order they began.
func WithFaults(inner transport.Transport, plan func(n int, cmd transport.Command) Fault) *Faulty {
	return &Faulty{inner: inner, plan: plan}
}

// Nth is a plan with one fault, for the nth Exec, counted from 1.
func Nth(nth int, fault Fault) func(int, transport.Command) Fault {
	return func(n int, _ transport.Command) Fault {
		if n == nth {
			return fault
		}
		return nil
	}
}

// Exec implements transport.Transport.
func (f *Faulty) Exec(ctx context.Context, cmd transport.Command) error {
	defer closeOnce(cmd.Stdin)()
	f.mu.Lock()
	f.n++
	fault := f.plan(f.n, cmd)
	f.mu.Unlock()
	if fault == nil {
		return f.inner.Exec(ctx, cmd)
	}
	return fault(ctx, cmd, f.inner.Exec)
}

// Close implements transport.Transport.
func (f *Faulty) Close() error { return f.inner.Close() }

// Count returns how many Execs have begun.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Fail answers with err; the command is not run.
func Fail(err error) Fault {
	return func(context.Context, transport.Command, Handler) error { return err }
}

// Unreachable answers that the host cannot be reached; the command is not run.
func Unreachable(host string) Fault {
	return Fail(&transport.UnreachableError{Host: host, Op: "dial", Err: errCut})
}

// CutStdin breaks the connection when exactly n bytes of input have reached the command, which then sees the end of
// its input, goes on to its own end, and is not heard of again. With less input than that nothing happens.
func CutStdin(host string, n int64) Fault {
	return func(ctx context.Context, cmd transport.Command, next Handler) error {
		limited := &limitedReader{r: cmd.Stdin, left: n}
		cmd.Stdin = limited
		out, errs := &heard{w: cmd.Stdout}, &heard{w: cmd.Stderr}
		limited.atCut = func() { out.end(); errs.end() }
		cmd.Stdout, cmd.Stderr = out, errs
		err := next(ctx, cmd)
		if limited.cut && ctx.Err() == nil {
			return &transport.DisconnectedError{Host: host, Err: errCut}
		}
		return err
	}
}

// CutStdout breaks the connection when exactly n bytes of standard output have come back. The command sees the end of
// its input, goes on to its own end, and is not heard of again. With less output than that nothing happens.
func CutStdout(host string, n int64) Fault {
	return func(ctx context.Context, cmd transport.Command, next Handler) error {
		errs, in := &heard{w: cmd.Stderr}, &severable{r: cmd.Stdin}
		out := &heard{w: cmd.Stdout, limit: true, left: n, atCut: func() { errs.end(); in.sever() }}
		cmd.Stdout, cmd.Stderr = out, errs
		if cmd.Stdin != nil {
			cmd.Stdin = in
		}
		err := next(ctx, cmd)
		if out.wasCut() && ctx.Err() == nil {
			return &transport.DisconnectedError{Host: host, Err: errCut}
		}
		return err
	}
}

// Lose runs the whole command and loses its answer.
func Lose(host string) Fault {
	return func(ctx context.Context, cmd transport.Command, next Handler) error {
		cmd.Stdout, cmd.Stderr = nil, nil
		if err := next(ctx, cmd); ctx.Err() != nil {
			return err
		}
		return &transport.DisconnectedError{Host: host, Err: errCut}
	}
}

// Block holds the command back until the channel is closed, and then runs it.
func Block(until <-chan struct{}) Fault {
	return func(ctx context.Context, cmd transport.Command, next Handler) error {
		select {
		case <-until:
			return next(ctx, cmd)
		case <-ctx.Done():
			return fmt.Errorf("held back: %w", context.Cause(ctx))
		}
	}
}

// limitedReader ends after left bytes and tells that it did.
type limitedReader struct {
	r     io.Reader
	left  int64
	cut   bool
	atCut func()
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.r == nil {
		return 0, io.EOF
	}
	if l.left == 0 {
		// Only input that goes on is cut: the end alone would have come anyway.
		if !l.cut {
			var one [1]byte
			if n, err := l.r.Read(one[:]); n == 0 && err != nil {
				return 0, err
			}
			l.cut = true
			l.atCut()
		}
		return 0, io.EOF
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}

// Close closes the input under the limit, which unblocks a Read.
func (l *limitedReader) Close() error {
	if closer, ok := l.r.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// severable is input that ends where it is when it is severed.
type severable struct {
	r       io.Reader
	severed atomic.Bool
}

func (s *severable) Read(p []byte) (int, error) {
	if s.severed.Load() {
		return 0, io.EOF
	}
	n, err := s.r.Read(p)
	if s.severed.Load() {
		return 0, io.EOF
	}
	return n, err
}

// Close closes the input below, which unblocks a Read.
func (s *severable) Close() error {
	if closer, ok := s.r.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

func (s *severable) sever() {
	s.severed.Store(true)
	_ = s.Close() // only read from: nothing can be lost
}

// heard passes output on until the cut, and swallows the rest.
type heard struct {
	mu    sync.Mutex
	w     io.Writer
	limit bool
	left  int64
	over  bool
	cut   bool
	atCut func()
}

func (h *heard) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

func (h *heard) wasCut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return len(p), nil
	}
	pass := p
	if h.limit && int64(len(p)) > h.left {
		pass = p[:h.left]
		h.over, h.cut = true, true
		h.atCut()
	}
	h.left -= int64(len(pass))
	if h.w != nil && len(pass) > 0 {
		if n, err := h.w.Write(pass); err != nil {
			return n, err
		}
	}
	return len(p), nil
}
