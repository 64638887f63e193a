package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals turns Ctrl-C and SIGTERM into the end of a context: the program's, or while a line of the REPL is carried
// out, that line's.
type signals struct {
	caught chan os.Signal
	done   chan struct{}

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of what a signal ends now
	line   bool                    // that is a line of the REPL
}

// watchSignals returns a context that ends with errInterrupted at the first signal. A second one is not caught any
// more: it ends a program that hangs. stop must be called.
func watchSignals() (ctx context.Context, s *signals, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s = &signals{caught: make(chan os.Signal, 1), done: make(chan struct{}), cancel: cancel}
	signal.Notify(s.caught, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(s.done)
		for {
			select {
			case <-s.caught:
				s.interrupt()
			case <-ctx.Done():
				signal.Stop(s.caught)
				return
			}
		}
	}()
	return ctx, s, func() {
		cancel(nil)
		<-s.done
	}
}

func (s *signals) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.line {
		signal.Stop(s.caught)
	}
	s.cancel(errInterrupted)
}

// divert makes signals end only the returned context, until done is called.
func (s *signals) divert(ctx context.Context) (line context.Context, done func()) {
	line, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.cancel
	s.cancel, s.line = cancel, true
	return line, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel, s.line = before, false
		cancel(nil)
	}
}
