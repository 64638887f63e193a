package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// A terminal gets colours, unless NO_COLOR or TERM=dumb says that it should not.
func TestColours(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.star"), []byte("run(\"exit 1\")\n"), 0o600))
	for setting, coloured := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		t.Run(setting, func(t *testing.T) {
			cmd := newPerson(t, "").command(dir, "run", "--sandbox", "1", "bad.star")
			cmd.Env = append(cmd.Env, setting)
			_, shown, ended := onTerminal(t, cmd)
			select {
			case <-ended:
			case <-time.After(patience):
				require.FailNow(t, "it does not end", "%s", shown.string())
			}
			require.Contains(t, shown.string(), "1 host: 1 ")
			require.Equal(t, coloured, colour.MatchString(shown.string()), "%q", shown.string())
		})
	}
}

var colour = regexp.MustCompile(`\x1b\[3[0-9]m`)

// A live area is only where nobody else writes: not above a pipe, whose reader may be tee on the same terminal.
func TestLiveAreaAndPipes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "slow.star"), []byte("run(\"sleep 1\", name=\"slow\")\nprint(\"hello\")\n"), 0o600))
	read, pipe, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer pipe.Close()
	file, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	defer file.Close()
	for _, tt := range []struct {
		name string
		out  *os.File
		live bool
	}{{"the terminal", nil, true}, {"a file", file, true}, {"a pipe", pipe, false}} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := newPerson(t, "").command(dir, "run", "--sandbox", "1", "slow.star")
			if tt.out != nil {
				cmd.Stdout = tt.out
			}
			_, shown, ended := onTerminal(t, cmd)
			select {
			case <-ended:
			case <-time.After(patience):
				require.FailNow(t, "it does not end", "%s", shown.string())
			}
			require.Contains(t, shown.string(), "1 host: 1 ")
			require.Equal(t, tt.live, strings.Contains(shown.string(), "sandbox1  slow"), "%q", shown.string())
		})
	}
}

// What can't be written is no success: a disk that is full is told, and the exit code is not 0.
func TestFullOutput(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "print.star"), []byte("print(\"hello\")\n"), 0o600))
	for _, args := range [][]string{{"version"}, {"doc", "run"}, {"run", "print.star"}, {"run", "--json", "print.star"}, {"runs"}, {"exec", "--sandbox", "1", "all", "--", "echo hello"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			p := newPerson(t, "")
			cmd := p.command(dir, args...)
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			require.NoError(t, err)
			defer full.Close()
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &said
			require.Equal(t, 1, p.code(cmd.Run()), said.String())
			require.Equal(t, 1, strings.Count(said.String(), "starling: error: write /dev/stdout: no space left on device\n"), "%s", said.String())
		})
	}
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
