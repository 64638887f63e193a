package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
)

// A run is under way as long as its program is, whatever the run was made from; once that has died, what was made from
// a script file can be gone on with.
func TestRunsSayHowTheyStand(t *testing.T) {
	server := sshdtest.Start(t, sshdtest.Options{})
	dir := t.TempDir()
	const command = "touch begun; sleep 60"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s.star"), []byte("run('"+command+"')\n"), 0o600))
	for name, row := range map[string]struct {
		args []string
		died string
	}{
		"a script":  {[]string{"run", "-F", server.ConfigFile, "--on", "web1", "s.star"}, "  its program died \\(can be resumed\\)  s.star\n"},
		"a command": {[]string{"exec", "-F", server.ConfigFile, "web1", "--", command}, "  its program died  exec .* -- touch begun; sleep 60\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p, begun := newProgram(t), filepath.Join(server.Home, "begun")
			kill := p.begin(dir, row.args...)
			waitUntil(t, "it has begun", func() bool { return exists(begun) })
			require.NoError(t, os.Remove(begun))
			list, _, _, _ := p.run(0, "runs")
			require.Regexp(t, `  runs \(process \d+\)  `, list)
			kill()
			list, _, _, _ = p.run(0, "runs")
			require.Regexp(t, row.died, list)
			_, errs, _, code := p.run(0, "resume", p.lastRun())
			require.NotZero(t, code)
			if name == "a script" {
				require.Contains(t, errs, "not known")
				list, _, _, _ = p.run(0, "runs")
				require.Contains(t, list, "  failed: what came of a command is not known (can be resumed)  s.star\n")
			} else {
				require.Contains(t, errs, "was not made from a script file, and can't be resumed")
			}
		})
	}
}
