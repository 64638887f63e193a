package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
)

// longScript has three detached jobs, two attached commands and a reboot in the middle.
const longScript = `
jobs = [run("echo ran >>$HOME/job-%d; sleep 0.%d; echo out %d" % (n, n + 2, n), async=60, poll=0) for n in range(3)]
print(host().name, "started")
run("echo ran >>$HOME/safe", creates="safe")
print(host().name, "safe")
async_status(jobs[0], retries=100, delay=0.1)
print(host().name, jobs[0].cmd)
run("echo ran >>$HOME/plain")
for r in wait(jobs):
    print(host().name, r.stdout)
reboot(timeout=60)
print(host().name, "rebooted")
run("echo ran >>$HOME/after", async=60, poll=1)
print(host().name, "end")
`

// reboots has each server reboot whenever its shutdown was called.
func reboots(t *testing.T, servers []*sshdtest.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, s := range servers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if os.Remove(filepath.Join(s.Home, "rebooting")) == nil {
					select {
					case <-s.Reboot(200 * time.Millisecond):
					case <-ctx.Done():
					}
				}
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
}

// hosts starts servers that one ssh_config names, each with a shutdown of its own.
func hosts(t *testing.T, names ...string) (servers []*sshdtest.Server, config string) {
	stubs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(stubs, "shutdown"), []byte("#!/bin/sh\ntouch \"$HOME/rebooting\"\n"), 0o755))
	var text bytes.Buffer
	for _, name := range names {
		s := sshdtest.Start(t, sshdtest.Options{Name: name, SetEnv: map[string]string{"PATH": stubs + ":/usr/bin:/bin:/usr/sbin:/sbin"}})
		servers = append(servers, s)
		one, err := os.ReadFile(s.ConfigFile)
		require.NoError(t, err)
		text.Write(one)
	}
	config = filepath.Join(t.TempDir(), "ssh_config")
	require.NoError(t, os.WriteFile(config, text.Bytes(), 0o600))
	return servers, config
}

// program runs the real program.
type program struct {
	t       *testing.T
	path    string
	journal string
}

func newProgram(t *testing.T) *program {
	// This test binary is the program when it is called by its name (testscript.Main).
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "starling")
	require.NoError(t, os.Symlink(self, path))
	return &program{t: t, path: path, journal: filepath.Join(t.TempDir(), "journal.db")}
}

// run kills the program after limit; with a limit of zero it has to end by itself.
func (p *program) run(limit time.Duration, args ...string) (out, errs string, killed bool, code int) {
	cmd := exec.Command(p.path, args...)
	cmd.Env = append(os.Environ(), "STARLING_JOURNAL="+p.journal)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(p.t, cmd.Start())
	ends := limit == 0
	if ends {
		limit = 3 * time.Minute
	}
	timer := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(p.t, err)
	}
	code = cmd.ProcessState.ExitCode()
	require.False(p.t, ends && code < 0, "%q did not end:\n%s%s", args, &stdout, &stderr)
	return stdout.String(), stderr.String(), code < 0, code
}

func lines(t *testing.T, path string) int {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	return bytes.Count(text, []byte("\n"))
}

func linesOf(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if line != "" {
			out = append(out, line)
		}
	}
	sort.Strings(out)
	return out
}

func TestResumeAfterKills(t *testing.T) {
	instants := 3
	if os.Getenv("STARLING_SOAK") != "" {
		instants = 40
	}
	names := []string{"r1", "r2", "r3"}
	script := filepath.Join(t.TempDir(), "long.star")
	require.NoError(t, os.WriteFile(script, []byte(longScript), 0o600))
	servers, config := hosts(t, names...)
	reboots(t, servers)
	p := newProgram(t)
	began := time.Now()
	out, errs, _, code := p.run(0, "run", "-F", config, "--on", strings.Join(names, ","), script)
	require.Zero(t, code, errs)
	undisturbed, took := linesOf(out), time.Since(began)
	for n := range instants {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			for _, s := range servers {
				require.NoError(t, os.RemoveAll(s.Home))
				require.NoError(t, os.Mkdir(s.Home, 0o755))
			}
			p := newProgram(t)
			said, unknown := p.untilItEnds(t, took, "run", "-F", config, "--on", strings.Join(names, ","), script)
			for _, s := range servers {
				for _, file := range []string{"job-0", "job-1", "job-2", "safe", "after"} {
					require.Equal(t, 1, lines(t, filepath.Join(s.Home, file)), "%s on %s", file, s.Name)
				}
				plain := lines(t, filepath.Join(s.Home, "plain"))
				require.True(t, plain == 1 || plain == 2 && unknown[s.Name], "plain on %s ran %d times", s.Name, plain)
			}
			// What was printed at the instant of a kill may be printed once more, and nothing is left out.
			require.Equal(t, undisturbed, linesOf(strings.Join(compact(linesOf(said)), "\n")))
		})
	}
}

// untilItEnds kills the program at a random instant and resumes its run, killed again or not, until it has ended. It
// returns all that was printed, and on which hosts an attached command was reported as unknown and run again.
func (p *program) untilItEnds(t *testing.T, took time.Duration, args ...string) (said string, unknown map[string]bool) {
	unknown = map[string]bool{}
	for try := range 30 {
		limit := 300*time.Millisecond + time.Duration(rand.Int64N(int64(took)))
		if try > 2 {
			limit = 0
		}
		out, errs, killed, code := p.run(limit, args...)
		said += out
		if !killed && (code == exitOK || strings.Contains(errs, "came to its end, with exit code 0")) {
			return said, unknown // the last kill may have come when all was done and written down
		}
		list, _, _, _ := p.run(0, "runs")
		if strings.Count(list, "\n") < 2 {
			continue // it was killed before it had begun
		}
		args = []string{"resume", strings.Fields(strings.Split(list, "\n")[1])[0]}
		if !killed {
			require.Contains(t, errs, "not known", "it ended by itself with code %d", code)
			for _, line := range strings.Split(errs, "\n") {
				if name, rest, ok := strings.Cut(line, ":"); ok && strings.Contains(rest, "not known") {
					unknown[name] = true
				}
			}
			args = append(args, "--rerun-unknown")
		}
	}
	t.Fatal("the run never ended")
	return "", nil
}

// compact leaves one of each line.
func compact(sorted []string) []string {
	var out []string
	for i, line := range sorted {
		if i == 0 || line != sorted[i-1] {
			out = append(out, line)
		}
	}
	return out
}

func TestResumeRefusesWhatHasChanged(t *testing.T) {
	servers, config := hosts(t, "web1")
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("lib.star", "def wait_for_ever():\n    run('touch begun; sleep 60', async=90, poll=1)\n")
	write("main.star", "load('lib.star', 'wait_for_ever')\nprint(var('release'))\nwait_for_ever()\n")
	writeHosts := func() { write("inventory.ini", "web1\n") }
	writeHosts()
	p := newProgram(t)
	main := filepath.Join(dir, "main.star")
	done := make(chan struct{})
	cmd := exec.Command(p.path, "run", "-F", config, "--on", "web1", "--var", "release=7", main)
	cmd.Env, cmd.Dir = append(os.Environ(), "STARLING_JOURNAL="+p.journal), dir
	require.NoError(t, cmd.Start())
	go func() { cmd.Wait(); close(done) }()
	require.Eventually(t, func() bool {
		return lines(t, filepath.Join(servers[0].Home, "begun")) == 0 && exists(filepath.Join(servers[0].Home, "begun"))
	}, patience, 20*time.Millisecond)
	list, _, _, _ := p.run(0, "runs")
	run := strings.Fields(strings.Split(list, "\n")[1])[0]
	_, errs, _, code := p.run(0, "resume", run)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, fmt.Sprintf("process %d", cmd.Process.Pid), "a run that is under way is not taken over")
	require.NoError(t, cmd.Process.Kill())
	<-done

	for name, change := range map[string]struct {
		do   func()
		undo func()
		args []string
		want string
	}{
		"script": {func() { write("main.star", "print(1)\n") }, func() {
			write("main.star", "load('lib.star', 'wait_for_ever')\nprint(var('release'))\nwait_for_ever()\n")
		}, nil, "main.star has changed"},
		"module": {func() { write("lib.star", "def wait_for_ever(): pass\n") }, func() {
			write("lib.star", "def wait_for_ever():\n    run('touch begun; sleep 60', async=90, poll=1)\n")
		}, nil, "lib.star has changed"},
		"variable":          {func() {}, func() {}, []string{"--var", "release=8"}, `variable release was "7"`},
		"a host more":       {func() { write("inventory.ini", "web1\nweb2\n") }, writeHosts, nil, "host web2 was added to the inventory"},
		"a host less":       {func() { write("inventory.ini", "other\n") }, writeHosts, nil, "host web1 is gone from the inventory"},
		"a host's variable": {func() { write("inventory.ini", "web1 a=2\n") }, writeHosts, nil, "host web1 has changed in the inventory"},
		"the groups":        {func() { write("inventory.ini", "web1\n[empty]\n[more:children]\nempty\n") }, writeHosts, nil, "the groups of the inventory"},
	} {
		t.Run(name, func(t *testing.T) {
			change.do()
			defer change.undo()
			_, errs, _, code := p.run(0, append([]string{"resume", run}, change.args...)...)
			require.Equal(t, exitUsage, code)
			require.Contains(t, errs, change.want)
		})
	}
	_, errs, _, code = p.run(0, "resume", "r-no-such-run")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "starling runs")
	out, errs, _, code := p.run(0, "jobs", "cancel", strings.Fields(func() string { l, _, _, _ := p.run(0, "jobs"); return strings.Split(l, "\n")[1] }())[0])
	require.Zero(t, code, out+errs)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
