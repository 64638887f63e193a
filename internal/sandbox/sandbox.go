// Package sandbox is a handful of throwaway SSH hosts inside the program itself: an SSH server on loopback with its
// own keys, a home folder per host, commands run by the local /bin/sh as sshd runs them. A host can be rebooted and
// powered off by the usual commands, which are stubs there, so that everything can be tried with nothing installed.
//
// It is not a container. Commands run on this machine, as the user who runs the program, and can touch all that user
// can touch: a command that goes round the stubs, by an absolute path such as /sbin/reboot, by a PATH of its own or
// through busybox, reaches the real one, and for root that one works. It has no sftp, no terminals and no forwarding,
// and it is no test server for the SSH client: that is sshdtest.
package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"time"

	"starling/internal/transport"
)

// DefaultDowntime is how long a host is away while it reboots when Options does not say.
const DefaultDowntime = 2 * time.Second

// closeTimeout is how long Close waits for processes that do not go away when killed, and for what served them.
const closeTimeout = 10 * time.Second

// Options say where a sandbox lives and how its hosts behave. The zero value is useful.
type Options struct {
	// Dir is the folder in which the sandbox makes its own, which Close removes; "" is the system's for temporary
	// files.
	Dir string
	// Log takes a line for each host that goes down or comes back; nil discards them.
	Log io.Writer
	// Downtime is how long a rebooting host refuses connections; 0 is DefaultDowntime.
	Downtime time.Duration
}

// Sandbox is a set of running hosts. Its methods may be called from many goroutines at once.
type Sandbox struct {
	dir      string
	config   string // path of the ssh_config
	token    string // begins the cookie of every process
	downtime time.Duration
	hosts    []*host
	watchdog *watchdog

	logMu sync.Mutex
	log   io.Writer

	closeOnce sync.Once
	closeErr  error
}

// Start brings n hosts up, named sandbox1 to sandboxN; n must be at least 1. ctx ends the start only: the hosts run
// until Close. When Start fails, nothing is left behind.
func Start(ctx context.Context, n int, o Options) (*Sandbox, error) {
	if n < 1 {
		return nil, fmt.Errorf("sandbox: %d hosts asked for, want at least 1", n)
	}
	s := &Sandbox{downtime: o.Downtime, log: o.Log, token: newToken()}
	if s.downtime <= 0 {
		s.downtime = DefaultDowntime
	}
	if s.log == nil {
		s.log = io.Discard
	}
	if err := s.start(ctx, n, o.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context, n int, parent string) error {
	if parent != "" {
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(parent, "starling-sandbox-")
	if err != nil {
		return err
	}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	// From here on the folder goes away, and every process with it, also when this program is killed.
	if s.watchdog, err = startWatchdog(s.dir, s.token); err != nil {
		return err
	}
	login := loginName()
	client, err := writeClientKey(filepath.Join(s.dir, "id_ed25519"))
	if err != nil {
		return err
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		h, err := newHost(s, fmt.Sprintf("sandbox%d", i+1), login, client)
		if err != nil {
			return err
		}
		s.hosts = append(s.hosts, h)
	}
	s.config = filepath.Join(s.dir, "ssh_config")
	return writeConfig(s.dir, s.config, login, s.hosts)
}

// Dir returns the sandbox's own folder, which Close removes: a place for what is to go with the sandbox.
func (s *Sandbox) Dir() string { return s.dir }

// Hosts returns the targets of the hosts, in order. Each names an ssh_config of the sandbox with which any strict SSH
// client reaches it; the folder of the Sandbox holds it until Close.
func (s *Sandbox) Hosts() []transport.Target {
	targets := make([]transport.Target, len(s.hosts))
	for i, h := range s.hosts {
		targets[i] = transport.Target{Name: h.name, ConfigFile: s.config}
	}
	return targets
}

// Close takes the hosts down, kills every process of theirs, removes their folders and waits until all of it is done.
// It returns an error when a process could not be killed or a file not be removed. It may be called again and returns
// the same.
func (s *Sandbox) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Sandbox) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	groups := map[int]bool{}
	for _, h := range s.hosts {
		h.stop()
		for g := range h.liveGroups() {
			groups[g] = true
		}
	}
	var errs []error
	if len(s.hosts) > 0 {
		errs = append(errs, selector{prefix: s.token + ".", groups: groups}.kill(ctx, 0))
	}
	for _, h := range s.hosts {
		errs = append(errs, h.wait(ctx))
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	// Last, so that being killed in the middle of this is covered too.
	if s.watchdog != nil {
		errs = append(errs, s.watchdog.dismiss())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sandbox: close: %w", err)
	}
	return nil
}

func (s *Sandbox) logf(format string, args ...any) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	fmt.Fprintf(s.log, format+"\n", args...)
}

func newToken() string {
	b := make([]byte, 12)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// loginName is the user as which the hosts' commands run, or "sandbox" where that one has no name.
func loginName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "sandbox"
}
