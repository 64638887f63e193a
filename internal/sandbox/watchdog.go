package sandbox

import (
	_ "embed"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

//go:embed watchdog.sh
var watchdogScript string

// watchdog is a shell that outlives this program when it is killed, and cleans up then.
type watchdog struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	pipe io.WriteCloser
}

// startWatchdog has dir removed, and the processes whose cookie begins with token killed, when this program ends
// without having called dismiss.
func startWatchdog(dir, token string) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "starling-sandbox-watchdog", dir, cookieName+"="+token+".")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + standardPath}
	// In a session of its own it does not hear the terminal's Ctrl-C and hang-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: pipe}, nil
}

// note tells of a process group that began ("+") or ended ("-"). A watchdog that somebody has killed hears nothing,
// and the hosts do without it.
func (w *watchdog) note(verb string, group int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.pipe, "%s %d\n", verb, group)
}

// dismiss ends the watchdog: everything has been cleaned up.
func (w *watchdog) dismiss() error {
	w.mu.Lock()
	fmt.Fprintln(w.pipe, "bye")
	w.pipe.Close()
	w.mu.Unlock()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	return nil
}
