package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// two is a host to which one user logs in, and another one on it, each with a home that the other can't enter.
type two struct {
	*bench
	t            *testing.T
	login, other *sshdtest.Account
}

func newTwo(t *testing.T, o sshdtest.Options) *two {
	o.User = sshdtest.NewAccount(t)
	other := sshdtest.NewAccount(t)
	return &two{newBench(t, o), t, o.User, other}
}

// sudoers lets the login user be somebody. What tells a test's host from others stays in the environment.
func (b *two) sudoers(rule string, more ...string) {
	b.t.Helper()
	sshdtest.Sudoers(b.t, append(more, "Defaults:"+b.login.Name+` env_keep += "STARLING_BOOT_ID_FILE STARLING_TEST_HOST"`,
		b.login.Name+" "+rule)...)
}

// with is another program, which knows a password; with "" it knows none. The host is the one of its engine, as b.
func (b *two) with(password string, as wire.Become) (*job.Engine, *job.Host) {
	b.t.Helper()
	config := job.Config{Run: "r-test", Recorder: b.journal, Events: b.take}
	if password != "" {
		config.Password = func(_ context.Context, host string, asked wire.Become) (string, error) {
			if host != b.server.Name || asked != as {
				return "", fmt.Errorf("asked for the password of %v on %s", asked, host)
			}
			return password, nil
		}
	}
	engine := job.New(config)
	b.t.Cleanup(engine.Close)
	return engine, b.reach(engine, b.server.ConfigFile).As(as)
}

func (b *two) run(h *job.Host, text string) job.Result {
	b.t.Helper()
	r, err := h.Run(b.ctx, job.Command{Text: text, Display: text}, 0)
	require.NoError(b.t, err)
	return r
}

func (b *two) sudo() wire.Become { return wire.Become{Method: "sudo", User: b.other.Name} }

const whoami = `id -un; echo "$HOME"; pwd; echo "${LC_ALL-unset}"`

func (b *two) whoamiOf(a *sshdtest.Account) string {
	return fmt.Sprintf("%s\n%s\n%s\nunset\n", a.Name, a.Home, a.Home)
}

// Every way in leads to the same: attached commands, jobs, and what comes after.
func TestBecome(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	rule := "ALL=(" + b.other.Name + ") "
	for _, row := range []struct {
		name     string
		set      func(t *testing.T)
		method   string
		password string
	}{
		{"sudo without a password", func(t *testing.T) { b.on(t).sudoers(rule + "NOPASSWD: ALL") }, "sudo", ""},
		{"sudo that needs no password although there is one", func(t *testing.T) { b.on(t).sudoers(rule + "NOPASSWD: ALL") }, "sudo", "never asked for"},
		{"sudo with a password", func(t *testing.T) { b.on(t).sudoers(rule + "ALL") }, "sudo", b.login.Password},
		{"sudo in a pty of its own", func(t *testing.T) { b.on(t).sudoers(rule+"ALL", "Defaults:"+b.login.Name+" use_pty") }, "sudo", b.login.Password},
		{"sudo with a lecture", func(t *testing.T) {
			b.on(t).sudoers(rule+"ALL", "Defaults:"+b.login.Name+" lecture=always,timestamp_timeout=0")
		}, "sudo", b.login.Password},
		{"sudo that keeps the environment", func(t *testing.T) {
			b.on(t).sudoers(rule+"NOPASSWD: ALL", "Defaults:"+b.login.Name+" !env_reset")
		}, "sudo", ""},
		{"su with a password", func(*testing.T) {}, "su", b.other.Password},
		{"doas", func(t *testing.T) { doasConf(t, fmt.Sprintf("permit nopass %s as %s", b.login.Name, b.other.Name)) }, "doas", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.set(t)
			b := b.on(t)
			as := wire.Become{Method: row.method, User: b.other.Name}
			engine, h := b.with(row.password, as)
			require.Equal(t, b.whoamiOf(b.other), string(b.run(h, whoami).Stdout))
			r, err := h.Run(b.ctx, job.Command{Argv: []string{"sh", "-c", "cat; cat >&2 /no/such; exit 7"}, Stdin: []byte("in\x00put")}, 0)
			require.NoError(t, err)
			require.Equal(t, 7, r.RC)
			require.Equal(t, "in\x00put", string(r.Stdout))
			require.Equal(t, 1, strings.Count(string(r.Stderr), "\n"), "%s", r.Stderr)
			r, err = h.Start(b.ctx, job.Command{Text: whoami + "; cat; exit 3", Stdin: []byte("job's"), Limit: time.Minute})
			require.NoError(t, err)
			results, err := engine.Wait(b.ctx, []job.Ref{{Host: h, ID: r.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
			require.NoError(t, err)
			require.Equal(t, b.whoamiOf(b.other)+"job's", string(results[0].Stdout))
			require.Equal(t, 3, results[0].RC)
			record, err := b.journal.Find(b.ctx, r.ID)
			require.NoError(t, err)
			require.Equal(t, as, record.Become)
			require.Equal(t, filepath.Join(b.other.Home, ".local/state/starling"), record.Base)
			// The login user's own is not touched by it.
			_, mine := b.with("", wire.Become{})
			require.Equal(t, b.login.Name+"\n", string(b.run(mine, "id -un").Stdout))
		})
	}
}

// on is b for a part of its test.
func (b *two) on(t *testing.T) *two {
	return &two{b.bench, t, b.login, b.other}
}

// doasConf lets doas do this, on this machine.
func doasConf(t *testing.T, lines ...string) {
	t.Helper()
	const path = "/etc/doas.conf"
	if _, err := os.Lstat(path); err == nil {
		t.Skip("this machine has a " + path + " of its own")
	}
	text := strings.Join(append(lines, ""), "\n")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	t.Cleanup(func() { os.Remove(path) })
}

// A job under another user is started, and everything else is done by programs that know it from the journal only, and
// come as the login user.
func TestBecomeJobIsFoundFromTheJournal(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	engine, h := b.with(b.login.Password, b.sudo())
	start := func(text string) string {
		r, err := h.Start(b.ctx, job.Command{Text: text, Display: text, Limit: 2 * time.Minute})
		require.NoError(t, err)
		return r.ID
	}
	long, short, left := start("echo begun; sleep 100 & sleep 100"), start("echo done; exit 4"), start("sleep 100")
	mine, err := h.As(wire.Become{}).Start(b.ctx, job.Command{Text: "echo mine", Limit: time.Minute})
	require.NoError(t, err)
	engine.Close()

	other, second := b.with(b.login.Password, b.sudo())
	second = second.As(wire.Become{})
	b.eventually("the output is there", func() bool {
		data, err := second.Read(b.ctx, long, job.Stdout, 0, 100)
		require.NoError(t, err)
		return string(data) == "begun\n"
	})
	looked, err := second.Look(b.ctx, []string{long, mine.ID, left}, 0)
	require.NoError(t, err)
	require.Equal(t, wire.Running, looked[0].State)
	require.Equal(t, mine.ID, looked[1].ID)
	require.Equal(t, wire.Running, looked[2].State)
	results, err := other.Wait(b.ctx, []job.Ref{{Host: second, ID: short}, {Host: second, ID: mine.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
	require.NoError(t, err)
	require.Equal(t, 4, results[0].RC)
	require.Equal(t, "done\n", string(results[0].Stdout))
	require.Equal(t, "mine\n", string(results[1].Stdout))
	cancelled, err := second.Cancel(b.ctx, long, time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.Cancelled, cancelled.State)
	require.NoError(t, second.Release(b.ctx, left))
	record, err := b.journal.Find(b.ctx, short)
	require.NoError(t, err)
	require.Equal(t, job.Reaped, record.Seen.Phase)
	var copied bytes.Buffer
	_, err = second.Copy(b.ctx, &copied, short, job.Stdout, 0)
	require.NoError(t, err)
	require.Equal(t, "done\n", copied.String())
	require.NoError(t, other.Clean(b.ctx, []job.Ref{{Host: second, ID: short}}))
	require.NoFileExists(t, filepath.Join(record.Base, "v1", short, "out"))
	_, err = second.Cancel(b.ctx, left, 0)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(sleepsOf(b.other)) == 0 }, patience, 50*time.Millisecond)

	// Without the password nothing can be asked, and that is one error.
	_, blind := b.with("", wire.Become{})
	_, err = blind.Look(b.ctx, []string{long}, 0)
	requireBecome(t, err, job.BecomeNeedsPassword, b.server.Name, b.other.Name)
}

// sleepsOf are the sleeping commands of a user.
func sleepsOf(a *sshdtest.Account) (pids []int) {
	for _, pid := range a.Processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if bytes.HasPrefix(line, []byte("sleep\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func requireBecome(t *testing.T, err error, problem job.BecomeProblem, words ...string) {
	t.Helper()
	var failed *job.BecomeError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, problem, failed.Problem, "%v", err)
	var broken *job.BrokenError
	require.False(t, errors.As(err, &broken), "it is known what became of it: nothing")
	require.NotContains(t, err.Error(), "\n")
	for _, word := range words {
		require.Contains(t, err.Error()+" "+failed.Hint(), word)
	}
}

// What goes wrong is one error, at once, for each kind of call.
func TestBecomeErrors(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	rule := "ALL=(" + b.other.Name + ") "
	for _, row := range []struct {
		name     string
		set      func(t *testing.T)
		as       wire.Become
		password string
		problem  job.BecomeProblem
		words    []string
	}{
		{"wrong password", func(t *testing.T) { b.on(t).sudoers(rule + "ALL") }, b.sudo(), "bad", job.BecomeWrongPassword, []string{"tried once"}},
		{"no password", func(t *testing.T) { b.on(t).sudoers(rule + "ALL") }, b.sudo(), "", job.BecomeNeedsPassword, []string{"--ask-become-pass", "NOPASSWD"}},
		{"not in sudoers", func(*testing.T) {}, b.sudo(), b.login.Password, job.BecomeDenied, []string{"visudo", "not in the sudoers file"}},
		{"not as this user", func(t *testing.T) { b.on(t).sudoers("ALL=(nobody) ALL") }, b.sudo(), b.login.Password, job.BecomeDenied, []string{"visudo"}},
		{"for one command", func(t *testing.T) { b.on(t).sudoers(rule + "NOPASSWD: /bin/true") }, b.sudo(), b.login.Password, job.BecomeDenied, []string{"single commands"}},
		{"one command, no password", func(t *testing.T) { b.on(t).sudoers(rule + "NOPASSWD: /bin/true") }, b.sudo(), "", job.BecomeNeedsPassword, nil},
		{"requiretty", func(t *testing.T) {
			b.on(t).sudoers(rule+"NOPASSWD: ALL", "Defaults:"+b.login.Name+" requiretty")
		}, b.sudo(), "", job.BecomeNoTerminal, []string{"!requiretty"}},
		{"no such user", func(t *testing.T) { b.on(t).sudoers("ALL=(ALL) NOPASSWD: ALL") }, wire.Become{Method: "sudo", User: "nosuchuser"}, "", job.BecomeNoUser, []string{"getent passwd nosuchuser"}},
		{"su, wrong password", func(*testing.T) {}, wire.Become{Method: "su", User: b.other.Name}, "bad", job.BecomeWrongPassword, []string{"password of " + b.other.Name}},
		{"su, no password", func(*testing.T) {}, wire.Become{Method: "su", User: b.other.Name}, "", job.BecomeNeedsPassword, []string{"password of " + b.other.Name}},
		{"su, no such user", func(*testing.T) {}, wire.Become{Method: "su", User: "nosuchuser"}, "", job.BecomeNoUser, []string{"getent passwd nosuchuser"}},
		{"doas, with a password", func(t *testing.T) { doasConf(t, fmt.Sprintf("permit %s as %s", b.login.Name, b.other.Name)) },
			wire.Become{Method: "doas", User: b.other.Name}, b.login.Password, job.BecomeNeedsPassword, []string{"nopass", "terminal"}},
		{"doas, not allowed", func(t *testing.T) { doasConf(t, "permit nopass nobody") }, wire.Become{Method: "doas", User: b.other.Name}, "", job.BecomeDenied, []string{"doas.conf"}},
		{"doas, no such user", func(t *testing.T) { doasConf(t, "permit nopass "+b.login.Name) }, wire.Become{Method: "doas", User: "nosuchuser"}, "", job.BecomeNoUser, nil},
		{"doas, not set up", func(t *testing.T) {
			doasConf(t)
			os.Remove("/etc/doas.conf")
		}, wire.Become{Method: "doas", User: b.other.Name}, "", job.BecomeDenied, []string{"doas.conf"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.set(t)
			b := b.on(t)
			engine, h := b.with(row.password, row.as)
			words := append([]string{b.server.Name, row.as.User, row.as.Method}, row.words...)
			_, err := h.Run(b.ctx, job.Command{Text: "echo never >$HOME/never"}, 0)
			requireBecome(t, err, row.problem, words...)
			_, err = h.Start(b.ctx, job.Command{Text: "echo never >$HOME/never", Limit: time.Minute})
			requireBecome(t, err, row.problem, words...)
			require.True(t, job.NeverStarted(err))
			_, err = h.Reboot(b.ctx, job.Reboot{Timeout: time.Minute, ConnectTimeout: 10 * time.Second})
			requireBecome(t, err, row.problem, words...)
			require.NotContains(t, err.Error(), b.login.Password)
			require.Empty(t, engine.Ledger())
			require.NoFileExists(t, filepath.Join(b.other.Home, "never"))
			// The login user is not affected.
			require.Equal(t, b.login.Name+"\n", string(b.run(h.As(wire.Become{}), "id -un").Stdout))
		})
	}
}

// A start that the host refuses after others is no job, and not in doubt either.
func TestBecomeThatIsTakenAway(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	password := b.login.Password
	engine := job.New(job.Config{Recorder: b.journal, Password: func(context.Context, string, wire.Become) (string, error) { return password, nil }})
	t.Cleanup(engine.Close)
	h := b.reach(engine, b.server.ConfigFile).As(b.sudo())
	first, err := h.Start(b.ctx, job.Command{Text: "true", Limit: time.Minute})
	require.NoError(t, err)
	h.Rest()
	password = ""
	_, err = h.Start(b.ctx, job.Command{Text: "true", Limit: time.Minute})
	requireBecome(t, err, job.BecomeNeedsPassword)
	require.True(t, job.NeverStarted(err))
	ledger := engine.Ledger()
	require.Len(t, ledger, 2)
	require.Equal(t, job.Refused, ledger[1].Seen.Phase)
	// To wait for the other is of no use before somebody changes something.
	_, err = engine.Wait(b.ctx, []job.Ref{{Host: h, ID: first.ID}}, job.Pace{Every: time.Second})
	requireBecome(t, err, job.BecomeNeedsPassword)
	require.Len(t, engine.Unreaped(), 1)
	password = b.login.Password
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: h, ID: first.ID}}, job.Pace{Every: time.Second})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, results[0].State)
}

func TestBecomeWithoutTheProgram(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(bin), 0o755))
	b := newTwo(t, sshdtest.Options{SetEnv: map[string]string{"PATH": bin}})
	_, h := b.with("", b.sudo())
	_, err := h.Run(b.ctx, job.Command{Text: "true"}, 0)
	requireBecome(t, err, job.BecomeNoMethod, b.server.Name, "install sudo")
}

// A wrong password is sent to a host once, however often it is needed: hosts lock accounts for that.
func TestBecomeTriesAWrongPasswordOnce(t *testing.T) {
	for _, method := range []string{"sudo", "su"} {
		t.Run(method, func(t *testing.T) {
			b := newTwo(t, sshdtest.Options{})
			log := filepath.Join(t.TempDir(), "sudo.log")
			b.sudoers("ALL=("+b.other.Name+") ALL", "Defaults:"+b.login.Name+" logfile="+log)
			_, h := b.with("bad", wire.Become{Method: method, User: b.other.Name})
			for range 3 {
				_, err := h.Run(b.ctx, job.Command{Text: "true"}, 0)
				requireBecome(t, err, job.BecomeWrongPassword)
			}
			if method == "sudo" {
				var text []byte
				b.eventually("sudo has noted it", func() bool {
					text, _ = os.ReadFile(log)
					return len(text) > 0
				})
				require.Equal(t, 1, strings.Count(string(text), "incorrect password"), "%s", text)
			}
		})
	}
}

// Root becomes anybody without a password.
func TestBecomeAsRoot(t *testing.T) {
	other := sshdtest.NewAccount(t)
	b := newBench(t, sshdtest.Options{})
	for _, method := range []string{"su", "sudo"} {
		h := b.host.As(wire.Become{Method: method, User: other.Name})
		r, err := h.Start(b.ctx, job.Command{Text: "id -un; echo $HOME", Limit: time.Minute})
		require.NoError(t, err)
		require.Equal(t, other.Name+"\n"+other.Home+"\n", string(b.wait(r.ID).Stdout))
	}
	require.Same(t, b.host, b.host.As(wire.Become{Method: "su", User: other.Name}).As(wire.Become{}))
	require.Same(t, b.host.As(wire.Become{User: other.Name}), b.host.As(wire.Become{Method: "sudo", User: other.Name}))
}

// A user whose home can't be written to has its jobs elsewhere.
func TestBecomeUserWithoutAHome(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") NOPASSWD: ALL")
	require.NoError(t, os.Chown(b.other.Home, 0, 0))
	defer os.Chown(b.other.Home, b.other.UID, b.other.GID)
	engine, h := b.with("", b.sudo())
	r, err := h.Start(b.ctx, job.Command{Text: "id -un", Limit: time.Minute})
	require.NoError(t, err)
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: h, ID: r.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
	require.NoError(t, err)
	require.Equal(t, b.other.Name+"\n", string(results[0].Stdout))
	record, err := b.journal.Find(b.ctx, r.ID)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("/var/tmp/starling-%d", b.other.UID), record.Base)
}

// An attached command of another user whose time is up is ended, with its tree.
func TestBecomeTimeout(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	_, h := b.with(b.login.Password, b.sudo())
	r, err := h.Run(b.ctx, job.Command{Text: "echo begun; sleep 1000 & sleep 1000"}, 3*time.Second)
	require.NoError(t, err)
	require.Equal(t, wire.TimedOut, r.State)
	require.Equal(t, "begun\n", string(r.Stdout))
	require.Eventually(t, func() bool { return len(sleepsOf(b.other)) == 0 }, patience, 50*time.Millisecond)
}

// One session is enough for any number of users, one after the other.
func TestBecomeInOneSession(t *testing.T) {
	b := newTwo(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 1"}})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	engine, h := b.with(b.login.Password, b.sudo())
	mine := h.As(wire.Become{})
	for range 2 {
		theirs, err := h.Start(b.ctx, job.Command{Text: "id -un", Limit: time.Minute})
		require.NoError(t, err)
		own, err := mine.Start(b.ctx, job.Command{Text: "id -un", Limit: time.Minute})
		require.NoError(t, err)
		require.Equal(t, b.other.Name+"\n", string(b.run(h, "id -un").Stdout))
		require.Equal(t, b.login.Name+"\n", string(b.run(mine, "id -un").Stdout))
		results, err := engine.Wait(b.ctx, []job.Ref{{Host: mine, ID: theirs.ID}, {Host: mine, ID: own.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
		require.NoError(t, err)
		require.Equal(t, b.other.Name+"\n", string(results[0].Stdout))
		require.Equal(t, b.login.Name+"\n", string(results[1].Stdout))
	}
}

func TestBecomeReboot(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	flag := filepath.Join(b.other.Home, "rebooting")
	ctx, cancel := context.WithCancel(b.ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			if os.Remove(flag) == nil {
				<-b.server.Reboot(200 * time.Millisecond)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	defer watching.Wait()
	defer cancel()
	engine, h := b.with(b.login.Password, b.sudo())
	started, err := h.Start(b.ctx, job.Command{Text: "sleep 100", Limit: time.Hour})
	require.NoError(t, err)
	r, err := h.Reboot(b.ctx, job.Reboot{Timeout: time.Minute, ConnectTimeout: 10 * time.Second, TestCommand: `test "$(id -un)" = ` + b.other.Name, Command: "touch $HOME/rebooting"})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
	require.Equal(t, b.other.Name+"\n", string(b.run(h, "id -un").Stdout))
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: h, ID: started.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
	require.NoError(t, err)
	require.Equal(t, wire.Lost, results[0].State)
}

// The password is on no command line, in no environment, and in nothing that is kept or told, whatever goes wrong.
func TestBecomePasswordLeavesNoTrace(t *testing.T) {
	b := newTwo(t, sshdtest.Options{})
	b.sudoers("ALL=(" + b.other.Name + ") ALL")
	wrong := "wrong-" + b.login.Password
	secrets := [][]byte{[]byte(b.login.Password), []byte(b.other.Password), []byte(wrong)}
	stop, seen := make(chan struct{}), make(chan string, 1)
	var scan sync.WaitGroup
	for range 2 {
		scan.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, kind := range []string{"cmdline", "environ"} {
					paths, _ := filepath.Glob("/proc/[0-9]*/" + kind)
					for _, path := range paths {
						text, _ := os.ReadFile(path)
						for _, secret := range secrets {
							if bytes.Contains(text, secret) {
								select {
								case seen <- fmt.Sprintf("%s: %q", path, text):
								default:
								}
							}
						}
					}
				}
			}
		})
	}
	var told []error
	for _, row := range []struct {
		method, password string
	}{{"sudo", b.login.Password}, {"su", b.other.Password}, {"sudo", wrong}, {"su", wrong}} {
		engine, h := b.with(row.password, wire.Become{Method: row.method, User: b.other.Name})
		for range 3 {
			_, err := h.Run(b.ctx, job.Command{Text: "env; ps -ef"}, 0)
			told = append(told, err)
			r, err := h.Start(b.ctx, job.Command{Text: "env", Limit: time.Minute})
			told = append(told, err)
			if err == nil {
				results, err := engine.Wait(b.ctx, []job.Ref{{Host: h, ID: r.ID}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
				require.NoError(t, err)
				told = append(told, fmt.Errorf("%+v %s %s", results, results[0].Stdout, results[0].Stderr))
			}
		}
		engine.Close()
	}
	close(stop)
	scan.Wait()
	select {
	case where := <-seen:
		t.Fatal(where)
	default:
	}
	events, err := json.Marshal(b.events)
	require.NoError(t, err)
	require.NoError(t, b.journal.Close())
	kept := [][]byte{events, []byte(fmt.Sprint(told)), []byte(b.server.Log())}
	for _, folder := range []string{b.journalFolder, b.login.Home, b.other.Home, b.server.Dir()} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				text, _ := os.ReadFile(path)
				kept = append(kept, text)
			}
			return nil
		}))
	}
	for _, text := range kept {
		for _, secret := range secrets {
			require.NotContains(t, string(text), string(secret))
		}
	}
}
