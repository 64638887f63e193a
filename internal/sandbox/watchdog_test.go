package sandbox

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// program runs a sandbox of two hosts in a process of its own, which is killed when the test ends if it was not
// before, and returns the path of the ssh_config.
func program(t *testing.T, dir string) (*os.Process, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+dir)
	_, err := cmd.StdinPipe() // it runs until it is killed or this ends
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		eventually(t, func() bool { return !watchdogRuns(t, dir) })
	})
	config, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return cmd.Process, strings.TrimSpace(config)
}

// A program that is killed has no say any more: the watchdog must do it all.
func TestKilledProgramLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	program, config := program(t, dir)

	var pids []int
	for _, host := range []string{"sandbox1", "sandbox2"} {
		out, err := openssh(t, config, host, `
			setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!
			trap '' TERM HUP; env -i sleep 1000 </dev/null >/dev/null 2>&1 & echo $!`).Output()
		require.NoError(t, err)
		for _, f := range strings.Fields(string(out)) {
			pid, err := strconv.Atoi(f)
			require.NoError(t, err)
			require.True(t, alive(pid))
			pids = append(pids, pid)
		}
	}
	require.Len(t, pids, 4)

	require.NoError(t, program.Kill())
	for _, pid := range pids {
		eventually(t, func() bool { return !alive(pid) })
	}
	eventually(t, func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	})
	eventually(t, func() bool { return !watchdogRuns(t, dir) })
}

func watchdogRuns(t *testing.T, dir string) bool {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if strings.Contains(string(text), "starling-sandbox-watchdog\x00"+dir) {
			return true
		}
	}
	return false
}

func TestCloseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(t.Context(), 2, Options{Dir: dir})
	require.NoError(t, err)
	require.True(t, watchdogRuns(t, dir))
	pids := spawn(t, dial(t, s, 0))
	client := dial(t, s, 1)
	session, err := client.NewSession()
	require.NoError(t, err)
	require.NoError(t, session.Start("sleep 1000"))

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	require.Error(t, session.Wait())
	requireDead(t, pids)
	require.False(t, watchdogRuns(t, dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Close may come while a host is going down or is away.
func TestCloseDuringReboot(t *testing.T) {
	log := &journal{}
	s := start(t, 1, Options{Log: log})
	output(t, dial(t, s, 0), `setsid sh -c 'trap "" TERM; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 & reboot`)
	log.await(t, "sandbox1: going down: reboot")
	require.NoError(t, s.Close())
}

// A stranger whose environment only looks like ours is not ours.
func TestCookieIsMatchedWhole(t *testing.T) {
	s := selector{value: "abc.sandbox1"}
	require.True(t, s.carries([]byte("A=1\x00STARLING_SANDBOX=abc.sandbox1\x00B=2")))
	require.False(t, s.carries([]byte("STARLING_SANDBOX=abc.sandbox11")))
	require.False(t, s.carries([]byte("X=STARLING_SANDBOX=abc.sandbox1")))
	require.False(t, selector{}.carries([]byte("STARLING_SANDBOX=abc.sandbox1")))
	require.True(t, selector{prefix: "abc."}.carries([]byte("STARLING_SANDBOX=abc.sandbox11")))
}
