package ssh

import (
	"context"
	"fmt"
	"io"
	"sync"

	xssh "golang.org/x/crypto/ssh"

	"starling/internal/transport"
)

const copySize = 32 << 10

// gate stands between a session and one stream of its caller: nothing passes once it is shut, and shutting it waits
// for what is passing. So a session may be left, at once, while x/crypto still waits for the host.
type gate struct {
	mu   sync.Mutex
	shut bool
}

// pass runs f unless the gate is shut, and reports whether it ran.
func (g *gate) pass(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	f()
	return true
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// session is one command on a connection.
type session struct {
	c       *conn
	channel xssh.Channel
	gates   [3]gate        // by file descriptor
	pumps   sync.WaitGroup // the goroutines that copy
	output  sync.WaitGroup // those of them that copy output
	failed  chan error     // the first error of a stream of the caller's

	ended   chan struct{} // closed when the channel has ended; what follows may be read then
	status  error         // nil or *ExitError; meaningful when known
	known   bool
	orderly bool // the host closed the channel, as opposed to the connection breaking under it

	mu    sync.Mutex
	whole [3]bool // the end of the output was seen before the connection began to break
}

// run runs one command. Anything but a staleError is final.
func (c *conn) run(ctx context.Context, cmd transport.Command, closeStdin func()) error {
	channel, requests, err := c.openSession(ctx, cmd.Crowded)
	if err != nil {
		return err
	}
	defer c.release(true)
	s := &session{c: c, channel: channel, failed: make(chan error, 3), ended: make(chan struct{})}
	if !c.start(func() { s.watch(requests) }) {
		return c.over()
	}
	if err := s.exec(ctx, cmd.Line); err != nil {
		return err
	}
	s.pump(cmd)
	err = s.wait(ctx)
	// In this order: closing the input unblocks the Read under way that its gate waits for.
	closeStdin()
	for i := range s.gates {
		s.gates[i].close()
	}
	if !c.start(s.pumps.Wait) {
		s.pumps.Wait() // the connection is closed: they end at once
	}
	return err
}

// watch takes the host's messages about the session, until its end.
func (s *session) watch(requests <-chan *xssh.Request) {
	defer close(s.ended)
	for r := range requests {
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if xssh.Unmarshal(r.Payload, &m) == nil {
				s.known = true
				if m.Status != 0 {
					s.status = &transport.ExitError{Code: int(m.Status)}
				}
			}
		case "exit-signal":
			var m struct {
				Signal     string
				CoreDumped bool
				Error      string
				Lang       string
			}
			if xssh.Unmarshal(r.Payload, &m) == nil {
				s.known = true
				s.status = &transport.ExitError{Signal: m.Signal}
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // a connection that is gone is noticed elsewhere
		}
	}
	s.orderly = !s.c.dying()
	_ = s.channel.Close() // answered the host's close already, or has nobody to tell
}

// exec sends the command line. Once it was sent, what became of the command is not known unless the host says so.
func (s *session) exec(ctx context.Context, line string) error {
	type reply struct {
		ok  bool
		err error
	}
	answer := make(chan reply, 1)
	payload := xssh.Marshal(struct{ Command string }{line})
	started := s.c.start(func() {
		ok, err := s.channel.SendRequest("exec", true, payload)
		answer <- reply{ok, err}
	})
	if !started {
		return s.c.over()
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return s.unknown()
		}
		if !r.ok {
			s.leave()
			return &transport.UnreachableError{
				Host: s.c.t.target.Name, Addr: s.c.s.hostPort(), Op: "open session",
				Err: fmt.Errorf("the host could not start the command"), Hint: "it may be out of processes or memory",
			}
		}
		return nil
	case <-ctx.Done():
		s.leave()
		return context.Cause(ctx)
	case <-s.c.quit:
		return s.unknown()
	}
}

// unknown returns the error for a command that was sent and whose status did not come.
func (s *session) unknown() error {
	select {
	case <-s.c.quit:
		return &transport.DisconnectedError{Host: s.c.t.target.Name, Err: errClosed}
	default:
	}
	if s.c.dying() {
		<-s.c.done // for its reason; it comes at once
	} else {
		s.leave()
	}
	return s.c.lost()
}

// leave closes the session while its command may still run.
func (s *session) leave() {
	s.c.mu.Lock()
	s.c.abandoned = true
	s.c.mu.Unlock()
	s.c.start(func() { _ = s.channel.Close() }) // may have to wait for the network
}

func (s *session) pump(cmd transport.Command) {
	s.pumps.Add(3)
	s.output.Add(2)
	go func() {
		defer s.pumps.Done()
		s.input(cmd.Stdin)
	}()
	for fd, w := range map[int]io.Writer{1: cmd.Stdout, 2: cmd.Stderr} {
		r := io.Reader(s.channel)
		if fd == 2 {
			r = s.channel.Stderr()
		}
		go func() {
			defer s.pumps.Done()
			defer s.output.Done()
			s.copyOut(fd, w, r)
		}()
	}
}

// input copies the caller's input to the command, and its end.
func (s *session) input(r io.Reader) {
	defer func() { _ = s.channel.CloseWrite() }() // a command that has ended needs none
	if r == nil {
		return
	}
	buffer := make([]byte, copySize)
	for {
		var n int
		var err error
		if !s.gates[0].pass(func() { n, err = r.Read(buffer) }) {
			return
		}
		if n > 0 {
			if _, err := s.channel.Write(buffer[:n]); err != nil {
				return // the command does not read it; its status says how it fared without
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			s.failed <- fmt.Errorf("standard input: %w", err)
			return
		}
	}
}

// copyOut copies one output of the command to the caller, and goes on reading when the caller has left, so that the
// session can end.
func (s *session) copyOut(fd int, w io.Writer, r io.Reader) {
	buffer := make([]byte, copySize)
	discard := w == nil
	for {
		n, err := r.Read(buffer)
		if n > 0 && !discard {
			var failed error
			s.gates[fd].pass(func() { _, failed = w.Write(buffer[:n]) })
			if failed != nil {
				s.failed <- fmt.Errorf("writing the command's output: %w", failed)
				discard = true
			}
		}
		if err != nil {
			s.mu.Lock()
			s.whole[fd] = err == io.EOF && !s.c.dying()
			s.mu.Unlock()
			return
		}
	}
}

// wait waits for the end of the command and of its output.
func (s *session) wait(ctx context.Context) error {
	finished := make(chan struct{})
	s.pumps.Add(1)
	go func() {
		defer s.pumps.Done()
		<-s.ended
		s.output.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case err := <-s.failed:
		s.leave()
		return err
	case <-ctx.Done():
		s.leave()
		return context.Cause(ctx)
	case <-s.c.quit:
		return s.unknown()
	}
	select {
	case err := <-s.failed: // the last write
		return err
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A status alone is not enough: the output may have been cut off behind it.
	if s.known && (s.orderly || s.whole[1] && s.whole[2]) {
		return s.status
	}
	return s.unknown()
}
