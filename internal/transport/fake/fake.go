// Package fake is a transport for tests of what is built on one: a host that is a Go function, and faults that can be
// put between any transport and its user. It runs no command of its own and imitates no timing.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"starling/internal/transport"
)

// Handler plays the host: it takes one command, reads and writes its streams and returns its end, as
// transport.Transport.Exec does. It must return soon after ctx ends. The Exec method of another transport is one.
type Handler func(ctx context.Context, cmd transport.Command) error

// Transport is a host that is a Handler.
type Transport struct {
	name    string
	handler Handler

	mu     sync.Mutex
	closed chan struct{} // closed by Close, and replaced for the Execs after it
	lines  []string
}

var _ transport.Transport = (*Transport)(nil)

var (
	errClosed = errors.New("closed by this side")
	errCut    = errors.New("cut by the test")
)

// New returns a transport whose commands are given to handler; messages call the host name.
func New(name string, handler Handler) *Transport {
	return &Transport{name: name, handler: handler, closed: make(chan struct{})}
}

// Lines returns the command lines so far, in the order they came.
func (t *Transport) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.lines...)
}

// Close implements transport.Transport. It does not wait for the Execs it ends.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.closed)
	t.closed = make(chan struct{})
	return nil
}

// Exec implements transport.Transport. It returns when the handler has returned.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) error {
	closeStdin := closeOnce(cmd.Stdin)
	defer closeStdin()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", t.name, context.Cause(ctx))
	}
	t.mu.Lock()
	closed := t.closed
	t.lines = append(t.lines, cmd.Line)
	t.mu.Unlock()

	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Add(1)
	go func() {
		defer watcher.Done()
		select {
		case <-closed:
			cancel(errClosed)
		case <-ctx.Done():
		case <-over:
			return
		}
		closeStdin() // the handler may be reading
	}()
	err := t.handler(inner, withStreams(cmd))
	close(over)
	watcher.Wait()
	switch {
	case err == nil:
		return nil
	case context.Cause(inner) == errClosed:
		return &transport.DisconnectedError{Host: t.name, Err: errClosed}
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", t.name, context.Cause(ctx))
	}
	return err
}

// withStreams spares the handler nil streams. The input stays a Closer when it is one.
func withStreams(cmd transport.Command) transport.Command {
	if cmd.Stdin == nil {
		cmd.Stdin = eof{}
	}
	if cmd.Stdout == nil {
		cmd.Stdout = io.Discard
	}
	if cmd.Stderr == nil {
		cmd.Stderr = io.Discard
	}
	return cmd
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// closeOnce returns a function that closes r, once, when it is an io.Closer.
func closeOnce(r io.Reader) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			if closer, ok := r.(io.Closer); ok {
				_ = closer.Close() // only read from: nothing can be lost
			}
		})
	}
}
