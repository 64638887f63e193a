package wirehost_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
	"starling/internal/wire"
)

// TestContract drives the same requests through a host in memory and through a
// real shell: what the decoders make of the answers is the same in everything
// but times, process numbers and who the host is.
func TestContract(t *testing.T) {
	for _, row := range []struct {
		name  string
		drive func(c *client) []any
	}{
		{"ping and boot", func(c *client) []any {
			who, err := wire.DecodeBoot(c.ask(wire.Boot{}))
			return []any{wire.DecodePing(c.ask(wire.Ping{})), identity(who), err}
		}},
		{"probe", func(c *client) []any {
			f := c.probe()
			own := strings.HasSuffix(f.Base, "/.local/state/starling")
			f.Identity.Epoch -= time.Now().Unix()
			recent := -60 < f.Identity.Epoch && f.Identity.Epoch < 60
			who := identity(f.Identity)
			f.Base, f.Identity = "", wire.HostIdentity{}
			f.KillUser, f.Scope, f.ScopeReason = "", "", "" // a machine that tests may have a logind
			return []any{f, who, own, recent}
		}},
		{"probe of a base", func(c *client) []any {
			other := c.probe().Base + "-other"
			f, err := wire.DecodeProbe(c.ask(wire.Probe{Base: other}))
			s, started := c.start(wire.Start{Base: other, Cmd: []byte("true")})
			c.base = other
			_, facts := c.ended(s.ID)
			return []any{f.Base == other, f.BaseReason, err, started.Outcome, normal(facts)}
		}},
		{"no such base", func(c *client) []any {
			s, started := c.start(wire.Start{Base: "/nonexistent/it's a ż", Cmd: []byte("true"), Stdin: []byte("in")})
			l := wire.Look{Jobs: []wire.LookJob{{Base: s.Base, ID: s.ID}}}
			listed, err := wire.DecodeList(c.ask(wire.List{Base: s.Base}), wire.List{Base: s.Base})
			return []any{started, normal(c.look(l).Jobs[0]), len(listed.Jobs), err}
		}},
		{"start, look while it runs, start again", func(c *client) []any {
			s, first := c.start(wire.Start{Cmd: []byte("echo 0123456789; echo oops >&2; exec sleep 300"), Limit: time.Hour, Grace: time.Second})
			state, facts := c.until(s.ID, 0, func(_ wire.State, f wire.Facts) bool { return f.Out.Size > 0 && f.Err.Size > 0 && f.LeaderPid > 0 })
			again := s
			again.Attempt = nonce()
			_, second := c.start(again)
			same := second.Token != nil && *first.Token == *second.Token
			killed := c.kill(s.ID, 0)
			_, last := c.ended(s.ID)
			_, third := c.start(again)
			return []any{first.Outcome, token(first.Token, s.Attempt), state, normal(facts), second.Outcome, same, killed, normal(last), third.Outcome}
		}},
		{"ends", func(c *client) (out []any) {
			for _, s := range []wire.Start{
				{Cmd: []byte("true")},
				{Cmd: []byte("echo some; exit 3")},
				{Cmd: []byte("cat; exit 4"), Stdin: []byte("in\x00put\xff"), Env: map[string]string{"A": "it's\nso"}, Chdir: "/"},
				{Argv: []string{"cat"}, Stdin: []byte(strings.Repeat("x", 70_000))},
				{Cmd: []byte("echo 0123456789; sleep 0.3")},
			} {
				s, _ := c.start(s)
				state, facts := c.ended(s.ID)
				out = append(out, state, normal(facts))
			}
			return out
		}},
		{"limit", func(c *client) []any {
			s, _ := c.start(wire.Start{Cmd: []byte("echo 0123456789; echo oops >&2; exec sleep 300"), Limit: 300 * time.Millisecond, Grace: time.Minute})
			state, facts := c.ended(s.ID)
			s, _ = c.start(wire.Start{Cmd: []byte("exec sleep 301"), Limit: 300 * time.Millisecond, Grace: -1})
			hard, more := c.ended(s.ID)
			return []any{state, normal(facts), hard, normal(more)}
		}},
		{"windows", func(c *client) []any {
			s, _ := c.start(wire.Start{Cmd: []byte("echo 0123456789; echo oops >&2; exec sleep 300")})
			c.until(s.ID, 0, func(_ wire.State, f wire.Facts) bool { return f.Out.Size > 0 && f.Err.Size > 0 && f.LeaderPid > 0 })
			running := c.windows(s.ID)
			c.kill(s.ID, -1)
			c.ended(s.ID)
			return []any{running, c.windows(s.ID)}
		}},
		{"cancel", func(c *client) (out []any) {
			for _, grace := range []time.Duration{0, -1} {
				id := c.run("exec sleep 301")
				c.until(id, 0, func(_ wire.State, f wire.Facts) bool { return f.LeaderPid > 0 })
				out = append(out, c.kill(id, grace))
				state, facts := c.ended(id)
				out = append(out, state, normal(facts), c.kill(id, grace))
			}
			return out
		}},
		{"kill for the limit", func(c *client) []any {
			id := c.run("exec sleep 301")
			c.until(id, 0, func(_ wire.State, f wire.Facts) bool { return f.LeaderPid > 0 })
			c.ask(wire.Kill{Base: c.base, ID: id, Nonce: nonce(), Why: "timeout"})
			state, facts := c.ended(id)
			return []any{state, normal(facts)}
		}},
		{"cancel before the start", func(c *client) []any {
			c.probe()
			s := wire.Start{ID: newID(), Cmd: []byte("true")}
			first, second := c.kill(s.ID, 0), c.kill(s.ID, 0)
			s, started := c.start(s)
			state, facts := c.ended(s.ID)
			cleaned := c.clean(false, s.ID)
			afterwards, more := c.ended(s.ID)
			return []any{first, second, started.Outcome, token(started.Token, "cancelled"), state, normal(facts), cleaned, afterwards, normal(more), c.kill(s.ID, 0)}
		}},
		{"absent", func(c *client) []any {
			c.probe()
			state, facts := c.until(newID(), time.Minute, func(wire.State, wire.Facts) bool { return true })
			return []any{state, normal(facts)}
		}},
		{"wait for one of several", func(c *client) []any {
			long, short, over := c.run("exec sleep 301"), c.run("echo 0123456789; sleep 0.3"), c.run("true")
			c.ended(over)
			asked := time.Now()
			looked := c.look(wire.Look{Wait: time.Minute, Jobs: []wire.LookJob{{Base: c.base, ID: long}, {Base: c.base, ID: short}, {Base: c.base, ID: over, Settled: true}}})
			soon := time.Since(asked) < patience
			var states []wire.State
			for _, f := range looked.Jobs {
				state, _ := f.Derive(looked.Identity)
				states = append(states, state)
			}
			c.kill(long, -1)
			c.ended(long)
			c.ended(short)
			return []any{states, soon}
		}},
		{"many jobs in one look", func(c *client) []any {
			var l wire.Look
			for i := range 60 {
				l.Jobs = append(l.Jobs, wire.LookJob{Base: c.base, ID: newID(), Out: wire.Window{Max: 10, Final: 10}})
				if i%20 == 0 {
					l.Jobs[i].ID = c.run("echo some; exit 3")
					c.ended(l.Jobs[i].ID)
				}
				l.Jobs[i].Base = c.base
			}
			var out []any
			for i, f := range c.look(l).Jobs {
				out = append(out, f.ID == l.Jobs[i].ID, normal(f))
			}
			return out
		}},
		{"list and clean", func(c *client) []any {
			ended, running := c.run("echo some; exit 3"), c.run("exec sleep 301")
			c.ended(ended)
			c.until(running, 0, func(_ wire.State, f wire.Facts) bool { return f.LeaderPid > 0 })
			before := c.list(ended, running)
			cleaned := c.clean(false, ended, running, newID())
			why := cleaned[running]
			between := c.list(ended, running)
			again, started := c.start(wire.Start{ID: ended, Cmd: []byte("true")})
			gone, facts := c.ended(again.ID)
			killed := c.kill(ended, 0)
			c.kill(running, -1)
			c.ended(running)
			cleaned = c.clean(true, ended, running)
			return []any{before, why, between, started.Outcome, gone, normal(facts), killed, cleaned, c.list(ended, running)}
		}},
		{"keys", func(c *client) []any {
			c.probe()
			salt := nonce()
			k := wire.Key{Base: c.base, Key: "it's a \"key\"", Salt: salt}
			unknown := wire.DecodePing(c.ask(wire.Mark{Base: c.base, Key: "other"})) != nil
			first, err1 := wire.DecodeKey(c.ask(k))
			k.Salt = nonce()
			second, err2 := wire.DecodeKey(c.ask(k))
			marked := wire.DecodePing(c.ask(wire.Mark{Base: c.base, Key: k.Key, Generation: 3}))
			late := wire.DecodePing(c.ask(wire.Mark{Base: c.base, Key: k.Key, Generation: 1}))
			third, err3 := wire.DecodeKey(c.ask(k))
			return []any{unknown, first.Salt == salt, first.Generation, second == first, third.Generation, third.Salt == salt, err1, err2, err3, marked, late}
		}},
		{"reboot status", func(c *client) []any {
			c.probe()
			r, err := wire.DecodeRebootStatus(c.ask(wire.RebootStatus{Base: c.base, Nonce: nonce()}))
			return []any{r, err}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var answers [][]any
			both(t, func(t *testing.T, c *client) { answers = append(answers, row.drive(c)) })
			require.Len(t, answers, 2)
			require.Equal(t, answers[1], answers[0], "the host in memory says the latter")
		})
	}
}

func TestAttached(t *testing.T) {
	for _, row := range []struct {
		name  string
		shell wire.Shell
		stdin string
	}{
		{"streams and code", wire.Shell{Cmd: []byte("echo out; echo err >&2; exit 5")}, "unread"},
		{"input", wire.Shell{Cmd: []byte("cat; exit 4")}, "in\x00put\xff" + strings.Repeat("y", 200_000)},
		{"vector", wire.Shell{Argv: []string{"cat"}}, "in"},
		{"environment and directory", wire.Shell{Cmd: []byte("cat; exit 4"), Env: map[string]string{"A": "it's\n||exit 126;", "B": "ż"}, Chdir: "/"}, "in"},
		{"no input", wire.Shell{Cmd: []byte("cat; exit 4")}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var answers [][]any
			both(t, func(t *testing.T, c *client) {
				row.shell.Cookie = nonce()
				var at wire.Attached
				out, errs, err := attach(c.ctx, c.under, row.shell, strings.NewReader(row.stdin), func(a wire.Attached) { at = a })
				answers = append(answers, []any{out, errs, code(err), at.Pid > 1, at.Start != ""})
			})
			require.Equal(t, answers[1], answers[0], "the host in memory says the latter")
		})
	}
}

func TestKillTree(t *testing.T) {
	var answers [][]any
	both(t, func(t *testing.T, c *client) {
		cookie := nonce()
		began := make(chan wire.Attached, 1)
		var wg sync.WaitGroup
		var ended error
		wg.Go(func() {
			shell := wire.Shell{Cookie: cookie, Cmd: []byte("exec sleep 301")}
			_, _, ended = attach(c.ctx, c.under, shell, strings.NewReader(""), func(a wire.Attached) { began <- a })
		})
		at := <-began
		killed, err := wire.DecodeKill(c.ask(wire.KillTree{Cookie: cookie, Pid: at.Pid, Start: at.Start}))
		require.NoError(t, err)
		wg.Wait()
		over, err := wire.DecodeKill(c.ask(wire.KillTree{Cookie: nonce(), Pid: 999_999, Start: "1"}))
		answers = append(answers, []any{killed, code(ended), over, err})
	})
	require.Equal(t, answers[1], answers[0], "the host in memory says the latter")
}

// code is how an exec ended, for a person to read.
func code(err error) string {
	var exit *transport.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit):
		return exit.Error()
	}
	return "error: " + err.Error()
}

func (c *client) kill(id string, grace time.Duration) wire.Killed {
	c.t.Helper()
	killed, err := wire.DecodeKill(c.ask(wire.Kill{Base: c.base, ID: id, Nonce: nonce(), Grace: grace}))
	require.NoError(c.t, err)
	return killed
}

func (c *client) clean(force bool, ids ...string) map[string]string {
	c.t.Helper()
	cleaned, err := wire.DecodeClean(c.ask(wire.Clean{Base: c.base, IDs: ids, Force: force}))
	require.NoError(c.t, err)
	return cleaned.Refused
}

// list is the facts of these jobs in a list, and how many it has.
func (c *client) list(ids ...string) (out []string) {
	c.t.Helper()
	request := wire.List{Base: c.base}
	listed, err := wire.DecodeList(c.ask(request), request)
	require.NoError(c.t, err)
	out = append(out, fmt.Sprint(len(listed.Jobs)))
	for _, id := range ids {
		for _, f := range listed.Jobs {
			if f.ID == id {
				state, _ := f.Derive(listed.Identity)
				out = append(out, fmt.Sprintf("%s %+v", state, normal(f)))
			}
		}
	}
	return out
}

// windows is what a look brings of a job's output by all kinds of windows.
func (c *client) windows(id string) (out []string) {
	c.t.Helper()
	for _, w := range []wire.Window{{}, {Max: 4}, {Final: 4}, {Max: 4, Final: 6}, {Max: 6, Final: 4}, {Offset: 3, Max: 100}, {Offset: -1, Max: 3, Final: 5},
		{Offset: -1, Max: 100}, {Offset: 11, Max: 10}, {Offset: 12, Max: 10}, {Offset: 5, Max: 2, Final: 2}} {
		looked := c.look(wire.Look{Jobs: []wire.LookJob{{Base: c.base, ID: id, Out: w, Err: w}}})
		f := looked.Jobs[0]
		out = append(out, fmt.Sprintf("%+v out %+v err %+v", w, f.Out, f.Err))
	}
	return out
}

// identity is what two hosts can have in common.
func identity(who wire.HostIdentity) []bool {
	return []bool{who.Boot != "", who.Reason == "", who.Host != "", who.Pid1 != "", who.Uptime > 0}
}

// token is what two hosts say alike of a job's beginning.
func token(t *wire.Token, attempt string) string {
	if t == nil {
		return "none"
	}
	age := time.Now().Unix() - t.Epoch
	return fmt.Sprint(t.Proto, t.Attempt == attempt, t.Pid > 1, t.Start != "", t.Boot != "", t.Host != "", t.Pid1 != "", t.Limit, t.Grace, -2 <= age && age < 120, t.Cancelled())
}

// normal is what two hosts say alike of a job.
func normal(f wire.Facts) string {
	said := token(f.Token, "")
	times := fmt.Sprint(f.EndEpoch > 0, f.CauseEpoch > 0, f.LeaderPid > 1, f.LeaderStart != "", f.Elapsed < 2*time.Minute)
	f.Base, f.ID, f.Token = "", "", nil
	f.EndEpoch, f.CauseEpoch, f.LeaderPid, f.LeaderStart, f.Elapsed = 0, 0, 0, "", 0
	out := fmt.Sprintf("%q", f.Out.Data)
	if len(out) > 100 {
		out = out[:100]
	}
	f.Out.Data = nil
	return fmt.Sprintf("%+v %s %s out %s", f, said, times, out)
}
