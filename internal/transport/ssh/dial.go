package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"starling/internal/transport"
)

// dialer makes one connection: the way there, hop by hop. It closes what it opened when it fails.
type dialer struct {
	t      *Transport
	base   net.Conn       // the TCP connection that carries all others; nil before it is there
	hops   []*xssh.Client // the jump hosts so far
	target *wire
}

// dial connects, checks host keys and logs in, all the way to the target. Every step has the host's ConnectTimeout.
// What it returns is one of the package's typed errors, or ctx's.
func (t *Transport) dial(ctx context.Context) (*conn, error) {
	d := &dialer{t: t}
	for i, s := range t.chain {
		last := i == len(t.chain)-1
		raw, err := d.reach(ctx, s)
		if err == nil {
			var opened xssh.Conn
			var channels <-chan xssh.NewChannel
			var requests <-chan *xssh.Request
			opened, channels, requests, err = d.handshake(ctx, s, raw)
			if err == nil && last {
				return newConn(t, d, s, opened, channels, requests), nil
			}
			if err == nil {
				d.hops = append(d.hops, xssh.NewClient(opened, channels, requests))
				continue
			}
		}
		d.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var unreachable *transport.UnreachableError
		if errors.As(err, &unreachable) && !last && unreachable.Op != "jump" && unreachable.Op != "config" {
			unreachable.Err = fmt.Errorf("%s: %w", unreachable.Op, unreachable.Err)
			unreachable.Op = "jump"
		}
		return nil, err
	}
	return nil, nil // not reached: a chain has at least the target
}

// close ends the connection under all hops, and so all hops, and waits for them.
func (d *dialer) close() {
	if d.base != nil {
		d.base.Close()
	}
	for _, hop := range d.hops {
		_ = hop.Wait() // it has just been broken
	}
}

// reach opens the byte stream to one host, from here or from the last jump host.
func (d *dialer) reach(ctx context.Context, s *settings) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connectTimeout)
	defer cancel()
	if len(d.hops) == 0 {
		conn, err := new(net.Dialer).DialContext(ctx, s.network, s.hostPort())
		if err != nil {
			return nil, d.t.dialFailed(s, err)
		}
		d.base = conn
		return &wire{Conn: conn}, nil
	}
	stop := context.AfterFunc(ctx, func() { d.base.Close() })
	defer stop()
	conn, err := d.hops[len(d.hops)-1].Dial("tcp", s.hostPort())
	if err != nil {
		from := d.t.chain[len(d.hops)-1].name
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in %s", s.connectTimeout)
		}
		return nil, &transport.UnreachableError{
			Host: d.t.target.Name, Addr: s.hostPort(), Op: "jump", Err: fmt.Errorf("from %s: %w", from, err),
			Hint: "see whether the jump host reaches it, and whether its sshd has AllowTcpForwarding",
		}
	}
	return &wire{Conn: conn}, nil
}

func (t *Transport) dialFailed(s *settings, err error) error {
	e := &transport.UnreachableError{Host: t.target.Name, Addr: s.hostPort(), Op: "dial", Err: err}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		e.Op, e.Addr = "resolve", s.host
		e.Err = dns
		e.Hint = fmt.Sprintf("getent hosts %s", s.host)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op) && op.Timeout():
		e.Err = fmt.Errorf("no answer in %s", s.connectTimeout)
		e.Hint = "is the host up, and does a firewall drop the port? ConnectTimeout in ssh_config sets the patience"
	case errors.As(err, &op) && errors.Is(err, syscall.ECONNREFUSED):
		e.Err = op.Err
		e.Hint = "the machine answers, and nothing listens on that port: is its sshd up, and does it listen elsewhere (Port in ssh_config)?"
	case errors.As(err, &op):
		e.Err = op.Err // without the addresses, which the error has already
	}
	return e
}

// handshake makes an SSH connection of a byte stream: key exchange, host key, login.
func (d *dialer) handshake(ctx context.Context, s *settings, raw *wire) (xssh.Conn, <-chan xssh.NewChannel, <-chan *xssh.Request, error) {
	t := d.t
	fail := func(op string, err error, hint string) error {
		return &transport.UnreachableError{Host: t.target.Name, Addr: s.hostPort(), Op: op, Err: err, Hint: hint, Busy: hint == busyHint}
	}
	keys, err := s.hostKeys(t.target.Name, t.o.Shared)
	if err != nil {
		return nil, nil, nil, fail("config", err, "correct or remove the line")
	}
	clock := newClock(s.connectTimeout, func() { d.base.Close() })
	defer clock.stop()
	stop := context.AfterFunc(ctx, func() { d.base.Close() })
	defer stop()

	a := &login{o: t.o, s: s, shared: t.o.Shared, pause: clock.pause}
	c, channels, requests, err := xssh.NewClientConn(raw, keys.address, &xssh.ClientConfig{
		Config: xssh.Config{KeyExchanges: s.kex, Ciphers: s.ciphers, MACs: s.macs},
		User:   s.user, Auth: a.methods(ctx), AuthCallback: a.note,
		HostKeyCallback: keys.check, HostKeyAlgorithms: keys.algorithms(),
		ClientVersion: "SSH-2.0-Starling",
	})
	a.done(err == nil)
	if err == nil {
		d.target = raw
		return c, channels, requests, nil
	}
	var badKey *transport.HostKeyError
	switch {
	case errors.As(keys.refusal, &badKey):
		return nil, nil, nil, badKey
	case keys.refusal != nil:
		return nil, nil, nil, fail("handshake", keys.refusal, "")
	case clock.expired():
		hint, err := silence(raw, s.connectTimeout)
		return nil, nil, nil, fail("handshake", err, hint)
	case a.begun && (a.declined || !isNetwork(err)):
		return nil, nil, nil, &transport.AuthError{
			Host: t.target.Name, Addr: s.hostPort(), User: s.user, Tried: a.tried, Err: bare(err), Hint: a.hintFor(t.target.Name),
		}
	}
	hint, err := explain(raw, a.begun, err)
	return nil, nil, nil, fail("handshake", err, hint)
}

// bare takes x/crypto's own prefixes off.
func bare(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// isNetwork reports whether the byte stream failed, as opposed to an answer of the server's or a fault on this side.
func isNetwork(err error) bool {
	var failed net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &failed)
}

func silence(raw *wire, patience time.Duration) (hint string, text error) {
	line, isSSH := raw.greeting()
	switch {
	case isSSH:
		return busyHint, fmt.Errorf("speaks SSH, but was not done after %s", patience)
	case line != "":
		return "", fmt.Errorf("answers, but with no SSH: got %q", line)
	}
	return "", fmt.Errorf("takes the connection, but said nothing in %s", patience)
}

// busyHint goes with what trying again may mend.
const busyHint = "the host may be busy: see MaxStartups in its sshd_config, and try again"

// explain says what a handshake that broke off looks like from here.
func explain(raw *wire, begun bool, err error) (hint string, text error) {
	line, isSSH := raw.greeting()
	switch {
	case strings.HasPrefix(line, "Exceeded MaxStartups"), strings.HasPrefix(line, "Not allowed at this time"):
		return busyHint, fmt.Errorf("turned away: %s", line)
	case !isSSH && line != "":
		return "is this the right port?", fmt.Errorf("answers, but with no SSH: got %q", line)
	case !isSSH && raw.broken.Load():
		return busyHint, fmt.Errorf("closed the connection before it said anything: %w", bare(err))
	case begun && raw.broken.Load():
		return busyHint, fmt.Errorf("closed the connection during the login: %w", bare(err))
	case raw.broken.Load():
		return busyHint, fmt.Errorf("closed the connection during the key exchange: %w", bare(err))
	}
	return "", bare(err)
}

// clock calls end once when the time is up, and stands still while a person is being asked.
type clock struct {
	mu      sync.Mutex
	left    time.Duration
	since   time.Time
	timer   *time.Timer
	waiting int // waits under way; they may nest
	over    bool
}

func newClock(d time.Duration, end func()) *clock {
	c := &clock{left: d, since: time.Now()}
	c.timer = time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.waiting == 0 { // else pause sets it again
			c.over = true
			end()
		}
	})
	return c
}

func (c *clock) pause(wait func()) {
	c.mu.Lock()
	if c.waiting++; c.waiting == 1 {
		c.left -= time.Since(c.since)
	}
	c.mu.Unlock()
	wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting--; c.waiting == 0 && !c.over {
		c.since = time.Now()
		c.timer.Reset(max(c.left, time.Second))
	}
}

func (c *clock) stop() { c.timer.Stop() }

func (c *clock) expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}
