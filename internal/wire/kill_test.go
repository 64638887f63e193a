package wire

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stubborn is a tree that ignores TERM and gets out of session, group and
// parentage in every way but losing the cookie.
const stubborn = `trap '' TERM
echo before
(exec sleep 301) &
setsid sh -c 'trap "" TERM; sleep 302 & wait' &
(setsid sh -c '(sleep 303) & exit 0' &)
(setsid env -i PATH="$PATH" sleep 304 &)
(setsid sleep 307 >/dev/null 2>&1 &)
echo up
sleep 305
sleep 306
`

// onHosts runs a test under every shell, each with a host and a channel of its own.
func onHosts(t *testing.T, f func(t *testing.T, h *host, c *channel)) {
	for _, s := range hostShells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, shell(t, s.program, s.pkg))
			f(t, h, h.open())
		})
	}
}

// until looks until the job is as wanted.
func (c *channel) until(base, id string, what string, ok func(State, Facts) bool) Facts {
	c.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		got := c.look(Look{Jobs: []LookJob{{Base: base, ID: id, Out: Window{Max: all}, Err: Window{Max: all}}}})
		st, detail := got.Jobs[0].Derive(got.Identity)
		if ok(st, got.Jobs[0]) {
			return got.Jobs[0]
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("not %s: %s (%s) %+v", what, st, detail, got.Jobs[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// printed is that the command has printed text. The leader must be there, too:
// it is read before the output, and its number 0 would mean this test itself.
func printed(text string) func(State, Facts) bool {
	return func(_ State, f Facts) bool { return f.LeaderPid > 1 && strings.Contains(string(f.Out.Data), text) }
}

func is(want State) func(State, Facts) bool {
	return func(st State, _ Facts) bool { return st == want }
}

// writers is the living processes that have the job's output open.
func writers(base, id string) (pids []int) {
	living(func(pid int) {
		fds, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); to == base+"/v1/"+id+"/out" {
				pids = append(pids, pid)
				return
			}
		}
	})
	return pids
}

func TestLimitEndsTheWholeTree(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		got := c.start(Start{Base: h.base, ID: id, Cmd: []byte(stubborn), Limit: 1500 * time.Millisecond, Grace: 300 * time.Millisecond})
		require.Equal(t, StartStarted, got.Outcome, got.Reason)
		require.Equal(t, 1500*time.Millisecond, got.Token.Limit)
		require.Equal(t, 300*time.Millisecond, got.Token.Grace)
		st, detail, f := c.await(h.base, id)
		require.Equal(t, TimedOut, st, detail)
		require.Equal(t, "before\nup\n", string(f.Out.Data))
		require.Equal(t, 137, f.ExitCode)
		require.GreaterOrEqual(t, f.Elapsed, 1500*time.Millisecond)
		require.Zero(t, f.Survivors)
		require.Empty(t, tree(id))
		require.Empty(t, writers(h.base, id))
	})
}

func TestLimitLeavesTermItsTime(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		c.start(Start{Base: h.base, ID: id, Limit: 300 * time.Millisecond, Grace: 30 * time.Second,
			Cmd: []byte("trap 'echo bye; exit 0' TERM\nwhile :; do sleep 0.1; done")})
		st, detail, f := c.await(h.base, id)
		require.Equal(t, TimedOut, st, detail)
		require.Equal(t, "bye\n", string(f.Out.Data))
		require.Equal(t, 0, f.ExitCode)
		require.Less(t, f.Elapsed, 25*time.Second)
	})
}

func TestCancel(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id, other := newID(), newID()
		c.start(Start{Base: h.base, ID: id, Cmd: []byte(stubborn), Limit: time.Hour})
		c.start(Start{Base: h.base, ID: other, Cmd: []byte("sleep 60")})
		c.until(h.base, id, "up", printed("up\n"))
		k, err := DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce(), Grace: 200 * time.Millisecond}))
		require.NoError(t, err)
		require.Equal(t, KillKilling, k.Outcome, k.Reason)
		st, detail, f := c.await(h.base, id)
		require.Equal(t, Cancelled, st, detail)
		require.Equal(t, "cancel", f.Cause)
		require.Empty(t, tree(id))
		require.Empty(t, writers(h.base, id))
		waitGone(t, id) // the timer of an hour goes, too
		require.NotEmpty(t, tree(other), "a kill reached another job")
		k, err = DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce()}))
		require.NoError(t, err)
		require.Equal(t, KillEnded, k.Outcome)
		// At once, and with nothing left to wait for.
		k, err = DecodeKill(c.ask(Kill{Base: h.base, ID: other, Nonce: nonce(), Grace: -1}))
		require.NoError(t, err)
		require.Equal(t, KillKilling, k.Outcome)
		st, _, f = c.await(h.base, other)
		require.Equal(t, Cancelled, st)
		require.Equal(t, 137, f.ExitCode)
	})
}

func TestCancelOutlivesTheChannel(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		c.start(Start{Base: h.base, ID: id, Cmd: []byte("trap '' TERM; echo up; sleep 300; sleep 300")})
		c.until(h.base, id, "up", printed("up\n"))
		c.ask(Kill{Base: h.base, ID: id, Nonce: nonce(), Grace: time.Second})
		require.NoError(t, c.cmd.Process.Kill())
		c.close()
		st, _, _ := h.open().await(h.base, id)
		require.Equal(t, Cancelled, st)
	})
}

func TestCancelBeforeTheStart(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		k, err := DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce()}))
		require.NoError(t, err)
		require.Equal(t, KillAbsent, k.Outcome)
		got := c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo ran > $HOME/ran"), Stdin: everyByte(100_000)})
		require.Equal(t, StartExists, got.Outcome)
		require.True(t, got.Token.Cancelled())
		st, _, _ := c.await(h.base, id)
		require.Equal(t, Cancelled, st)
		require.NoFileExists(t, h.home+"/ran")
	})
}

func TestSupervisorKilled(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		got := c.start(Start{Base: h.base, ID: id, Limit: 2 * time.Second, Grace: 200 * time.Millisecond,
			Cmd: []byte("trap '' TERM; echo up; sleep 300; sleep 300")})
		c.until(h.base, id, "up", printed("up\n"))
		require.NoError(t, syscall.Kill(got.Token.Pid, syscall.SIGKILL))
		c.until(h.base, id, "orphaned", is(Orphaned))
		// The timer holds the limit without its supervisor, and says so.
		c.until(h.base, id, "timed out", is(TimedOut))
		// Nobody is left who would name the end only when all of it is dead.
		c.until(h.base, id, "killed", func(_ State, f Facts) bool { return f.Killed })
		require.Empty(t, tree(id))
		waitGone(t, id)
		k, err := DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce()}))
		require.NoError(t, err)
		require.Equal(t, KillKilling, k.Outcome, "what is left may still be swept")
		cl, err := DecodeClean(c.ask(Clean{Base: h.base, IDs: []string{id}}))
		require.NoError(t, err)
		require.Empty(t, cl.Refused)
	})
}

func TestSupervisorAndCommandKilled(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		got := c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo up; exec sleep 300")})
		f := c.until(h.base, id, "up", printed("up\n"))
		require.NoError(t, syscall.Kill(got.Token.Pid, syscall.SIGKILL))
		cl, err := DecodeClean(c.ask(Clean{Base: h.base, IDs: []string{id}}))
		require.NoError(t, err)
		require.Contains(t, cl.Refused, id)
		require.NoError(t, syscall.Kill(f.LeaderPid, syscall.SIGKILL))
		st, detail, _ := c.await(h.base, id)
		require.Equal(t, Lost, st, detail)
		require.Equal(t, "its supervisor was killed", detail)
	})
}

func TestTerminated(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id, only := newID(), newID()
		got := c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo up; exec sleep 300")})
		f := c.until(h.base, id, "up", printed("up\n"))
		require.NoError(t, syscall.Kill(got.Token.Pid, syscall.SIGTERM))
		require.NoError(t, syscall.Kill(f.LeaderPid, syscall.SIGTERM))
		st, detail, _ := c.await(h.base, id)
		require.Equal(t, Terminated, st, detail)
		// A shutdown may come to the command first. A busy machine may be late with the second signal, though not always.
		for try := 1; ; try++ {
			id = newID()
			got = c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo up; exec sleep 300")})
			f = c.until(h.base, id, "up", printed("up\n"))
			require.NoError(t, syscall.Kill(f.LeaderPid, syscall.SIGTERM))
			require.Eventually(t, func() bool { return len(tree(id)) == 0 }, 20*time.Second, 5*time.Millisecond)
			time.Sleep(20 * time.Millisecond)
			_ = syscall.Kill(got.Token.Pid, syscall.SIGTERM)
			if st, detail, _ = c.await(h.base, id); st == Terminated || try == 10 {
				break
			}
		}
		require.Equal(t, Terminated, st, detail)
		// One that nobody else was told to end has failed.
		id = newID()
		c.start(Start{Base: h.base, ID: id, Cmd: []byte("kill -TERM $$")})
		st, detail, _ = c.await(h.base, id)
		require.Equal(t, Failed, st, detail)
		// A supervisor told to end keeps its job and its result.
		got = c.start(Start{Base: h.base, ID: only, Cmd: []byte("echo up; sleep 0.3; exit 3")})
		require.NoError(t, syscall.Kill(got.Token.Pid, syscall.SIGTERM))
		st, detail, f = c.await(h.base, only)
		require.Equal(t, Failed, st, detail)
		require.Equal(t, 3, f.ExitCode)
	})
}

func TestReboot(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo up; exec sleep 300")})
		c.until(h.base, id, "up", printed("up\n"))
		h.reboot()
		st, detail, _ := c.await(h.base, id)
		require.Equal(t, Lost, st)
		require.Contains(t, detail, "the host rebooted")
		k, err := DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce()}))
		require.NoError(t, err)
		require.Equal(t, KillRefused, k.Outcome, "the numbers belong to another boot")
		require.NotEmpty(t, tree(id))
		waitGone(t, id)
	})
}

// Numbers that belong to other processes by now are nobody's to signal.
func TestNumbersUsedAgain(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		bystander := exec.Command("sleep", "300")
		bystander.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		require.NoError(t, bystander.Start())
		t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
		who, err := DecodeBoot(c.ask(Boot{}))
		require.NoError(t, err)
		pid := strconv.Itoa(bystander.Process.Pid)
		for _, numbers := range [][2]string{{pid, "999999999"}, {"999999999", pid}} { // supervisor, leader
			id := newID()
			dir := h.base + "/v1/" + id
			require.NoError(t, os.Mkdir(dir, 0o700))
			for name, text := range map[string]string{
				"go": "go " + id + " 1 " + nonce() + " " + numbers[0] + " 5 " + who.Boot + " " + who.Host + " " + who.Pid1 +
					" 1700000000 100 0 10000 .\n",
				"run": "run " + id + " " + numbers[1] + " 6 .\n",
			} {
				require.NoError(t, os.WriteFile(dir+"/"+name, []byte(text), 0o600))
			}
			st, detail, _ := c.await(h.base, id)
			require.Equal(t, Lost, st, detail)
			k, err := DecodeKill(c.ask(Kill{Base: h.base, ID: id, Nonce: nonce(), Grace: -1}))
			require.NoError(t, err)
			require.Equal(t, KillKilling, k.Outcome)
			c.until(h.base, id, "over", func(_ State, f Facts) bool { return f.Killed })
			require.NoFileExists(t, dir+"/cause", "a lost job is not called cancelled")
			state, err := os.ReadFile("/proc/" + pid + "/stat")
			require.NoError(t, err)
			require.Contains(t, string(state), ") S ")
		}
		k, err := DecodeKill(c.ask(KillTree{Cookie: nonce(), Pid: bystander.Process.Pid, Start: "5"}))
		require.NoError(t, err)
		require.Equal(t, KillEnded, k.Outcome)
	})
}

// A job that removes its own directory does not lift its limit with that.
func TestLimitWithoutDirectory(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		id := newID()
		c.start(Start{Base: h.base, ID: id, Limit: 2500 * time.Millisecond, Grace: 100 * time.Millisecond,
			Cmd: []byte(`trap "" TERM; sleep 1.5; rm -rf "` + h.base + `/v1/` + id + `"; sleep 300; sleep 300`)})
		require.Eventually(t, func() bool {
			_, err := os.Stat(h.base + "/v1/" + id)
			return os.IsNotExist(err)
		}, 20*time.Second, 20*time.Millisecond)
		require.Eventually(t, func() bool { return len(tree(id)) == 0 }, 20*time.Second, 20*time.Millisecond)
		got := c.look(Look{Jobs: []LookJob{{Base: h.base, ID: id}}})
		st, _ := got.Jobs[0].Derive(got.Identity)
		require.Equal(t, Absent, st)
	})
}
