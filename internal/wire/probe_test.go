package wire

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (c *channel) probe(base string) HostFacts {
	c.t.Helper()
	f, err := DecodeProbe(c.ask(Probe{Base: base}))
	require.NoError(c.t, err)
	return f
}

func TestProbe(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		f := c.probe("")
		require.Equal(t, h.home+"/.local/state/starling", f.Base, f.BaseReason)
		info, err := os.Stat(f.Base + "/v1")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		require.Equal(t, Version, f.Proto)
		require.InDelta(t, time.Now().Unix(), f.Identity.Epoch, 600)
		boot, err := os.ReadFile(h.boot)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(boot)), f.Identity.Boot)
		hostname, err := os.ReadFile("/proc/sys/kernel/hostname")
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(hostname)), f.Identity.Host)
		require.Positive(t, f.Identity.Uptime)
		id, err := DecodeBoot(c.ask(Boot{}))
		require.NoError(t, err)
		require.Equal(t, f.Identity.Boot, id.Boot)
		require.Equal(t, f.Identity.Pid1, id.Pid1)
	})
}

func TestProbeBase(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		odd := h.home + "/od'd ba$e é"
		require.NoError(t, os.MkdirAll(odd+"/v1", 0o755))
		require.NoError(t, os.Chmod(odd+"/v1", 0o755))
		require.Equal(t, odd, c.probe(odd).Base)
		info, err := os.Stat(odd + "/v1")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "what was too open is closed")

		id := newID()
		require.Equal(t, StartStarted, c.start(Start{Base: odd, ID: id, Cmd: []byte("echo x")}).Outcome)
		st, detail, _ := c.await(odd, id)
		require.Equal(t, Succeeded, st, detail)

		require.NoError(t, os.Symlink(odd, h.home+"/link"))
		theirs := h.home + "/theirs"
		require.NoError(t, os.MkdirAll(theirs, 0o777))
		require.NoError(t, os.Chown(theirs, 12345, 12345))
		for _, base := range []string{h.home + "/link", theirs, h.boot + "/file", "/proc/nowhere"} {
			f := c.probe(base)
			require.Empty(t, f.Base)
			require.NotEmpty(t, f.BaseReason)
		}
		// A home that takes no files: the next candidate.
		h.env = []string{"HOME=/proc/nowhere"}
		f := h.open().probe("")
		require.Equal(t, "/var/tmp/starling-"+strconv.Itoa(os.Getuid()), f.Base, f.BaseReason)
	})
}

func TestBootIdentityIsStrict(t *testing.T) {
	h := newHost(t, shell(t, "dash", "dash"))
	for _, row := range []struct{ name, text, boot string }{
		{"uuid", "58a3237e-e5dd-9a30-5753-81ed611c430e\n", "58a3237e-e5dd-9a30-5753-81ed611c430e"},
		{"no newline", "58a3237e-e5dd-9a30-5753-81ed611c430e", "58a3237e-e5dd-9a30-5753-81ed611c430e"},
		{"boot time", "boottime:1700000000\n", "boottime:1700000000"},
		{"two lines", "58a3237e-e5dd-9a30-5753-81ed611c430e\nx\n", ""},
		{"words", "no such file\n", ""},
		{"a hundred dashes", strings.Repeat("-", 100), ""},
		{"empty", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(h.boot, []byte(row.text), 0o600))
			c := h.open()
			id, err := DecodeBoot(c.ask(Boot{}))
			require.NoError(t, err)
			require.Equal(t, row.boot, id.Boot)
			require.Equal(t, row.boot == "", id.Reason != "")
			job := newID()
			got := c.start(Start{Base: h.base, ID: job, Cmd: []byte("true")})
			require.Equal(t, row.boot, got.Token.Boot, "the token says the same")
			st, detail, _ := c.await(h.base, job)
			require.Equal(t, Succeeded, st, detail)
		})
	}
}

// fakes puts programs of the given texts before all others.
func (h *host) fakes(programs map[string]string) {
	dir := h.home + "/bin"
	require.NoError(h.t, os.MkdirAll(dir, 0o755))
	for name, text := range programs {
		require.NoError(h.t, os.WriteFile(dir+"/"+name, []byte("#!/bin/sh\n"+text), 0o755))
	}
	h.env = append(h.env, "PATH="+dir+":"+os.Getenv("PATH"))
}

// Hosts without setsid: a process group of its own where the shell gives one.
func TestWithoutSetsid(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, _ *channel) {
		h.fakes(map[string]string{"setsid": "exit 127\n"})
		c := h.open()
		id, other := newID(), newID()
		got := c.start(Start{Base: h.base, ID: id, Limit: time.Second, Grace: 200 * time.Millisecond,
			Cmd: []byte("trap '' TERM; (sleep 301) & echo up; sleep 302; sleep 303")})
		require.Equal(t, StartStarted, got.Outcome, got.Reason)
		c.start(Start{Base: h.base, ID: other, Cmd: []byte("exit 9")})
		st, detail, f := c.await(h.base, other)
		require.Equal(t, Failed, st, detail)
		require.Equal(t, 9, f.ExitCode)
		st, detail, f = c.await(h.base, id)
		require.Equal(t, TimedOut, st, detail)
		require.Equal(t, "up\n", string(f.Out.Data))
		require.Empty(t, tree(id))
		require.NoError(t, DecodePing(c.ask(Ping{})), "the channel is not part of the tree")
	})
}

// Hosts whose sleep takes whole seconds only.
func TestWholeSeconds(t *testing.T) {
	h := newHost(t, shell(t, "dash", "dash"))
	real, err := exec.LookPath("sleep")
	require.NoError(t, err)
	h.fakes(map[string]string{"sleep": "case $1 in *.*) echo 'bad number' >&2; exit 1;; esac\nexec " + real + " \"$1\"\n"})
	c := h.open()
	id := newID()
	c.start(Start{Base: h.base, ID: id, Limit: 300 * time.Millisecond, Grace: time.Second, Cmd: []byte("echo up; sleep 300")})
	st, detail, f := c.await(h.base, id)
	require.Equal(t, TimedOut, st, detail)
	require.GreaterOrEqual(t, f.Elapsed, time.Second)
	require.Empty(t, tree(id))
}

func TestRebootRequest(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, _ *channel) {
		h.fakes(map[string]string{"shutdown": `printf '%s|' "$@" >"$HOME/shut"; echo refused >&2; exit 5` + "\n"})
		c := h.open()
		for _, row := range []struct{ name, command, out string }{
			{"default", "", "refused\n"},
			{"given", "echo 'it''s' mine; exit 5", "its mine\n"},
		} {
			n := nonce()
			got, err := DecodeReboot(c.ask(Reboot{Base: h.base, Nonce: n, Command: row.command, Message: "it's time"}))
			require.NoError(t, err)
			require.True(t, got.Accepted, got.Reason)
			var r RebootResult
			require.Eventually(t, func() bool {
				r, err = DecodeRebootStatus(c.ask(RebootStatus{Base: h.base, Nonce: n}))
				return err != nil || r.Ended
			}, 20*time.Second, 50*time.Millisecond)
			require.NoError(t, err)
			require.Equal(t, RebootResult{Ended: true, Code: 5, Output: []byte(row.out)}, r)
		}
		shut, err := os.ReadFile(h.home + "/shut")
		require.NoError(t, err)
		require.Equal(t, "-r|now|it's time|", string(shut))
		list, err := filepath.Glob(h.base + "/reboot.*")
		require.NoError(t, err)
		require.Len(t, list, 1, "an older record goes")
	})
}

// A host of systemd that ends what a session leaves (its programs are stand-ins).
func TestScopes(t *testing.T) {
	h := newHost(t, shell(t, "dash", "dash"))
	h.fakes(map[string]string{
		"busctl":      `printf 'b %s\nas 0\nas %s\n' "$KILL" "$EXCLUDED"` + "\n",
		"systemd-run": `[ "$1" = --version ] && exit 0; printf '%s ' "$@" >"$HOME/run"; while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"` + "\n",
	})
	env := h.env
	for _, row := range []struct {
		kill, excluded string
		killUser       bool
	}{{"true", "0", true}, {"true", `1 "root"`, false}, {"false", "0", false}} {
		h.env = append(env[:len(env):len(env)], "KILL="+row.kill, "EXCLUDED="+row.excluded)
		f := h.open().probe(h.base)
		require.Equal(t, row.killUser, f.KillUser != "", "%+v", row)
		if !row.killUser {
			continue
		}
		require.Equal(t, "system", f.Scope)
		c := h.open()
		id := newID()
		got := c.start(Start{Base: h.base, ID: id, Scope: f.Scope, Cmd: []byte("echo x; exit 6")})
		require.Equal(t, StartStarted, got.Outcome, got.Reason)
		st, detail, jf := c.await(h.base, id)
		require.Equal(t, Failed, st, detail)
		require.Equal(t, 6, jf.ExitCode)
		run, err := os.ReadFile(h.home + "/run")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(run), "--scope --collect --quiet "), "%s", run)
	}
}
