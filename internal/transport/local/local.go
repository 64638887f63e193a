// Package local is the transport to this machine: commands run under /bin/sh, with no SSH between. It gives them no
// login environment and no change of user.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"starling/internal/transport"
)

// Options says where commands run. The zero value runs them as this process runs.
type Options struct {
	// Shell parses every line, as SHELL -c LINE; "" is /bin/sh.
	Shell string
	// Dir is the working directory; "" is this process's.
	Dir string
	// Env is the environment, as name=value; nil is this process's.
	Env []string
}

// Transport runs commands on this machine, each in a process group of its own, which is killed when ctx ends or Close
// is called. A process that has left the group lives on.
type Transport struct {
	name string
	o    Options

	mu     sync.Mutex
	closed chan struct{} // closed by Close, and replaced for the Execs after it
}

var _ transport.Transport = (*Transport)(nil)

var errClosed = errors.New("closed by this side")

// New returns a transport to this machine, which messages call name.
func New(name string, o Options) *Transport {
	if o.Shell == "" {
		o.Shell = "/bin/sh"
	}
	return &Transport{name: name, o: o, closed: make(chan struct{})}
}

// Close implements transport.Transport. It does not wait for the Execs it ends.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.closed)
	t.closed = make(chan struct{})
	return nil
}

// Exec implements transport.Transport. It returns an *transport.UnreachableError when the shell cannot be started.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) error {
	closeStdin := closeOnce(cmd.Stdin)
	defer closeStdin()
	if ctx.Err() != nil {
		return t.ended(ctx)
	}
	t.mu.Lock()
	closed := t.closed
	t.mu.Unlock()
	r, err := t.start(cmd)
	if err != nil {
		return &transport.UnreachableError{Host: t.name, Op: "open session", Err: err}
	}
	exited := make(chan struct{})
	var waitErr error
	go func() {
		defer close(exited)
		waitErr = r.cmd.Wait()
		r.input.Close() // nobody reads it any more, unless a child that does not matter here
	}()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		<-exited
		r.outputs.Wait()
	}()
	var cut error
	select {
	case <-finished:
	case <-ctx.Done():
		cut = t.ended(ctx)
	case <-closed:
		cut = &transport.DisconnectedError{Host: t.name, Err: errClosed}
	}
	if cut != nil {
		// The group has the id of its leader. When that has been waited for, the group may still have others in it.
		_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL)
		r.close()
	}
	var failed error
	select {
	case failed = <-r.failed: // before the input is closed: a Read that fails for that is no failure
	default:
	}
	closeStdin()
	r.pumps.Wait()
	<-finished
	r.close()
	switch {
	case cut != nil:
		return cut
	case failed != nil:
		return fmt.Errorf("%s: %w", t.name, failed)
	}
	return status(waitErr)
}

func (t *Transport) ended(ctx context.Context) error {
	return fmt.Errorf("%s: %w", t.name, context.Cause(ctx))
}

// status turns the end of a process into the transport's terms.
func status(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		name := unix.SignalName(s.Signal())
		return &transport.ExitError{Signal: name[len("SIG"):]}
	}
	return &transport.ExitError{Code: exit.ExitCode()}
}

// running is a command under way. It has pipes of its own, and not os/exec's, because those make Wait wait for a
// reader that blocks.
type running struct {
	cmd     *exec.Cmd
	input   *os.File   // our end
	ours    []*os.File // our ends of the outputs
	pumps   sync.WaitGroup
	outputs sync.WaitGroup
	failed  chan error // of the caller's streams
}

func (t *Transport) start(cmd transport.Command) (*running, error) {
	r := &running{cmd: exec.Command(t.o.Shell, "-c", cmd.Line), failed: make(chan error, 3)}
	r.cmd.Dir, r.cmd.Env = t.o.Dir, t.o.Env
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	in, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	theirs, r.input, r.cmd.Stdin = append(theirs, in), input, in
	writers := []io.Writer{cmd.Stdout, cmd.Stderr}
	for i := range writers {
		read, write, err := os.Pipe()
		if err != nil {
			r.close()
			return nil, err
		}
		r.ours, theirs = append(r.ours, read), append(theirs, write)
		if i == 0 {
			r.cmd.Stdout = write
		} else {
			r.cmd.Stderr = write
		}
	}
	if err := r.cmd.Start(); err != nil {
		r.close()
		return nil, err
	}
	r.pumps.Add(3)
	r.outputs.Add(2)
	go r.copyIn(cmd.Stdin)
	for i, w := range writers {
		go r.copyOut(w, r.ours[i])
	}
	return r, nil
}

func (r *running) close() {
	r.input.Close()
	for _, f := range r.ours {
		f.Close()
	}
}

func (r *running) copyIn(from io.Reader) {
	defer r.pumps.Done()
	defer r.input.Close()
	if from == nil {
		return
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := r.input.Write(buffer[:n]); err != nil {
				return // the command does not read it; its status says how it fared without
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			r.failed <- fmt.Errorf("standard input: %w", err)
			return
		}
	}
}

func (r *running) copyOut(to io.Writer, from *os.File) {
	defer r.pumps.Done()
	defer r.outputs.Done()
	if to == nil {
		to = io.Discard
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				r.failed <- fmt.Errorf("writing the command's output: %w", err)
				from.Close() // the command learns of it when it writes again
				return
			}
		}
		if err != nil {
			return
		}
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
