package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// signals are those that SSH has names for (RFC 4254, section 6.10).
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1,
	"USR2": syscall.SIGUSR2,
}

// command is one process that the host started for a session, and our ends of its streams.
type command struct {
	host                  *host
	cmd                   *exec.Cmd
	stdin, stdout, stderr *os.File
	told                  chan struct{} // closed when the client has been told how the process ended
	ended                 chan struct{} // closed when serve has ended

	mu     sync.Mutex
	reaped bool // its number may belong to another by now
}

var errDown = errors.New("the host is going down")

// start runs line as sshd does, `/bin/sh -c line`, in a session of its own. An empty line is a shell that reads its
// commands from standard input; not a login shell, whose profile would set a PATH without the stubs.
func (b *boot) start(line string, env []string) (_ *command, err error) {
	args := []string{"-c", line}
	if line == "" {
		args = nil
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = filepath.Join(b.host.dir, "home")
	cmd.Env = slices.Concat(b.host.env, env) // the later one wins; acceptEnv has seen to it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c := &command{host: b.host, cmd: cmd, told: make(chan struct{}), ended: make(chan struct{})}

	var files []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
			files = append(files, r, w)
		}
		return r, w
	}
	inR, inW := pipe()
	outR, outW := pipe()
	errR, errW := pipe()
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
		err = c.launch(b)
	}
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, err
	}
	inR.Close()
	outW.Close()
	errW.Close()
	c.stdin, c.stdout, c.stderr = inW, outR, errR
	return c, nil
}

func (c *command) launch(b *boot) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.dead {
		return errDown
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.host.began(c.cmd.Process.Pid, c.told)
	return nil
}

// serve carries the streams and tells how the process ended. Like sshd it tells at once and keeps the channel open
// until nobody holds the output any more, a child in the background for one.
func (c *command) serve(ch ssh.Channel) {
	defer close(c.ended)
	var outputs, input sync.WaitGroup
	outputs.Go(func() { io.Copy(ch, c.stdout); c.stdout.Close() })
	outputs.Go(func() { io.Copy(ch.Stderr(), c.stderr); c.stderr.Close() })
	input.Go(func() { io.Copy(c.stdin, ch); c.stdin.Close() })
	drained := make(chan struct{})
	input.Go(func() {
		outputs.Wait()
		ch.CloseWrite()
		close(drained)
	})

	c.cmd.Wait()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	c.host.liveGroups() // forgets this one unless it has left children
	c.stdin.Close()
	// Nil when another part of the program has taken the status away; SSH allows an end without one.
	if state := c.cmd.ProcessState; state != nil {
		kind, payload := exitMessage(state.Sys().(syscall.WaitStatus))
		ch.SendRequest(kind, false, payload)
	}
	close(c.told)
	c.host.ended(c.cmd.Process.Pid, c.told)
	<-drained
	ch.Close()
	input.Wait()
}

// exitMessage is the request that tells how a process ended (RFC 4254, section 6.10).
func exitMessage(status syscall.WaitStatus) (string, []byte) {
	if !status.Signaled() {
		return "exit-status", ssh.Marshal(struct{ Status uint32 }{uint32(status.ExitStatus())})
	}
	name := "SIG@openssh.com" // OpenSSH's name for a signal that SSH has none for
	for n, s := range signals {
		if s == status.Signal() {
			name = n
		}
	}
	return "exit-signal", ssh.Marshal(struct {
		Name      string
		Core      bool
		Msg, Lang string
	}{Name: name, Core: status.CoreDump()})
}

// detach lets go of the streams when the session is gone: the process sees the end of its input, and a broken pipe
// when it writes. It is not signalled.
func (c *command) detach() {
	c.stdin.Close()
	c.stdout.Close()
	c.stderr.Close()
}

// signal sends the signal to the command's process group and reports whether it could.
func (c *command) signal(name string) bool {
	sig, known := signals[name]
	c.mu.Lock()
	defer c.mu.Unlock()
	return known && !c.reaped && syscall.Kill(-c.cmd.Process.Pid, sig) == nil
}
