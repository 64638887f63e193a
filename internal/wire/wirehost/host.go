package wirehost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"starling/internal/transport"
)

// Job says how one command behaves, detached or attached.
type Job struct {
	// Duration is how long it runs; 0: it ends at once; negative: until it is
	// killed or comes to its limit.
	Duration time.Duration
	// Code is its exit code, 0 to 255.
	Code int
	// Stdout and Stderr are what it prints, all of it when it begins. The host
	// keeps them, and never changes them: jobs may share them.
	Stdout, Stderr []byte
	// Echo has it print its input behind Stdout, as cat does: an attached
	// command runs at least until its input ends. Without it, input is not read.
	Echo bool
}

// Options says how a Host behaves. Under the zero Options every command ends
// at once with code 0 and prints nothing.
type Options struct {
	// Script says what a command does; nil: the zero Job, for every command. cmd
	// is the text for /bin/sh; an argument vector comes as a line such as
	// exec 'printf' 'a b'. It is called once for each attached command and for
	// each job that is started, and never for a start that is only repeated. The
	// host is locked meanwhile: it must return at once and not call the host.
	Script func(cmd string) Job
	// Clock is what time it is on the host, by which jobs begin and end; nil:
	// time.Now. The host polls another clock every 10 ms while a request or an
	// attached command waits for it. The waits themselves, Latency and that of a
	// wire.Look, always pass in real time.
	Clock func() time.Time
	// Latency is how long the host takes over each exchange before it carries
	// it out; 0: no time.
	Latency time.Duration
	// Meter counts; many hosts may share one. nil: nothing is counted.
	Meter *Meter
}

// Host is a machine in memory. Its methods may be called from many goroutines
// at once.
type Host struct {
	name string
	o    Options
	born time.Time // when it booted, by its clock
	boot string    // which boot that is
	// kernel is the host's name as a token may hold it.
	kernel string

	mu      sync.Mutex
	execs   map[*session]struct{}
	folders map[string]*folder // by base directory
	keys    map[string]*key    // by folder of the key
	pid     int                // the last that was given away
	changed chan struct{}      // closed when a job was killed; nil while nobody waits
}

var _ transport.Transport = (*Host)(nil)

var (
	errClosed = errors.New("closed by this side")
	errKilled = errors.New("killed")
)

// New returns a host that messages and its own answers call name. It was
// booted an hour ago, in a boot that follows from its name.
func New(name string, o Options) *Host {
	sum := sha256.Sum256([]byte(name))
	h := &Host{name: name, o: o, pid: 1000, kernel: "-",
		boot: fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])}
	if kernelName.MatchString(name) {
		h.kernel = name
	}
	h.born = h.now().Add(-time.Hour)
	return h
}

// Connections returns how many connections to the host are open: each Exec
// under way is one, until Close.
func (h *Host) Connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for s := range h.execs {
		if !s.closed {
			n++
		}
	}
	return n
}

// Close implements transport.Transport. It does not wait for the Execs it
// ends. The host and its jobs go on.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.execs {
		s.end(errClosed)
		h.disconnected(s)
	}
	return nil
}

// Exec implements transport.Transport for the lines of wire.Lines; another one
// ends with exit status 127. It never fails to connect.
func (h *Host) Exec(ctx context.Context, cmd transport.Command) error {
	closeStdin := closing(cmd.Stdin)
	defer closeStdin()
	if ctx.Err() != nil {
		return h.ended(ctx)
	}
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := newSession(h, cmd, end)
	h.enter(s)
	defer h.leave(s)
	unblocked := make(chan struct{})
	stop := context.AfterFunc(inner, func() {
		defer close(unblocked)
		closeStdin()
	})
	err := s.serve(inner, cmd.Line)
	if !stop() {
		<-unblocked
	}
	var status *transport.ExitError
	switch cause := context.Cause(inner); {
	case cause == errKilled:
		return exit(byTERM)
	case cause == errClosed:
		return &transport.DisconnectedError{Host: h.name, Err: errClosed}
	case cause != nil:
		return h.ended(ctx)
	case err == nil, errors.As(err, &status):
		return err
	}
	return fmt.Errorf("%s: %w", h.name, err)
}

func (h *Host) ended(ctx context.Context) error {
	return fmt.Errorf("%s: %w", h.name, context.Cause(ctx))
}

func (h *Host) enter(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.execs == nil {
		h.execs = map[*session]struct{}{}
	}
	h.execs[s] = struct{}{}
	h.o.Meter.entered()
}

func (h *Host) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.execs, s)
	h.disconnected(s)
}

// disconnected counts the connection of s out, once; h.mu is held.
func (h *Host) disconnected(s *session) {
	if !s.closed {
		s.closed = true
		h.o.Meter.left()
	}
}

// script asks what a command does; h.mu is held.
func (h *Host) script(cmd string) Job {
	if h.o.Script == nil {
		return Job{}
	}
	return h.o.Script(cmd)
}

func (h *Host) now() time.Time {
	if h.o.Clock != nil {
		return h.o.Clock()
	}
	return time.Now()
}

// uptime is in 1/100 s, as the protocol has it.
func (h *Host) uptime(at time.Time) int64 { return int64(at.Sub(h.born) / (10 * time.Millisecond)) }

// kernelName is what the protocol lets pass for a host's name.
var kernelName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// poll is how often a clock that is not the real one is read.
const poll = 10 * time.Millisecond

// pause lets d of real time pass, or less: until ctx ends or changed, which may
// be nil, is closed.
func pause(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// step is how long to wait for something that is due in d by the host's clock
// before it is looked at again.
func (h *Host) step(d time.Duration) time.Duration {
	if h.o.Clock != nil {
		return min(d, poll)
	}
	return d
}

// closing returns a function that closes r, once, when it is an io.Closer.
func closing(r io.Reader) func() {
	return sync.OnceFunc(func() {
		if c, ok := r.(io.Closer); ok {
			_ = c.Close() // only read from: nothing can be lost
		}
	})
}
