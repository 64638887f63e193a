package sshdtest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client runs the system's ssh with the host's config.
func client(s *Server, config, line string) (string, error) {
	cmd := exec.Command("ssh", "-F", config, s.Name, line)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestSession(t *testing.T) {
	s := Start(t, Options{SetEnv: map[string]string{"COLOUR": "blue and green"}})
	out, err := client(s, s.ConfigFile, `pwd; echo "$HOME"; echo "$COLOUR"; cat "$STARLING_BOOT_ID_FILE"; exit 3`)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode())
	id, err := os.ReadFile(s.BootIDFile)
	require.NoError(t, err)
	require.Equal(t, s.Home+"\n"+s.Home+"\nblue and green\n"+string(id), out)
	require.Equal(t, 1, s.Accepted())
	require.True(t, waitFor(func() bool { return s.Connections() == 0 }))
}

func TestLoginShell(t *testing.T) {
	tests := []struct{ shell, rc, line, want string }{
		{"/bin/dash", "", `echo 'it''s' $0 "two  blanks"`, "its /bin/dash two  blanks\n"},
		{"/bin/bash", ".bashrc", `echo 'it''s' "${BASH_VERSION:+bash}"`, "noise\nits bash\n"},
		{"/usr/bin/fish", ".config/fish/config.fish", `echo (status fish-path)`, "noise\n/usr/bin/fish\n"},
		{"/usr/bin/tcsh", ".cshrc", `echo 'it''s' $?tcsh`, "noise\nits 1\n"},
		{"/usr/bin/zsh", ".zshenv", `echo 'it''s' "${ZSH_VERSION:+zsh}"`, "noise\nits zsh\n"},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.shell), func(t *testing.T) {
			if _, err := os.Stat(tt.shell); err != nil {
				t.Fatalf("no %s: apt-get install -y %s", tt.shell, filepath.Base(tt.shell))
			}
			s := Start(t, Options{LoginShell: tt.shell})
			if tt.rc != "" {
				rc := filepath.Join(s.Home, tt.rc)
				require.NoError(t, os.MkdirAll(filepath.Dir(rc), 0o755))
				require.NoError(t, os.WriteFile(rc, []byte("echo noise\n"), 0o644))
			}
			out, err := client(s, s.ConfigFile, tt.line)
			require.NoError(t, err, out)
			// The user's own shell, which starts this one, may read the same file: noise more than once is no fault.
			for strings.HasPrefix(out, "noise\nnoise\n") {
				out = strings.TrimPrefix(out, "noise\n")
			}
			require.Equal(t, tt.want, out)
		})
	}
}

func TestSftpSubsystem(t *testing.T) {
	s := Start(t, Options{})
	cmd := exec.Command("sftp", "-b", "-", "-F", s.ConfigFile, s.Name)
	cmd.Stdin = strings.NewReader("pwd\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), s.Home)
}

func TestRefuse(t *testing.T) {
	s := Start(t, Options{})
	s.Refuse(true)
	_, err := net.Dial("tcp", s.Addr())
	require.ErrorContains(t, err, "refused")
	s.Refuse(false)
	out, err := client(s, s.ConfigFile, "echo back")
	require.NoError(t, err, out)
}

// inBackground leaves one process in the session and one that has left it, and returns when both run.
func inBackground(t *testing.T, s *Server) (session *exec.Cmd) {
	session = exec.Command("ssh", "-F", s.ConfigFile, s.Name, `setsid sleep 1001 >/dev/null 2>&1 </dev/null & echo up; exec sleep 1002`)
	stdout, err := session.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, session.Start())
	line := make([]byte, 3)
	_, err = io.ReadFull(stdout, line)
	require.NoError(t, err)
	require.True(t, waitFor(func() bool { return running(s, "sleep\x001001\x00") && running(s, "sleep\x001002\x00") }))
	return session
}

func running(s *Server, cmdline string) bool {
	for _, pid := range s.Processes() {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); string(line) == cmdline {
			return true
		}
	}
	return false
}

func TestDropAllSparesDetached(t *testing.T) {
	s := Start(t, Options{})
	session := inBackground(t, s)
	s.DropAll()
	require.Error(t, session.Wait())
	require.Zero(t, s.Connections())
	require.True(t, waitFor(func() bool { return !running(s, "sleep\x001002\x00") }))
	require.True(t, running(s, "sleep\x001001\x00"))
}

func TestReboot(t *testing.T) {
	s := Start(t, Options{})
	before, err := os.ReadFile(s.BootIDFile)
	require.NoError(t, err)
	session := inBackground(t, s)
	back := s.Reboot(50 * time.Millisecond)
	require.Empty(t, s.Processes())
	require.Error(t, session.Wait())
	<-back
	out, err := client(s, s.ConfigFile, `cat "$STARLING_BOOT_ID_FILE"`)
	require.NoError(t, err, out)
	require.NotEqual(t, string(before), out)
}

func TestCleanupStopsReboot(t *testing.T) {
	var back <-chan struct{}
	t.Run("host", func(t *testing.T) { back = Start(t, Options{}).Reboot(time.Hour) })
	<-back
}

func TestCleanupKillsLeftovers(t *testing.T) {
	var host *Server
	t.Run("host", func(t *testing.T) {
		host = Start(t, Options{})
		session := inBackground(t, host)
		t.Cleanup(func() { _ = session.Wait() })
		require.NoError(t, session.Process.Kill())
	})
	require.Empty(t, host.Processes())
	require.NoDirExists(t, host.Dir())
}

func TestRotateHostKey(t *testing.T) {
	s := Start(t, Options{})
	require.NotEqual(t, s.HostKey.Marshal(), s.RotateHostKey().Marshal())
	out, err := client(s, s.ConfigFile, "true")
	require.Error(t, err)
	require.Contains(t, out, "REMOTE HOST IDENTIFICATION HAS CHANGED")
	require.NoError(t, os.Truncate(s.KnownHosts, 0))
	s.Trust(s.Addr())
	out, err = client(s, s.ConfigFile, "true")
	require.NoError(t, err, out)
}

// echo is a target that answers with what it was sent.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

func TestProxyCuts(t *testing.T) {
	for _, n := range []int64{0, 1, 5, 6} {
		for name, direction := range map[string]Direction{"to server": ToServer, "to client": ToClient} {
			t.Run(fmt.Sprintf("%s after %d", name, n), func(t *testing.T) {
				p := NewProxy(t, echo(t))
				p.CutAfter(direction, n)
				conn, err := net.Dial("tcp", p.Addr())
				require.NoError(t, err)
				defer conn.Close()
				_, err = conn.Write([]byte("123456"))
				require.NoError(t, err)
				got, _ := io.ReadAll(conn) // ends, well or badly
				require.True(t, waitFor(func() bool { return p.Connections() == 0 }))
				require.Equal(t, n, p.Passed(direction))
				if direction == ToClient {
					require.Len(t, got, int(n))
				}
			})
		}
	}
}

func TestProxyDelaysAndFreezes(t *testing.T) {
	p := NewProxy(t, echo(t))
	p.Delay(20 * time.Millisecond)
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer conn.Close()
	began := time.Now()
	_, err = conn.Write([]byte("a"))
	require.NoError(t, err)
	answer := make([]byte, 1)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)

	p.Freeze(true)
	_, err = conn.Write([]byte("b"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(60*time.Millisecond)))
	_, err = conn.Read(answer)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	p.Freeze(false)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.True(t, bytes.Equal(answer, []byte("b")))
}
