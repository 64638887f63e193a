package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/interp"
)

// A terminal is told some of many errors in full, of different places first, and the recap stands below them.
func TestErrorsOnATerminal(t *testing.T) {
	dir := t.TempDir()
	source := "if host().name == \"sandbox9\":\n    run(\"exit 9\")\nrun(\"exit 1\")\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.star"), []byte(source), 0o600))
	for _, tt := range []struct {
		args       []string
		tracebacks int
		rest       string
	}{
		{nil, mostExplained, "… and 4 hosts more, each with a line above; -v shows all in full"},
		{[]string{"-v"}, 9, ""},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			cmd := newPerson(t, "").command(dir, append([]string{"run", "--sandbox", "9", "bad.star"}, tt.args...)...)
			_, shown, ended := onTerminal(t, cmd)
			select {
			case <-ended:
			case <-time.After(patience):
				require.FailNow(t, "it does not end", "%s", shown.string())
			}
			text := shown.string()
			require.Equal(t, tt.tracebacks, strings.Count(text, "Traceback"), "%s", text)
			require.Contains(t, text, "bad.star:2:8: run: sandbox9:", "another place comes before another host")
			require.Contains(t, text, tt.rest)
			require.Regexp(t, regexp.MustCompile(`(?s)Traceback.*9 hosts: 9 .*failed.*the first of these was sandbox\d, after`), text)
		})
	}
}

func TestChoose(t *testing.T) {
	failed := interp.Outcome{Host: "web2", Err: errors.New("no")}
	stopped := interp.Outcome{Host: "web3", Err: &interp.InterruptedError{Err: errors.New("stopped")}}
	chosen, rest := choose([]interp.Outcome{{Host: "web1"}, failed, stopped}, 5)
	require.Equal(t, []interp.Outcome{failed}, chosen)
	require.Zero(t, rest)
	chosen, rest = choose([]interp.Outcome{stopped}, 5)
	require.Len(t, chosen, 1, "alone it says where it was")
	require.Zero(t, rest)
}
