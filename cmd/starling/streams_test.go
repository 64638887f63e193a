package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
