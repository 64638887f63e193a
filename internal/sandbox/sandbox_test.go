package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// helperVariable makes the test binary run a sandbox in the folder it names, until it is killed.
const helperVariable = "STARLING_SANDBOX_TEST_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		os.Exit(helper(dir))
	}
	goleak.VerifyTestMain(m)
}

func helper(dir string) int {
	s, err := Start(context.Background(), 2, Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.config)
	io.Copy(io.Discard, os.Stdin)
	return 0 // without Close: dying is what is tested
}

// journal is a log to wait for lines in.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) await(t *testing.T, line string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(j.String(), line+"\n") }, "log has no line %q", line)
}

func eventually(t *testing.T, cond func() bool, msg ...any) {
	t.Helper()
	require.Eventually(t, cond, 20*time.Second, 10*time.Millisecond, msg...)
}

func start(t *testing.T, n int, o Options) *Sandbox {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Downtime == 0 {
		o.Downtime = 50 * time.Millisecond
	}
	s, err := Start(t.Context(), n, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		left, err := os.ReadDir(o.Dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return s
}

// dial connects with x/crypto's client, host keys checked.
func dial(t *testing.T, s *Sandbox, i int) *ssh.Client {
	t.Helper()
	client, err := tryDial(s, i)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func tryDial(s *Sandbox, i int) (*ssh.Client, error) {
	key, err := os.ReadFile(filepath.Join(s.dir, "id_ed25519"))
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	known, err := knownhosts.New(filepath.Join(s.dir, "known_hosts"))
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.hosts[i].port), &ssh.ClientConfig{
		User:            loginName(),
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: known,
		Timeout:         10 * time.Second,
	})
}

// output runs line in a session of its own and returns its standard output, which must come with exit status 0.
func output(t *testing.T, c *ssh.Client, line string) string {
	t.Helper()
	session, err := c.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.Output(line)
	require.NoError(t, err, line)
	return strings.TrimSpace(string(out))
}

// openssh is a command of the real client.
func openssh(t *testing.T, config, host, line string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("no ssh here")
	}
	return exec.CommandContext(t.Context(), path, "-F", config, host, line)
}

// alive reports whether pid is a process and no zombie.
func alive(pid int) bool {
	_, ok := selector{}.read(strconv.Itoa(pid))
	return ok
}

func TestHostsAreNamedAndApart(t *testing.T) {
	s := start(t, 3, Options{})
	targets := s.Hosts()
	require.Len(t, targets, 3)
	seen := map[string]bool{}
	for i, target := range targets {
		require.Equal(t, fmt.Sprintf("sandbox%d", i+1), target.Name)
		require.FileExists(t, target.ConfigFile)
		seen[output(t, dial(t, s, i), `pwd; cat "$STARLING_BOOT_ID_FILE"`)] = true
	}
	require.Len(t, seen, 3)
}

func TestStartRefuses(t *testing.T) {
	_, err := Start(t.Context(), 0, Options{})
	require.ErrorContains(t, err, "at least 1")

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Start(ctx, 2, Options{Dir: dir})
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDirWithSpaceAndPercent(t *testing.T) {
	s := start(t, 1, Options{Dir: filepath.Join(t.TempDir(), "a b %h 'c'")})
	out, err := openssh(t, s.config, "sandbox1", "command -v shutdown").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "a b %h 'c'")
}

func TestStrangersAreRefused(t *testing.T) {
	s := start(t, 1, Options{})
	addr := fmt.Sprintf("127.0.0.1:%d", s.hosts[0].port)
	_, other, err := newKey()
	require.NoError(t, err)
	_, err = ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User:            loginName(),
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(other), ssh.Password("")},
		HostKeyCallback: ssh.FixedHostKey(s.hosts[0].key),
	})
	require.ErrorContains(t, err, "unable to authenticate")
}

// The one that matters most: what a script of a user calls "reboot" must be ours, whatever the user's environment is.
func TestPowerCommandsAreTheStubs(t *testing.T) {
	evil := filepath.Join(t.TempDir(), "rc")
	require.NoError(t, os.WriteFile(evil, []byte("PATH=/usr/sbin:/sbin:/usr/bin:/bin\n"), 0o600))
	t.Setenv("PATH", "/usr/sbin:/sbin:"+os.Getenv("PATH"))
	t.Setenv("ENV", evil)
	t.Setenv("BASH_ENV", evil)
	s := start(t, 1, Options{})
	bin := filepath.Join(s.hosts[0].dir, "bin")
	client := dial(t, s, 0)

	for name := range stubScripts() {
		require.Equal(t, filepath.Join(bin, name), output(t, client, "command -v "+name))
		require.Equal(t, filepath.Join(bin, name), output(t, client, "sudo -n sh -c 'command -v "+name+"'"))
	}
	require.True(t, strings.HasPrefix(output(t, client, "echo $PATH"), bin+":"))

	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	for _, name := range []string{"PATH", "ENV", "BASH_ENV", "LD_PRELOAD", cookieName, "STARLING_BOOT_ID_FILE"} {
		require.Error(t, session.Setenv(name, "/sbin"), name)
	}
	require.NoError(t, session.Setenv("LC_TIME", "de_DE"))
	require.NoError(t, session.Setenv("LANG", "de_DE"))
	session.Stdin = strings.NewReader("command -v reboot; echo $LC_TIME $LANG\n")
	var out bytes.Buffer
	session.Stdout = &out
	require.NoError(t, session.Shell())
	require.NoError(t, session.Wait())
	require.Equal(t, filepath.Join(bin, "reboot")+"\nde_DE de_DE\n", out.String())
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/nowhere")
	t.Setenv("MY_SECRET", "x")
	s := start(t, 1, Options{})
	env := output(t, dial(t, s, 0), "env | sed 's/=.*//' | sort | tr '\\n' ' '")
	require.Equal(t, "HOME LANG LOGNAME PATH PWD SHELL STARLING_BOOT_ID_FILE STARLING_SANDBOX USER",
		strings.TrimSpace(strings.ReplaceAll(env, "_ ", "")))
}

func TestManyHosts(t *testing.T) {
	began := time.Now()
	s := start(t, 50, Options{})
	started := time.Since(began)
	var wg sync.WaitGroup
	for i := range s.hosts {
		wg.Go(func() {
			c, err := tryDial(s, i)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			session, err := c.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			if err := session.Run("setsid sleep 1000 >/dev/null 2>&1 & exit 0"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	began = time.Now()
	require.NoError(t, s.Close())
	t.Logf("50 hosts: up in %v, closed in %v", started, time.Since(began))
}
