package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"starling/internal/sshdtest"
)

// becoming is a host to which one user logs in, who may become another with a password, and the program.
type becoming struct {
	*program
	login, other *sshdtest.Account
	config       string
	pass         string // a file with the password
}

func newBecoming(t *testing.T) *becoming {
	b := &becoming{program: newProgram(t), login: sshdtest.NewAccount(t), other: sshdtest.NewAccount(t)}
	sshdtest.Sudoers(t, "Defaults:"+b.login.Name+` env_keep += "STARLING_BOOT_ID_FILE STARLING_TEST_HOST"`,
		fmt.Sprintf("%s ALL=(%s) ALL", b.login.Name, b.other.Name))
	b.config = sshdtest.Start(t, sshdtest.Options{User: b.login}).ConfigFile
	b.pass = b.file("pass", b.login.Password+"\nnot this\n")
	return b
}

func (b *becoming) file(name, text string) string {
	path := filepath.Join(b.t.TempDir(), name)
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// does runs the program, which must exit with this code, and returns all it said.
func (b *becoming) does(code int, args ...string) (out, errs string) {
	b.t.Helper()
	args = append([]string{args[0], "-F", b.config}, args[1:]...)
	out, errs, killed, got := b.run(patience, args...)
	require.False(b.t, killed, "%s %s", out, errs)
	require.Equal(b.t, code, got, "%s %s", out, errs)
	require.NotContains(b.t, out+errs, b.login.Password)
	return out, errs
}

const becomingScript = `
print("I am", run("id -un").stdout)
print("or", run("id -un", become=False).stdout)
print("again", run("id -un; cat", stdin="in", async=60, poll=0.2, become=True).stdout)
`

func TestBecomeFlags(t *testing.T) {
	b := newBecoming(t)
	script := b.file("main.star", becomingScript)
	flags := []string{"-b", "--become-user", b.other.Name, "--become-pass-file", b.pass}
	out, _ := b.does(0, append([]string{"run", script, "--on", "web1"}, flags...)...)
	want := []string{"I am " + b.other.Name, "or " + b.login.Name, "again " + b.other.Name}
	for _, line := range want {
		require.Contains(t, out, line)
	}
	out, _ = b.does(0, append(append([]string{"exec"}, flags...), "web1", "--", "id", "-un")...)
	require.Contains(t, out, b.other.Name+"\n")

	// What the inventory says goes before the flags.
	inventory := b.file("hosts.ini", "web1 ansible_become=yes ansible_become_user="+b.other.Name+"\n")
	out, _ = b.does(0, "run", script, "-i", inventory, "--on", "web1", "--become-user", "nobody", "--become-pass-file", b.pass)
	for _, line := range want {
		require.Contains(t, out, line)
	}
	inventory = b.file("hosts.ini", "web1 ansible_become=no\n")
	out, _ = b.does(0, append(append([]string{"exec", "-i", inventory}, flags...), "web1", "--", "id", "-un")...)
	require.Contains(t, out, b.login.Name+"\n")
}

func TestBecomeFailsOnce(t *testing.T) {
	b := newBecoming(t)
	script := b.file("main.star", becomingScript)
	for _, row := range []struct {
		name  string
		code  int
		args  []string
		words []string
	}{
		{"wrong", 1, []string{"--become-pass-file", b.file("pass", "bad\n")}, []string{"web1: can't become " + b.other.Name, "sudo did not take the password of " + b.login.Name, "hint: "}},
		{"none", 1, nil, []string{"sudo asks for a password, and none was given", "--ask-become-pass", b.login.Name + " ALL=(" + b.other.Name + ") NOPASSWD: ALL"}},
		{"empty", 2, []string{"--become-pass-file", b.file("pass", "")}, []string{"is empty"}},
		{"no file", 2, []string{"--become-pass-file", "/no/such/file"}, []string{"--become-pass-file: open /no/such/file"}},
		{"no terminal", 2, []string{"-K"}, []string{"there is no terminal"}},
		{"two", 2, []string{"-K", "--become-pass-file", b.pass}, []string{"one of them"}},
		{"method", 2, []string{"--become-method", "runas"}, []string{"sudo, doas, su"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, errs := b.does(row.code, append([]string{"run", script, "--on", "web1", "-b", "--become-user", b.other.Name}, row.args...)...)
			for _, word := range row.words {
				require.Contains(t, errs, word)
			}
			require.LessOrEqual(t, strings.Count(errs, "can't become"), 3, "as it happens, in the recap, and in full: %s", errs)
		})
	}
}

// A job under another user is left by one program; others, who know it from the journal, do with it what they like.
func TestBecomeJobsCommands(t *testing.T) {
	b := newBecoming(t)
	script := b.file("main.star", `
for n in range(3):
    print("job", run("id -un; sleep 0.%d; [ %d = 0 ] && exec sleep 100" % (n, n), async=600, poll=0, ok_codes=[0, 1]).jid)
`)
	out, _ := b.does(3, "run", script, "--on", "web1", "-b", "--become-user", b.other.Name, "--become-pass-file", b.pass)
	var ids []string
	for _, line := range strings.Split(out, "\n") {
		if _, id, ok := strings.Cut(line, "job j-"); ok && len(strings.Fields(line)) <= 3 {
			ids = append(ids, "j-"+id)
		}
	}
	require.Len(t, ids, 3, out)
	t.Setenv("STARLING_BECOME_PASS", b.login.Password)
	out, _ = b.does(0, "jobs", "show", ids[0])
	require.Contains(t, out, "running")
	require.Contains(t, out, b.other.Name+" (by sudo)")
	require.Contains(t, out, b.other.Home+"/.local/state/starling/v1/"+ids[0])
	require.Eventually(t, func() bool {
		out, _ := b.does(0, "jobs", "logs", ids[0])
		return out == b.other.Name+"\n"
	}, patience, 100*time.Millisecond)
	out, _ = b.does(0, "jobs", "cancel", ids[0], "--grace", "1")
	require.Contains(t, out, "cancelled")
	out, _ = b.does(0, "jobs", "reap", ids[1])
	require.Contains(t, out, "succeeded")
	out, _ = b.does(0, "jobs", "list", "--all", "--on", "web1", "-b", "--become-user", b.other.Name)
	for _, id := range ids {
		require.Contains(t, out, id)
	}
	out, _ = b.does(0, "jobs", "list", "--all", "--on", "web1")
	require.NotContains(t, out, ids[0])
	b.does(0, "jobs", "clean", ids[1])

	require.NoError(t, os.Unsetenv("STARLING_BECOME_PASS"))
	_, errs := b.does(1, "jobs", "show", ids[2])
	require.Contains(t, errs, "sudo asks for a password, and none was given")
	b.does(0, "jobs", "reap", ids[2], "--become-pass-file", b.pass)
}

// A run that was killed goes on as the user that it was.
func TestBecomeResume(t *testing.T) {
	b := newBecoming(t)
	script := b.file("main.star", `
print("first", run("id -un").stdout)
run("sleep 6", async=60, poll=0.2)
print("second", run("id -un").stdout)
`)
	_, _, killed, _ := b.run(4*time.Second, "run", script, "-F", b.config, "--on", "web1", "-b", "--become-user", b.other.Name, "--become-pass-file", b.pass)
	require.True(t, killed)
	out, _ := b.does(0, "runs")
	id := strings.Fields(strings.Split(out, "\n")[1])[0]
	out, _ = b.does(0, "resume", id, "--become-pass-file", b.pass)
	require.NotContains(t, out, "first")
	require.Contains(t, out, "second "+b.other.Name)
	journal, err := os.ReadFile(b.journal)
	require.NoError(t, err)
	require.NotContains(t, string(journal), b.login.Password)
}

// -K asks once, at the terminal, without an echo.
func TestBecomeAsks(t *testing.T) {
	b := newBecoming(t)
	script := b.file("main.star", "print(run('id -un').stdout)\n")
	for name, args := range map[string][]string{"exec": {"exec", "web1", "--", "id", "-un"}, "run": {"run", script, "--on", "web1"}} {
		t.Run(name, func(t *testing.T) { b.answers(t, args) })
	}
}

// answers runs a command at a terminal, where it must ask once for the password.
func (b *becoming) answers(t *testing.T, args []string) {
	cmd := exec.Command(b.path, append([]string{args[0], "-F", b.config, "-b", "-K", "--become-user", b.other.Name}, args[1:]...)...)
	cmd.Env = append(os.Environ(), "STARLING_JOURNAL="+b.journal)
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer terminal.Close()
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var said strings.Builder
	part := make([]byte, 4096)
	for answered := false; ; {
		n, err := terminal.Read(part)
		said.Write(part[:n])
		if !answered && strings.Contains(said.String(), "Password to become another user:") {
			answered = true
			require.Eventually(t, func() bool {
				state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
				return err == nil && state.Lflag&unix.ECHO == 0
			}, patience, time.Millisecond)
			_, err := terminal.WriteString(b.login.Password + "\n")
			require.NoError(t, err)
		}
		if err != nil {
			break // the terminal goes with the program
		}
	}
	require.NoError(t, cmd.Wait(), said.String())
	require.Contains(t, said.String(), b.other.Name)
	require.NotContains(t, said.String(), b.login.Password)
	require.Equal(t, 1, strings.Count(said.String(), "Password to become"))
}
