package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// screen is what a terminal was sent.
type screen struct {
	t    *testing.T
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) string() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the text stands on the screen behind the mark, and returns a mark behind it.
func (s *screen) await(mark int, text string) int {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if at := strings.Index(s.string()[mark:], text); at >= 0 {
			return mark + at + len(text)
		}
	}
	require.FailNow(s.t, "never said "+text, "%s", s.string())
	return 0
}

// onTerminal starts a program on a terminal of its own, which goes with the test.
func onTerminal(t *testing.T, cmd *exec.Cmd) (terminal *os.File, shown *screen, ended <-chan error) {
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	require.NoError(t, err)
	shown = &screen{t: t}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			shown.Write(buffer[:n])
			if err != nil { // EIO, once the program has gone
				return
			}
		}
	}()
	exit := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		<-read
		exit <- err
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		terminal.Close()
	})
	return terminal, shown, exit
}

// On a terminal Ctrl-C ends the call under way and not the session; Ctrl-D ends that.
func TestREPLOnATerminal(t *testing.T) {
	fleet := newFleet(t)
	cmd := newPerson(t, fleet.config).command(t.TempDir(), "repl", "--on", "web1")
	terminal, shown, ended := onTerminal(t, cmd)
	keys := func(text string) {
		_, err := terminal.WriteString(text)
		require.NoError(t, err)
	}

	mark := shown.await(0, ">>> ")
	keys("run(\"echo up >repl-begun; sleep 1000\")\r")
	begun := filepath.Join(fleet.server.Home, "repl-begun")
	require.Eventually(t, func() bool {
		info, err := os.Stat(begun)
		return err == nil && info.Size() > 0
	}, patience, 10*time.Millisecond, "the call never began")
	keys("\x03")
	mark = shown.await(mark, "interrupted")
	mark = shown.await(mark, ">>> ")
	keys("6 * 7\r")
	mark = shown.await(mark, "42\r\n")
	mark = shown.await(mark, ">>> ")
	// At the prompt it ends the line that was begun.
	keys("not this")
	mark = shown.await(mark, "not this")
	keys("\x03")
	mark = shown.await(mark, ">>> ")
	keys("host().name\r")
	mark = shown.await(mark, `"web1"`)
	shown.await(mark, ">>> ")
	keys("\x04")
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		require.FailNow(t, "Ctrl-D did not end it", "%s", shown.string())
	}
}
