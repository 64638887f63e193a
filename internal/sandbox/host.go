package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
)

const (
	// standardPath is what a host's commands find after the stubs.
	standardPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
	// cookieName is the variable by which a host's processes are known.
	cookieName = "STARLING_SANDBOX"
	// fallDelay lies between the last word of the command that asked for a reboot and the fall, so that the word can
	// still be read.
	fallDelay = 100 * time.Millisecond
	// fallPatience is how long a fall waits for the end of the command that asked for it.
	fallPatience = 5 * time.Second
	// termGrace lies between TERM and KILL for the processes of a host that goes down.
	termGrace = time.Second
)

// host is one machine: what stays the same from boot to boot, and the present boot.
type host struct {
	name   string
	dir    string
	cookie string
	env    []string
	port   int
	key    ssh.PublicKey

	sandbox *Sandbox
	server  *ssh.ServerConfig
	hold    *reservation
	fifo    *os.File // the stubs write requests to it
	cancel  context.CancelFunc
	done    chan struct{} // closed when run and its reader have ended

	mu     sync.Mutex
	boot   *boot        // the present one or, while the host is down, the last
	groups map[int]bool // process groups that began here and may have members
	// told holds the commands whose end is still to be told to their clients, by their process, which leads a
	// session and a group of its own. The channel closes when it has been told.
	told map[int]<-chan struct{}
}

// request is what a stub asks of its host.
type request struct {
	action  string // reboot, poweroff, halt or cancel
	delay   time.Duration
	bootID  string // of the boot that asked: one that comes late means nothing to the next
	session int    // that the stub ran in, 0 where it could not tell
}

func newHost(s *Sandbox, name, login string, client ssh.PublicKey) (_ *host, err error) {
	h := &host{
		name:    name,
		dir:     filepath.Join(s.dir, name),
		cookie:  s.token + "." + name,
		sandbox: s,
		groups:  map[int]bool{},
		told:    map[int]<-chan struct{}{},
		done:    make(chan struct{}),
	}
	home := filepath.Join(h.dir, "home")
	bin := filepath.Join(h.dir, "bin")
	for _, dir := range []string{home, bin} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if strings.ContainsAny(h.dir, ":") {
		return nil, fmt.Errorf("%s: a path with a colon cannot stand in PATH", h.dir)
	}
	h.env = []string{
		"PATH=" + bin + ":" + standardPath,
		"HOME=" + home,
		"USER=" + login,
		"LOGNAME=" + login,
		"SHELL=/bin/sh",
		"LANG=C.UTF-8",
		"STARLING_BOOT_ID_FILE=" + filepath.Join(h.dir, "boot_id"),
		cookieName + "=" + h.cookie,
	}
	_, signer, err := newKey()
	if err != nil {
		return nil, err
	}
	h.key = signer.PublicKey()
	h.server = serverConfig(signer, login, client)

	fifo := filepath.Join(h.dir, "power")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return nil, fmt.Errorf("mkfifo %s: %w", fifo, err)
	}
	if err := writeStubs(bin, fifo, filepath.Join(h.dir, "boot_id"), login); err != nil {
		return nil, err
	}
	if h.hold, err = reservePort(); err != nil {
		return nil, err
	}
	h.port = h.hold.port
	// Both ends in one: the stubs never wait for a reader, and the reader never sees an end of file.
	if h.fifo, err = os.OpenFile(fifo, os.O_RDWR, 0); err != nil {
		h.hold.release()
		return nil, err
	}
	if err := h.up(); err != nil {
		h.fifo.Close()
		h.hold.release()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go h.run(ctx)
	return h, nil
}

// run obeys the stubs until ctx ends. It takes the host down and brings it back; the last fall is wait's.
func (h *host) run(ctx context.Context) {
	defer close(h.done)
	requests := make(chan request)
	var reader sync.WaitGroup
	reader.Go(func() { h.read(ctx, requests) })
	defer reader.Wait()
	defer h.wakeReader()

	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var planned request
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-requests:
			if r.bootID != h.present().id {
				continue
			}
			if r.action == "cancel" {
				timer.Stop()
				continue
			}
			planned = r
			timer.Reset(r.delay)
		case <-timer.C:
			h.awaitLastWord(ctx, planned.session)
			if err := h.fall(ctx, planned.action); err != nil && ctx.Err() == nil {
				h.sandbox.logf("%s: %v", h.name, err)
			}
		}
	}
}

// wakeReader makes a reader that waits for a line see that its context has ended. Closing the FIFO would not do
// everywhere.
func (h *host) wakeReader() {
	h.fifo.SetWriteDeadline(time.Now().Add(time.Second)) // a full FIFO wakes the reader as well
	h.fifo.Write([]byte("\n"))
}

// awaitLastWord gives the command of a session the time to end and its client the time to read how, as a real machine
// mostly manages to. A command that goes on (`reboot; sleep 1000`) is waited for no longer than fallPatience.
func (h *host) awaitLastWord(ctx context.Context, session int) {
	h.mu.Lock()
	told := h.told[session] // nil when the command has ended, and for what has left its session
	h.mu.Unlock()
	if told != nil {
		select {
		case <-told:
		case <-time.After(fallPatience):
		case <-ctx.Done():
		}
	}
	select {
	case <-time.After(fallDelay):
	case <-ctx.Done():
	}
}

// read turns the lines of the FIFO, "action seconds boot-id session", into requests. Anything else is passed over.
func (h *host) read(ctx context.Context, requests chan<- request) {
	lines := bufio.NewReader(h.fifo)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) || ctx.Err() != nil {
			return
		}
		f := bytes.Fields(line)
		if len(f) != 4 {
			continue
		}
		seconds, err := strconv.Atoi(string(f[1]))
		session, err2 := strconv.Atoi(string(f[3]))
		if err != nil || err2 != nil || seconds < 0 {
			continue
		}
		r := request{
			action: string(f[0]), delay: time.Duration(seconds) * time.Second, bootID: string(f[2]), session: session,
		}
		switch r.action {
		case "reboot", "poweroff", "halt", "cancel":
		default:
			continue
		}
		select {
		case requests <- r:
		case <-ctx.Done():
			return
		}
	}
}

// fall takes the host down and, when action is reboot, brings it back after the downtime.
func (h *host) fall(ctx context.Context, action string) error {
	h.sandbox.logf("%s: going down: %s", h.name, action)
	old := h.present()
	old.cut()
	sel := selector{value: h.cookie, groups: h.liveGroups()}
	killCtx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := sel.kill(killCtx, termGrace); err != nil {
		return err
	}
	if err := old.wait(killCtx); err != nil {
		return err
	}
	if action != "reboot" {
		h.sandbox.logf("%s: down", h.name)
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(h.sandbox.downtime):
	}
	if err := h.up(); err != nil {
		return fmt.Errorf("does not come back: %w", err)
	}
	h.sandbox.logf("%s: back", h.name)
	return nil
}

// up begins a new boot: a new boot id first, then the port.
func (h *host) up() error {
	id := uuid.NewString()
	if err := replaceFile(filepath.Join(h.dir, "boot_id"), id+"\n"); err != nil {
		return err
	}
	listener, err := h.hold.listen()
	if err != nil {
		return err
	}
	b := newBoot(h, id, listener)
	h.mu.Lock()
	h.boot = b
	h.mu.Unlock()
	b.running.Go(b.accept)
	return nil
}

func (h *host) present() *boot {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boot
}

// stop ends the host's own goroutines and cuts it off: no process begins any more. Killing those that run is the
// caller's.
func (h *host) stop() {
	h.cancel()
	<-h.done
	h.present().cut()
}

// wait releases what the host holds once its processes have been killed.
func (h *host) wait(ctx context.Context) error {
	err := h.present().wait(ctx)
	h.fifo.Close()
	h.hold.release()
	return err
}

// began notes the process group of a new command, and the channel that closes when its end has been told.
func (h *host) began(group int, told <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.groups[group] = true
	h.told[group] = told
	h.sandbox.watchdog.note("+", group)
}

// ended forgets a command whose end has been told. Its number may belong to another command by now.
func (h *host) ended(group int, told <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[group] == told {
		delete(h.told, group)
	}
}

// liveGroups returns the groups that still have members. Those that have none are forgotten: their number may be
// given to a stranger.
func (h *host) liveGroups() map[int]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	live := map[int]bool{}
	for g := range h.groups {
		if syscall.Kill(-g, 0) == syscall.ESRCH {
			delete(h.groups, g)
			h.sandbox.watchdog.note("-", g)
			continue
		}
		live[g] = true
	}
	return live
}
