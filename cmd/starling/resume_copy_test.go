package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
)

// holdStub is a command of a host's that stops, once, where a test wants it: it does before, says that it is held, and
// goes on when nothing is held any more.
const holdStub = `#!/bin/sh
if /bin/mv "$HOME/.hold" "$HOME/.held" 2>/dev/null; then
	%s
	echo >>"$HOME/.held"
	while [ -e "$HOME/.held" ]; do sleep 0.02; done
	%s
fi
exec /bin/%s "$@"
`

// holdingHost is a host whose commands can be held.
func holdingHost(t *testing.T) (*sshdtest.Server, string) {
	stubs := t.TempDir()
	return sshdtest.Start(t, sshdtest.Options{SetEnv: map[string]string{"PATH": stubs + ":/usr/bin:/bin:/usr/sbin:/sbin"}}), stubs
}

// begin starts the program; kill ends it, at an instant the caller chooses, and waits for that.
func (p *program) begin(dir string, args ...string) (kill func() string) {
	cmd := exec.Command(p.path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "STARLING_JOURNAL="+p.journal)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(p.t, cmd.Start())
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	kill = func() string {
		cmd.Process.Kill()
		<-done
		return said.String()
	}
	p.t.Cleanup(func() { kill() })
	return kill
}

// lastRun is the id of the newest run.
func (p *program) lastRun() string {
	list, _, _, _ := p.run(0, "runs")
	rows := strings.Split(list, "\n")
	require.Greater(p.t, len(rows), 2, list)
	return strings.Fields(rows[1])[0]
}

// beside are the names of what copies left half done in a folder.
func beside(t *testing.T, dir string) []string {
	left, err := filepath.Glob(filepath.Join(dir, "*.starling.*"))
	require.NoError(t, err)
	return left
}

// A program is killed in the midst of a copy. The file on the host is the old or the new one, what was written beside
// it goes, and the resumed run completes the copy and says that it changed the file.
func TestResumeInACopy(t *testing.T) {
	before := []byte("the old one\n")
	after := bytes.Repeat([]byte("the new one\n"), 700_000) // more than a connection holds while nobody reads
	for _, row := range []struct {
		name         string
		stub         string // which command is held
		first, later string // what it does before and after
		target       []byte // what the file is when the host has noticed
		hostDies     bool
	}{
		{"while the bytes arrive", "cat", "dd bs=1 count=5000 2>/dev/null", "", before, false},
		{"once all have arrived", "chmod", "", "", after, false},
		{"once the file is in place", "mv", `/bin/mv "$@"`, "exit 0", after, false},
		{"while the bytes arrive, and the host dies too", "cat", "dd bs=1 count=5000 2>/dev/null", "", before, true},
		{"once all have arrived, and the host dies too", "chmod", "", "", before, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			server, stubs := holdingHost(t)
			home, dir := server.Home, t.TempDir()
			held, target := filepath.Join(home, ".held"), filepath.Join(home, "conf")
			require.NoError(t, os.WriteFile(filepath.Join(stubs, row.stub), fmt.Appendf(nil, holdStub, row.first, row.later, row.stub), 0o755))
			require.NoError(t, os.WriteFile(target, before, 0o640))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), after, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "s.star"), []byte(`run("touch .hold; echo >>ran")
r = copy("new", "conf", backup=True)
print(r.changed, r.msg)
print(copy("new", "conf").changed)
`), 0o600))
			p := newProgram(t)
			kill := p.begin(dir, "run", "-F", server.ConfigFile, "--on", "web1", "s.star")
			waitUntil(t, "the copy is held", func() bool { return lines(t, held) == 1 })
			require.Empty(t, kill())
			if row.hostDies {
				<-server.Reboot(0)
				require.Len(t, beside(t, home), 1, "there is nothing that could be left")
			} else {
				require.NoError(t, os.Remove(held))
				waitUntil(t, "the host has noticed", func() bool { return len(server.Processes()) == 0 })
				require.Empty(t, beside(t, home))
			}
			got, err := os.ReadFile(target)
			require.NoError(t, err)
			require.True(t, bytes.Equal(row.target, got), "it is %d bytes", len(got))

			out, errs, _, code := p.run(0, "resume", p.lastRun())
			require.Zero(t, code, errs)
			require.Regexp(t, `^True .*kept the old one as conf\.bak-\S+\nFalse\n$`, out)
			got, err = os.ReadFile(target)
			require.NoError(t, err)
			require.True(t, bytes.Equal(after, got), "it is %d bytes", len(got))
			require.Empty(t, beside(t, home))
			require.Equal(t, 1, lines(t, filepath.Join(home, "ran")))
			_, kept, found := strings.Cut(strings.Fields(out)[len(strings.Fields(out))-2], "conf.bak-")
			require.True(t, found, out)
			got, err = os.ReadFile(target + ".bak-" + kept)
			require.NoError(t, err)
			require.Equal(t, before, got)
		})
	}
}

// A host that has not noticed that the program is dead can't put the bytes of that program in place once the run was
// gone on with.
func TestResumeInACopyThatSleeps(t *testing.T) {
	server, stubs := holdingHost(t)
	home, dir := server.Home, t.TempDir()
	held, target := filepath.Join(home, ".held"), filepath.Join(home, "conf")
	require.NoError(t, os.WriteFile(filepath.Join(stubs, "mv"), fmt.Appendf(nil, holdStub, "", "", "mv"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s.star"), []byte(`run("touch .hold")
copy(content="first\n", dest="conf")
run("echo second >>conf")
`), 0o600))
	p := newProgram(t)
	kill := p.begin(dir, "run", "-F", server.ConfigFile, "--on", "web1", "s.star")
	waitUntil(t, "the copy is held", func() bool { return lines(t, held) == 1 })
	kill()
	require.Len(t, beside(t, home), 1)
	_, errs, _, code := p.run(0, "resume", p.lastRun())
	require.Zero(t, code, errs)
	require.NoError(t, os.Remove(held))
	waitUntil(t, "the first copy has ended", func() bool { return len(server.Processes()) == 0 })
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "first\nsecond\n", string(got))
	require.Empty(t, beside(t, home))
}

// What a run has read to copy it is part of what it saw: another content of the file is refused, like another script.
func TestResumeRefusesAChangedSource(t *testing.T) {
	for _, row := range []struct{ name, script string }{
		{"the copy has ended", "copy('conf.txt', 'conf')\nrun('[ -e ran ] || { touch ran .hold; mv nothing; }', creates='never')\n"},
		{"the copy was under way", "run('touch .hold')\ncopy('conf.txt', 'conf')\n"},
		{"the copy is of a dry run", "copy('conf.txt', 'conf')\nrun('[ -e ran ] || { touch ran .hold; mv nothing; }', creates='never', check_mode=False)\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			server, stubs := holdingHost(t)
			home, dir := server.Home, t.TempDir()
			src, held := filepath.Join(dir, "conf.txt"), filepath.Join(home, ".held")
			require.NoError(t, os.WriteFile(filepath.Join(stubs, "mv"), fmt.Appendf(nil, holdStub, "", "exit 0", "mv"), 0o755))
			require.NoError(t, os.WriteFile(src, []byte("a\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "s.star"), []byte(row.script+"print('end')\n"), 0o600))
			p := newProgram(t)
			args := []string{"run", "-F", server.ConfigFile, "--on", "web1", "s.star"}
			if strings.Contains(row.name, "dry") {
				args = append(args, "--check")
			}
			kill := p.begin(dir, args...)
			waitUntil(t, "the run is held", func() bool { return lines(t, held) == 1 })
			kill()
			run := p.lastRun()
			for _, change := range []struct {
				name string
				do   func() error
				want string
			}{
				{"edited", func() error { return os.WriteFile(src, []byte("b\n"), 0o600) }, src + " has changed"},
				{"removed", func() error { return os.Remove(src) }, src + " can't be read"},
			} {
				require.NoError(t, change.do())
				_, errs, _, code := p.run(0, "resume", run)
				require.Equal(t, exitUsage, code, "%s: %s", change.name, errs)
				require.Contains(t, errs, change.want)
			}
			require.NoError(t, os.WriteFile(src, []byte("a\n"), 0o600))
			require.NoError(t, os.Remove(held))
			out, errs, _, code := p.run(0, "resume", run)
			require.Zero(t, code, errs)
			require.Equal(t, "end\n", out)
		})
	}
}

// waitUntil waits for something that is to happen soon.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, patience, 20*time.Millisecond, what)
}
