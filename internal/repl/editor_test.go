package repl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/term"
)

// The editor reads the program's own standard input, so the tests run the test binary again, on a terminal of its own
// or on a pipe. As such a child it prints, for each line, <line> in Go's quotes, and what ReadLine said of it.
func TestMain(m *testing.M) {
	if os.Getenv("REPL_TEST_CHILD") != "" {
		os.Exit(runChild(os.Getenv("REPL_TEST_HISTORY")))
	}
	goleak.VerifyTestMain(m)
}

func runChild(history string) int {
	before, _ := term.GetState(0)
	names := []string{"run", "runs", "reboot", "host.name", "ünder"}
	e, err := New(Config{History: history, Complete: func(line string, pos int) []string {
		word, found := line[wordStart(line[:pos]):pos], []string(nil)
		for _, n := range names {
			if strings.HasPrefix(n, word) {
				found = append(found, n)
			}
		}
		return found
	}})
	if err != nil {
		fmt.Println("history:", err)
	}
	for {
		line, err := e.ReadLine(">>> ")
		fmt.Printf("<%q %v>\n", line, err)
		if err != nil && !errors.Is(err, ErrInterrupt) {
			break
		}
	}
	if err := e.Close(); err != nil {
		fmt.Println("close:", err)
	}
	if after, err := term.GetState(0); err == nil {
		fmt.Printf("<as it was: %v>\n", reflect.DeepEqual(before, after))
	}
	return 0
}

func child(t *testing.T, history string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// The race detector sleeps for a second at the end of each program unless told otherwise.
	cmd.Env = append(os.Environ(), "REPL_TEST_CHILD=1", "REPL_TEST_HISTORY="+history, "TERM=xterm",
		"GORACE=atexit_sleep_ms=0")
	return cmd
}

// screen is a child on a terminal, and all that it has shown.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	text bytes.Buffer
	seen int // up to here expect has looked
	done chan struct{}
}

func onTerminal(t *testing.T, history string) *screen {
	t.Helper()
	cmd := child(t, history)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(t, err)
	s := &screen{t: t, cmd: cmd, tty: tty, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil { // EIO when the child has gone
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-s.done
	})
	s.expect(">>> ")
	return s
}

// expect waits until text is shown after what was expected before.
func (s *screen) expect(text string) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.mu.Lock()
		all := s.text.String()
		s.mu.Unlock()
		if i := strings.Index(all[s.seen:], text); i >= 0 {
			s.seen += i + len(text)
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not shown: %q\nbut: %q", text, all[s.seen:])
		}
		time.Sleep(time.Millisecond)
	}
}

// enter types keys and expects line to come of it, and the next prompt.
func (s *screen) enter(keys, line string) {
	s.t.Helper()
	_, err := s.tty.WriteString(keys)
	require.NoError(s.t, err)
	s.expect(fmt.Sprintf("<%q <nil>>", line))
	s.expect(">>> ")
}

// end types Ctrl-D and waits for the end of the child, which must leave the terminal as it was.
func (s *screen) end() {
	s.t.Helper()
	_, err := s.tty.WriteString("\x04")
	require.NoError(s.t, err)
	s.expect(`<"" EOF>`)
	s.expect("<as it was: true>")
	<-s.done
	require.NoError(s.t, s.cmd.Wait())
}

func TestEditing(t *testing.T) {
	s := onTerminal(t, "")
	for _, row := range []struct{ name, keys, line string }{
		{"plain", "x = 1\r", "x = 1"},
		{"empty", "\r", ""},
		{"backspace", "abd\x7fc\r", "abc"},
		{"to the start and the end", "bc\x01a\x05d\r", "abcd"},
		{"arrows", "ac\x1b[Db\r", "abc"},
		{"no ASCII", "grüße 世\x7f界\r", "grüße 界"},
		{"Ctrl-D in a line deletes", "abc\x01\x04\r", "bc"},
		{"wider than the screen", strings.Repeat("0123456789", 12) + "\r", strings.Repeat("0123456789", 12)},
		{"up", "\x1b[A\x1b[A\r", "bc"},
	} {
		t.Run(row.name, func(t *testing.T) { s.enter(row.keys, row.line) })
	}
	s.end()
}

func TestInterruptAndEnd(t *testing.T) {
	s := onTerminal(t, "")
	_, err := s.tty.WriteString("half a line")
	require.NoError(t, err)
	s.expect("line") // shown by the editor, which has taken Ctrl-C over by now
	_, err = s.tty.WriteString("\x03")
	require.NoError(t, err)
	s.expect(`<"" interrupted>`)
	s.expect(">>> ")
	s.enter("next\r", "next")
	s.end()
}

func TestCompletion(t *testing.T) {
	s := onTerminal(t, "")
	for _, row := range []struct{ name, keys, line string }{
		{"the only one", "reb\t\r", "reboot"},
		{"in the middle", "x = reb()\x1b[D\x1b[D\t\r", "x = reboot()"},
		{"with a dot", "print(ho\t)\r", "print(host.name)"},
		{"after no ASCII", "ü = ün\t\r", "ü = ünder"},
		{"as far as they agree", "ru\t\r", "run"},
		{"none", "zz\t\r", "zz"},
		{"an indent", "\tx\r", "    x"},
		{"two indents, as pasted", "\t\tx\r", "        x"},
	} {
		t.Run(row.name, func(t *testing.T) { s.enter(row.keys, row.line) })
	}
	_, err := s.tty.WriteString("r\t\t")
	require.NoError(t, err)
	s.expect("runs")
	s.expect("reboot")
	s.enter("\x15done\r", "done")
	s.end()
}

func TestLinesPastedAtOnce(t *testing.T) {
	s := onTerminal(t, "")
	_, err := s.tty.WriteString("def f():\r\treturn 1\r\rf()\r")
	require.NoError(t, err)
	for _, line := range []string{"def f():", "    return 1", "", "f()"} {
		s.expect(fmt.Sprintf("<%q <nil>>", line))
	}
	s.expect(">>> ")
	s.end()
}

func TestHistoryOutlivesTheEditor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history")
	s := onTerminal(t, path)
	for _, line := range []string{"one", "two", "two", "", "   ", "one", "  three"} {
		s.enter(line+"\r", line)
	}
	s.end()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\none\n  three\n", string(text))
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode())
	}

	s = onTerminal(t, path)
	s.enter("\x1b[A\x1b[A\x1b[A\r", "two") // three, one, two: "one" is there once
	s.enter("\x12on\r", "one")             // Ctrl-R
	s.end()
}

func TestHistoryIsCapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range 2*most + 1 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	text.WriteString("bad \xff\nline 2000\n")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
	h, err := openHistory(path)
	require.NoError(t, err)
	require.Equal(t, most, len(h.lines))
	require.Equal(t, []string{"bad \uFFFD", "line 2000"}, h.lines[most-2:])
	require.True(t, h.add("new"))
	require.False(t, h.add("new"))
	require.NoError(t, h.failed)
	require.Equal(t, most, len(h.lines))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	again, err := openHistory(path)
	require.NoError(t, err)
	require.Equal(t, h.lines, again.lines)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestAHistoryThatCannotBeKeptStopsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file", "history")
	require.NoError(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
	h, err := openHistory(path)
	require.Error(t, err)
	require.True(t, h.add("one"))
	require.NoError(t, h.failed)

	gone := filepath.Join(t.TempDir(), "sub", "history")
	h, err = openHistory(gone)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Dir(gone)))
	require.True(t, h.add("one"))
	require.True(t, h.add("two"))
	require.ErrorIs(t, h.failed, os.ErrNotExist)
	require.Equal(t, []string{"one", "two"}, h.lines)
}

func TestLinesFromAPipe(t *testing.T) {
	for name, row := range map[string]struct {
		input string
		lines []string
	}{
		"lines":             {"a\nb\n", []string{"a", "b"}},
		"no end at the end": {"a\nb", []string{"a", "b"}},
		"of Windows":        {"a\r\n\r\nb\r\n", []string{"a", "", "b"}},
		"tabs stay":         {"\tx\ty\n", []string{"\tx\ty"}},
		"long":              {strings.Repeat("x", 300_000) + "\n", []string{strings.Repeat("x", 300_000)}},
		"nothing":           {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			history := filepath.Join(t.TempDir(), "history")
			cmd := child(t, history)
			cmd.Stdin = strings.NewReader(row.input)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err)
			var want strings.Builder
			for _, line := range row.lines {
				fmt.Fprintf(&want, "<%q <nil>>\n", line)
			}
			fmt.Fprintf(&want, "<%q %v>\n", "", io.EOF)
			require.True(t, want.String() == string(out), "%.300q", out)
			require.NoFileExists(t, history)
		})
	}
}
