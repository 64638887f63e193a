package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"starling/internal/transport"
)

// Transport reaches one host over SSH. All commands share one connection, which the first dials, at most eight at
// once; more wait their turn.
type Transport struct {
	target transport.Target
	o      Options

	resolve sync.Once
	chain   []*settings // the hosts to go through, the target last
	invalid error       // *transport.UnreachableError

	mu     sync.Mutex
	cur    *conn   // nil when there is none
	flight *flight // nil when nobody dials
}

// flight is one dial under way and those who wait for it.
type flight struct {
	cancel  context.CancelFunc
	waiters int
	closed  bool          // by Close
	done    chan struct{} // closed when conn and err are there
	conn    *conn
	err     error
}

var _ transport.Transport = (*Transport)(nil)

// New returns a transport to target. It touches nothing: a config that cannot be used is reported by Validate, or by
// the first Exec.
func New(target transport.Target, o Options) *Transport {
	if o.Shared == nil {
		o.Shared = &Shared{}
	}
	return &Transport{target: target, o: o}
}

// Validate reads the config and returns an *UnreachableError with Op "config" when it cannot be honoured. It touches
// no network.
func (t *Transport) Validate() error {
	t.resolve.Do(func() {
		var err error
		if t.chain, err = t.o.chain(t.target); err != nil {
			t.invalid = &transport.UnreachableError{Host: t.target.Name, Op: "config", Err: err}
		}
	})
	return t.invalid
}

// Resolved returns where Exec goes. With a config that cannot be used, it is what the target itself says.
func (t *Transport) Resolved() Endpoint {
	if t.Validate() != nil {
		e := Endpoint{Addr: t.target.Addr, Port: t.target.Port, User: t.target.User}
		if e.Addr == "" {
			e.Addr = t.target.Name
		}
		return e
	}
	last := len(t.chain) - 1
	e := t.chain[last].endpoint()
	for _, s := range t.chain[:last] {
		e.Jumps = append(e.Jumps, s.endpoint())
	}
	return e
}

// maxAttempts is how many connections one Exec uses when each proves dead before anything was sent on it. A second
// is usual: the first had died unnoticed while nothing ran on it.
const maxAttempts = 3

// Exec implements transport.Transport. A dial that fails is not tried again. When ctx ends first, the session is
// closed and what is still to come from the host is left to the connection to discard.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) error {
	closeStdin := closeOnce(cmd.Stdin)
	defer closeStdin()
	if err := ctx.Err(); err != nil {
		return t.ended(ctx)
	}
	if err := t.Validate(); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		c, err := t.connect(ctx)
		if err == nil {
			err = c.run(ctx, cmd, closeStdin)
		}
		var stale *staleError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &stale) && attempt < maxAttempts:
			t.forget(c)
			continue
		case errors.As(err, &stale):
			return &transport.UnreachableError{
				Host: t.target.Name, Addr: t.Resolved().HostPort(), Op: "open session", Err: stale.err,
			}
		case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return t.ended(ctx)
		}
		return err
	}
}

func (t *Transport) ended(ctx context.Context) error {
	return fmt.Errorf("%s: %w", t.target.Name, context.Cause(ctx))
}

// Close implements transport.Transport.
func (t *Transport) Close() error {
	t.mu.Lock()
	c, f := t.cur, t.flight
	t.cur, t.flight = nil, nil
	if f != nil {
		f.closed = true
		f.cancel()
	}
	t.mu.Unlock()
	if c != nil {
		c.close()
	}
	if f != nil {
		<-f.done
	}
	return nil
}

// connect returns the connection, or dials it, or waits for the dial that another caller began.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	t.mu.Lock()
	if t.cur != nil {
		select {
		case <-t.cur.done:
		default:
			defer t.mu.Unlock()
			return t.cur, nil
		}
	}
	f := t.flight
	if f == nil {
		f = t.takeOff(ctx)
	}
	f.waiters++
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.conn, f.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	f.waiters--
	last := f.waiters == 0
	if last {
		f.cancel()
		if t.flight == f {
			t.flight = nil
		}
	}
	t.mu.Unlock()
	if last {
		<-f.done // it was dialled for us alone
	}
	return nil, context.Cause(ctx)
}

// takeOff begins to dial. The dial outlasts the caller who began it for as long as another waits. The caller holds mu.
func (t *Transport) takeOff(ctx context.Context) *flight {
	old := t.cur
	t.cur = nil
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{cancel: cancel, done: make(chan struct{})}
	t.flight = f
	go func() {
		defer close(f.done)
		defer cancel()
		if old != nil {
			old.bury() // this waits for what is left of it
		}
		c, err := t.dial(ctx)
		t.mu.Lock()
		wanted := t.flight == f
		if wanted {
			t.flight = nil
			t.cur = c
		}
		closed := f.closed
		t.mu.Unlock()
		if !wanted && c != nil {
			c.close()
			c = nil
		}
		if !wanted && closed {
			err = &transport.DisconnectedError{Host: t.target.Name, Err: errClosed}
		}
		f.conn, f.err = c, err
	}()
	return f
}

// forget waits for a connection that proved dead to be over, so that the next connect does not get it again.
func (t *Transport) forget(c *conn) {
	t.mu.Lock()
	mine := t.cur == c
	if mine {
		t.cur = nil
	}
	t.mu.Unlock()
	if mine {
		c.bury()
	}
}

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
