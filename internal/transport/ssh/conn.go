package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"starling/internal/transport"
)

// maxSessions is how many commands run at once on one connection. OpenSSH's own limit is 10 unless it was changed.
const maxSessions = 8

var (
	errClosed = errors.New("closed by this side")
	errFull   = errors.New("the host refuses to open a session")
)

// staleError is a connection that proved useless before anything of the command was sent on it: another may do.
type staleError struct{ err error }

func (e *staleError) Error() string { return e.err.Error() }
func (e *staleError) Unwrap() error { return e.err }

// conn is one connection to the target and the sessions on it.
type conn struct {
	t    *Transport
	s    *settings
	d    *dialer
	ssh  xssh.Conn
	done chan struct{} // closed when the connection has ended, of whatever
	quit chan struct{} // closed when the caller ended it
	wg   sync.WaitGroup

	quitting sync.Once

	mu        sync.Mutex
	reason    error // why it ended; the first counts
	ended     bool  // no goroutine may be added to wg
	limit     int   // sessions the server lets us have, as far as we know
	inUse     int   // sessions open or being opened
	open      int   // sessions the server has granted
	abandoned bool  // a session was left before its command ended; the server may count it still
	changed   chan struct{}
}

func newConn(t *Transport, d *dialer, s *settings, opened xssh.Conn, channels <-chan xssh.NewChannel, requests <-chan *xssh.Request) *conn {
	c := &conn{
		t: t, s: s, d: d, ssh: opened, done: make(chan struct{}), quit: make(chan struct{}), limit: maxSessions,
		changed: make(chan struct{}),
	}
	c.wg.Add(3)
	go func() {
		defer c.wg.Done()
		xssh.DiscardRequests(requests)
	}()
	go func() {
		defer c.wg.Done()
		for channel := range channels {
			_ = channel.Reject(xssh.Prohibited, "not offered") // the connection may be over
		}
	}()
	go func() {
		defer c.wg.Done()
		err := opened.Wait()
		c.mu.Lock()
		if c.reason == nil {
			c.reason = err
			if err == nil || errors.Is(err, io.EOF) {
				c.reason = errors.New("closed by the host")
			}
		}
		c.mu.Unlock()
		d.close()
		close(c.done)
	}()
	if s.aliveInterval > 0 {
		c.wg.Add(1)
		go func() {
			defer c.wg.Done()
			c.keepAlive()
		}()
	}
	return c
}

// fail ends the connection, for the given reason.
func (c *conn) fail(reason error) {
	c.mu.Lock()
	if c.reason == nil {
		c.reason = reason
	}
	c.mu.Unlock()
	c.d.base.Close()
}

// close ends the connection and everything on it, because the caller wants it, and waits until its goroutines are
// gone.
func (c *conn) close() {
	c.quitting.Do(func() { close(c.quit) })
	c.bury()
}

// bury does what close does for a connection that is dead already, or of no use. Commands that were still waiting for
// a session on it learn that they may go elsewhere.
func (c *conn) bury() {
	c.fail(errClosed)
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.wg.Wait()
}

// start runs f in a goroutine of the connection, for what may outlast an Exec: it ends with the connection at the
// latest. It reports false, and runs nothing, when the connection has been closed.
func (c *conn) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f()
	}()
	return true
}

// dying reports whether the connection has ended, or is about to.
func (c *conn) dying() bool {
	select {
	case <-c.done:
		return true
	default:
		return c.d.target.broken.Load()
	}
}

// lost returns the error for a command that was under way when the connection ended.
func (c *conn) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason := c.reason
	if reason == nil {
		reason = errors.New("the host ended the session without a status")
	}
	return &transport.DisconnectedError{Host: c.t.target.Name, Err: reason}
}

// keepAlive asks a host that says nothing whether it is there, and ends the connection when it does not answer
// aliveCount times.
func (c *conn) keepAlive() {
	ticker := time.NewTicker(c.s.aliveInterval)
	defer ticker.Stop()
	asking := make(chan struct{}, 1) // holds a token while a question is unanswered
	missed, seen := 0, c.d.target.received.Load()
	for {
		select {
		case <-ticker.C:
		case <-c.done:
			return
		}
		if now := c.d.target.received.Load(); now != seen {
			missed, seen = 0, now
			continue
		}
		if missed++; missed > c.s.aliveCount {
			c.fail(fmt.Errorf("the host has gone silent: no answer for %s", time.Duration(missed)*c.s.aliveInterval))
			return
		}
		select {
		case asking <- struct{}{}:
			c.start(func() {
				_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil) // any answer is one, and received counts it
				<-asking
			})
		default:
		}
	}
}

// acquire waits for one of the sessions that may be open at once.
func (c *conn) acquire(ctx context.Context) error {
	for {
		c.mu.Lock()
		if c.inUse < c.limit {
			c.inUse++
			c.mu.Unlock()
			return nil
		}
		changed := c.changed
		c.mu.Unlock()
		if err := c.wait(ctx, changed); err != nil {
			return err
		}
	}
}

// taken reports whether every session there may be is in use.
func (c *conn) taken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inUse >= c.limit
}

// wait waits for a channel to close, ctx or the end of the connection.
func (c *conn) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.over()
	case <-c.quit:
		return c.over()
	}
}

// over returns the error for a command of which nothing was sent when the connection ended.
func (c *conn) over() error {
	select {
	case <-c.quit:
		return &transport.DisconnectedError{Host: c.t.target.Name, Err: errClosed}
	default:
	}
	<-c.done // for its reason; it comes at once
	c.mu.Lock()
	defer c.mu.Unlock()
	return &staleError{c.reason}
}

// release gives back what acquire took; granted says that the server had opened the session.
func (c *conn) release(granted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inUse--
	if granted {
		c.open--
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// refused notes that the server opens no more sessions than there are now. It reports whether there are any: one of
// them will end.
func (c *conn) refused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open > 0 {
		c.limit = c.open
	}
	return c.open > 0
}

// retire ends a connection on which the server opens no more sessions because it counts some that were left while
// their commands ran on; a new connection starts from zero. It reports whether that was so.
func (c *conn) retire() bool {
	c.mu.Lock()
	useless := c.abandoned && c.inUse == 0
	if useless {
		c.limit = 0 // nobody gets a session in between
	}
	c.mu.Unlock()
	if useless {
		c.fail(errFull)
	}
	return useless
}

// openSession opens a session, waiting its turn; crowded, which may be nil, is told that it has to wait. The caller
// releases it. The error is ctx's, a staleError, or an *UnreachableError: nothing was sent.
func (c *conn) openSession(ctx context.Context, crowded func()) (xssh.Channel, <-chan *xssh.Request, error) {
	for try := 0; ; {
		if crowded != nil && c.taken() {
			crowded()
		}
		if err := c.acquire(ctx); err != nil {
			return nil, nil, err
		}
		channel, requests, err := c.openChannel(ctx)
		if err == nil {
			c.mu.Lock()
			c.open++
			c.mu.Unlock()
			return channel, requests, nil
		}
		waits := false
		var full *xssh.OpenChannelError
		isFull := errors.As(err, &full)
		if isFull {
			waits = c.refused()
		}
		c.release(false)
		if !isFull {
			return nil, nil, err
		}
		if waits {
			continue
		}
		// None of ours is open. The server may not have noticed yet that the last one ended: a moment for it.
		if try++; try <= 6 {
			pause := make(chan struct{})
			timer := time.AfterFunc(10*time.Millisecond<<try, func() { close(pause) })
			err := c.wait(ctx, pause)
			timer.Stop()
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		if c.retire() {
			return nil, nil, &staleError{errFull}
		}
		return nil, nil, &transport.UnreachableError{
			Host: c.t.target.Name, Addr: c.s.hostPort(), Op: "open session", Err: fmt.Errorf("%w: %s", errFull, full.Message),
			Hint: "see MaxSessions in its sshd_config",
		}
	}
}

type openResult struct {
	channel  xssh.Channel
	requests <-chan *xssh.Request
	err      error
}

// openChannel asks for one session and waits for the answer, for ConnectTimeout at most. A session that is granted
// after the caller has left is closed.
func (c *conn) openChannel(ctx context.Context) (xssh.Channel, <-chan *xssh.Request, error) {
	answer := make(chan openResult)
	left := make(chan struct{})
	defer close(left)
	started := c.start(func() {
		var r openResult
		r.channel, r.requests, r.err = c.ssh.OpenChannel("session", nil)
		select {
		case answer <- r:
		case <-left:
			if r.err == nil {
				_ = r.channel.Close() // it has no use; a dead connection has closed it already
				xssh.DiscardRequests(r.requests)
			}
		}
	})
	if !started {
		return nil, nil, c.over()
	}
	patience := time.NewTimer(c.s.connectTimeout)
	defer patience.Stop()
	var full *xssh.OpenChannelError
	select {
	case r := <-answer:
		if r.err == nil || errors.As(r.err, &full) {
			return r.channel, r.requests, r.err
		}
		// The connection has ended; its reason says more than this error.
		<-c.done
		return nil, nil, c.over()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-c.quit:
		return nil, nil, c.over()
	case <-patience.C:
		// Not the connection's end: other commands run on it, and whether it is dead is keepAlive's to say.
		return nil, nil, &transport.UnreachableError{
			Host: c.t.target.Name, Addr: c.s.hostPort(), Op: "open session",
			Err: fmt.Errorf("no answer in %s", c.s.connectTimeout),
		}
	}
}
