package wire

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runs counts how often the job of a once test ran.
func runs(h *host) int {
	b, _ := os.ReadFile(h.home + "/ran")
	return strings.Count(string(b), "x")
}

const tally = `printf x >>"$HOME/ran"`

func TestTwentyStartsAtOnce(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, _ *channel) {
		id := newID()
		outcomes := make([]Started, 20)
		var wg sync.WaitGroup
		channels := make([]*channel, len(outcomes))
		for i := range channels {
			channels[i] = h.open()
		}
		for i, c := range channels {
			wg.Go(func() {
				c.seq++
				b, err := Encode(c.nonce, c.seq, Start{Base: h.base, ID: id, Attempt: nonce(), Cmd: []byte(tally), Stdin: everyByte(20_000)})
				if err != nil {
					return
				}
				_, _ = c.in.Write(b)
				frames, _ := c.r.Answer(c.seq)
				outcomes[i], _ = DecodeStart(frames)
			})
		}
		wg.Wait()
		count := map[StartOutcome]int{}
		for _, o := range outcomes {
			count[o.Outcome]++
			require.NotNil(t, o.Token, "%+v", o)
			require.Equal(t, outcomes[0].Token, o.Token)
		}
		require.Equal(t, map[StartOutcome]int{StartStarted: 1, StartExists: 19}, count)
		st, _, _ := channels[0].await(h.base, id)
		require.Equal(t, Succeeded, st)
		require.Equal(t, 1, runs(h))
	})
}

// A stream that is cut anywhere starts nothing or everything, and a second try
// makes it exactly one run.
func TestCutAnywhere(t *testing.T) {
	for i, s := range hostShells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, shell(t, s.program, s.pkg))
			n := nonce()
			req := Start{Attempt: nonce(), Cmd: []byte(`printf x >>"$HOME/${STARLING_JOB%.*}"`), Env: map[string]string{"A": "b"}, Stdin: []byte("input")}
			head, size := len(OpenFor(n, h.sh)), len(stream(t, h, n, newID(), req))
			cuts := []int{head - 2, head - 1, size - 1, size}
			for cut := 0; cut < head; cut += 4999 {
				cuts = append(cuts, cut)
			}
			// The shells share the bytes of the request among them.
			for cut := head + i; cut < size; cut += len(hostShells) {
				cuts = append(cuts, cut)
			}
			c := h.open()
			ids := make([]string, len(cuts))
			for i, cut := range cuts {
				ids[i] = newID()
				cmd := h.command()
				cmd.Stdin = bytes.NewReader(stream(t, h, n, ids[i], req)[:cut])
				out, _ := cmd.Output()
				started := bytes.Contains(out, []byte(" R started"))
				require.Equal(t, cut == size, started, "cut at %d of %d: %s", cut, size, out)
				require.True(t, started || !exists(h.base+"/v1/"+ids[i]+"/go"), "cut at %d of %d", cut, size)
			}
			for i, id := range ids {
				if i%8 > 3 && i > 3 {
					require.True(t, cuts[i] == size || !exists(h.home+"/"+id))
					continue
				}
				again := req
				again.Base, again.ID, again.Attempt = h.base, id, nonce()
				got := c.start(again)
				require.Equal(t, cuts[i] == size, got.Outcome == StartExists, "cut at %d: %+v", cuts[i], got)
				st, detail, _ := c.await(h.base, id)
				require.Equal(t, Succeeded, st, detail)
				b, _ := os.ReadFile(h.home + "/" + id)
				require.Equal(t, "x", string(b), "cut at %d of %d", cuts[i], size)
			}
			waitGone(t, ids...)
		})
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func stream(t *testing.T, h *host, n, id string, req Start) []byte {
	req.Base, req.ID = h.base, id
	b, err := Encode(n, 1, req)
	require.NoError(t, err)
	return slices.Concat(OpenFor(n, h.sh), b)
}

// An attempt that was frozen before it took the token finds a tombstone when
// it thaws.
func TestFrozenAttempt(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		frozen := 0
		for delay := 2 * time.Millisecond; delay < 60*time.Millisecond; delay += 8 * time.Millisecond {
			_ = os.Remove(h.home + "/ran")
			id := newID()
			whole := stream(t, h, nonce(), id, Start{Attempt: nonce(), Cmd: []byte(tally)})
			cmd := h.command()
			cmd.Stdin = bytes.NewReader(whole)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			require.NoError(t, cmd.Start())
			time.Sleep(delay) // any instant will do
			stopped := freeze(cmd.Process.Pid, id)
			got := c.start(Start{Base: h.base, ID: id, Cmd: []byte(tally)})
			if got.Outcome == StartStarted {
				frozen++
				st, detail, _ := c.await(h.base, id)
				require.Equal(t, Succeeded, st, detail)
				waitGoneOf(t, id, stopped)
				cl, err := DecodeClean(c.ask(Clean{Base: h.base, IDs: []string{id}}))
				require.NoError(t, err)
				require.Empty(t, cl.Refused)
			}
			for _, pid := range stopped {
				_ = syscall.Kill(pid, syscall.SIGCONT)
			}
			_ = cmd.Wait()
			if got.Outcome == StartExists {
				_, _, _ = c.await(h.base, id)
			}
			waitGone(t, id)
			require.Equal(t, 1, runs(h), "after %v, %s", delay, got.Outcome)
		}
		t.Logf("%d frozen before the token", frozen)
	})
}

// freeze stops what belongs to the attempt: the session of the exec, and supervisors.
func freeze(session int, id string) (pids []int) {
	for range 3 {
		ours := supervisors(id)
		living(func(pid int) {
			sid, err := sessionOf(pid)
			if err == nil && sid == session || slices.Contains(ours, pid) {
				if !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		})
	}
	return pids
}

func sessionOf(pid int) (int, error) {
	r, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

// waitGoneOf is waitGone for all supervisors but the stopped ones.
func waitGoneOf(t *testing.T, id string, but []int) {
	require.Eventually(t, func() bool {
		for _, pid := range supervisors(id) {
			if !slices.Contains(but, pid) {
				return false
			}
		}
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

func TestClean(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		done, running := newID(), newID()
		c.start(Start{Base: h.base, ID: done, Cmd: []byte("echo out; exit 4")})
		c.start(Start{Base: h.base, ID: running, Cmd: []byte("sleep 300")})
		c.await(h.base, done)
		waitGone(t, done)
		cl, err := DecodeClean(c.ask(Clean{Base: h.base, IDs: []string{done, running, newID()}}))
		require.NoError(t, err)
		require.Equal(t, map[string]string{running: "it is running"}, cl.Refused)
		entries, err := os.ReadDir(h.base + "/v1/" + done)
		require.NoError(t, err)
		for _, e := range entries {
			require.True(t, e.Name() == "go" || e.Name() == "gone" || strings.HasPrefix(e.Name(), "rc,4,-,"), e.Name())
		}
		st, _, f := c.await(h.base, done)
		require.Equal(t, Failed, st, "how it ended outlives the cleanup")
		require.Equal(t, 4, f.ExitCode)
		require.True(t, f.Gone)
		got := c.start(Start{Base: h.base, ID: done, Cmd: []byte(tally)})
		require.Equal(t, StartExists, got.Outcome)
		require.Zero(t, runs(h))

		l, err := DecodeList(c.ask(List{Base: h.base}), List{Base: h.base})
		require.NoError(t, err)
		var ids []string
		for _, j := range l.Jobs {
			ids = append(ids, j.ID)
		}
		require.ElementsMatch(t, []string{done, running}, ids)

		// A tombstone of another boot or older than a week is swept.
		old := time.Now().Add(-9 * 24 * time.Hour)
		require.NoError(t, os.Chtimes(h.base+"/v1/"+done+"/gone", old, old))
		c.ask(Clean{Base: h.base})
		require.NoDirExists(t, h.base+"/v1/"+done)
		h.reboot()
		cl, err = DecodeClean(c.ask(Clean{Base: h.base, IDs: []string{running}}))
		require.NoError(t, err)
		require.Empty(t, cl.Refused, "lost by a reboot")
		require.NoDirExists(t, h.base+"/v1/"+running)
		waitGone(t, running)
	})
}

// Nothing of a job is on a command line.
func TestNothingOnCommandLines(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		secret := "s3cr3t" + nonce()
		stop := make(chan struct{})
		var seen []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				entries, _ := os.ReadDir("/proc")
				for _, e := range entries {
					line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
					if bytes.Contains(line, []byte(secret)) {
						seen = append(seen, string(line))
					}
				}
				time.Sleep(time.Millisecond) // leave the host some of the machine
			}
		})
		for range 3 {
			id := newID()
			c.start(Start{Base: h.base, ID: id, Cmd: []byte("X='" + secret + "'; sleep 0.05; cat"), Env: map[string]string{"S": secret},
				Chdir: h.home + "/./", Stdin: []byte(secret), Limit: time.Minute})
			c.await(h.base, id)
		}
		close(stop)
		wg.Wait()
		require.Empty(t, seen)
	})
}

func TestDiskFull(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, _ *channel) {
		mount := h.home + "/small"
		require.NoError(t, os.Mkdir(mount, 0o700))
		out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount).CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Cleanup(func() { _ = exec.Command("umount", "-l", mount).Run() })
		c := h.open()
		facts, err := DecodeProbe(c.ask(Probe{Base: mount + "/base"}))
		require.NoError(t, err)
		require.Equal(t, mount+"/base", facts.Base, facts.BaseReason)

		// While it runs: what fits is kept, and so is the result.
		id := newID()
		c.start(Start{Base: facts.Base, ID: id, Cmd: []byte("head -c 1000000 /dev/zero; exit 3")})
		st, detail, f := c.await(facts.Base, id)
		require.Equal(t, Failed, st, detail)
		require.Equal(t, 3, f.ExitCode)
		require.Less(t, f.Out.Size, int64(262144))
		waitGone(t, id)
		c.ask(Clean{Base: facts.Base, IDs: []string{id}})

		// At the start: nothing runs, and the same request may be sent again.
		id = newID()
		require.NoError(t, fill(mount+"/filler"))
		got := c.start(Start{Base: facts.Base, ID: id, Cmd: []byte(tally + strings.Repeat("\n#", 3000)), Stdin: everyByte(5000)})
		require.Equal(t, StartFailed, got.Outcome)
		require.NotEmpty(t, got.Reason)
		require.Zero(t, runs(h))
		require.NoError(t, os.Remove(mount+"/filler"))
		c.close()
		c = h.open() // a request that was half read costs its channel
		got = c.start(Start{Base: facts.Base, ID: id, Cmd: []byte(tally)})
		require.Equal(t, StartStarted, got.Outcome, got.Reason)
		c.await(facts.Base, id)
		require.Equal(t, 1, runs(h))
		waitGone(t, id)
	})
}

// A disk that loses bytes without a word: the sizes are compared.
func TestShortOnDisk(t *testing.T) {
	h := newHost(t, shell(t, "dash", "dash"))
	dd, err := exec.LookPath("dd")
	require.NoError(t, err)
	h.fakes(map[string]string{"dd": dd + ` "$@"; f=$(readlink /proc/$$/fd/1); case $f in */cmd) truncate -s 20 "$f" ;; esac; exit 0` + "\n"})
	c := h.open()
	got := c.start(Start{Base: h.base, ID: newID(), Cmd: []byte(`printf x >>"$HOME/ran"   `)})
	require.Equal(t, StartFailed, got.Outcome)
	require.Zero(t, runs(h))
	require.NoError(t, DecodePing(c.ask(Ping{})))
}

func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return f.Close()
		}
	}
}
