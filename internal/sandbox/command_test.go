package sandbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func TestEndsOfACommand(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	for _, tt := range []struct {
		name, line string
		status     int
		signal     string
	}{
		{"success", "true", 0, ""},
		{"failure", "exit 3", 3, ""},
		{"highest status", "exit 255", 255, ""},
		{"not found", "no-such-command-here", 127, ""},
		{"killed", "kill -KILL $$", 0, "KILL"},
		{"terminated", "kill -TERM $$", 0, "TERM"},
		{"a signal without an SSH name", "kill -VTALRM $$", 0, "SIG@openssh.com"},
		{"empty line", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session, err := client.NewSession()
			require.NoError(t, err)
			defer session.Close()
			err = session.Run(tt.line)
			if tt.status == 0 && tt.signal == "" {
				require.NoError(t, err)
				return
			}
			var exit *ssh.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, tt.signal, exit.Signal())
			if tt.signal == "" {
				require.Equal(t, tt.status, exit.ExitStatus())
			}
		})
	}
}

func TestStreamsAreBytes(t *testing.T) {
	s := start(t, 1, Options{})
	want := make([]byte, 5<<20)
	rand.Read(want)
	client := dial(t, s, 0)
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	var stdout, stderr bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(want), &stdout, &stderr
	require.NoError(t, session.Run("tee /dev/stderr"))
	require.True(t, bytes.Equal(want, stdout.Bytes()))
	require.True(t, bytes.Equal(want, stderr.Bytes()))
}

func TestOpenSSHClient(t *testing.T) {
	s := start(t, 1, Options{})
	want := make([]byte, 1<<20)
	rand.Read(want)
	cmd := openssh(t, s.config, "sandbox1", "cat; echo oops >&2; exit 7")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(want), &stderr
	got, err := cmd.Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.ExitCode())
	require.True(t, bytes.Equal(want, got))
	require.Equal(t, "oops\n", stderr.String())
}

// What reads no input must not hold up the end of the session, nor may output that nobody reads.
func TestInputThatNobodyReads(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	in, err := session.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, session.Start("exit 4"))
	io.Copy(in, io.LimitReader(zeros{}, 1<<20))
	var exit *ssh.ExitError
	require.ErrorAs(t, session.Wait(), &exit)
	require.Equal(t, 4, exit.ExitStatus())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSignalRequest(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.StdoutPipe()
	require.NoError(t, err)
	// The child in the middle must get it too: the group is signalled, as by sshd.
	require.NoError(t, session.Start("echo up; sh -c 'sleep 1000; true'; true"))
	_, err = io.ReadFull(out, make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, session.Signal(ssh.SIGTERM))
	var exit *ssh.ExitError
	require.ErrorAs(t, session.Wait(), &exit)
	require.Equal(t, "TERM", exit.Signal())
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	require.Error(t, session.RequestPty("xterm", 24, 80, nil))
	require.Error(t, session.RequestSubsystem("sftp"))
	ok, err := session.SendRequest("signal", true, ssh.Marshal(struct{ Name string }{"TERM"}))
	require.NoError(t, err)
	require.False(t, ok, "nothing runs yet")
	require.NoError(t, session.Run("true"), "a refused pty is no obstacle")

	_, err = client.Dial("tcp", "127.0.0.1:1")
	var open *ssh.OpenChannelError
	require.ErrorAs(t, err, &open)
	require.Equal(t, ssh.Prohibited, open.Reason)

	_, _, err = client.SendRequest("keepalive@openssh.com", true, nil)
	require.NoError(t, err, "an answer is what counts")
}

func TestMaxSessions(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	var sessions []*ssh.Session
	var inputs []io.WriteCloser
	for range maxSessions {
		session, err := client.NewSession()
		require.NoError(t, err)
		in, err := session.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, session.Start("cat"))
		sessions, inputs = append(sessions, session), append(inputs, in)
	}
	_, err := client.NewSession()
	var open *ssh.OpenChannelError
	require.ErrorAs(t, err, &open)
	require.Equal(t, ssh.ConnectionFailed, open.Reason)
	require.NoError(t, dial(t, s, 0).Close(), "another connection is not concerned")

	inputs[0].Close()
	require.NoError(t, sessions[0].Wait())
	eventually(t, func() bool {
		session, err := client.NewSession()
		if err != nil {
			return false
		}
		return session.Run("true") == nil
	})
}

// As under sshd, the end of a connection is not the end of what it started; only its streams are gone.
func TestCommandOutlivesItsConnection(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	session, err := client.NewSession()
	require.NoError(t, err)
	_, err = session.StdinPipe() // else the input ends at once
	require.NoError(t, err)
	out, err := session.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, session.Start("trap '' PIPE; echo up; read x; while echo gone 2>/dev/null; do sleep 0.02; done; echo broken >result; sleep 1000"))
	_, err = io.ReadFull(out, make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, client.Close())

	again := dial(t, s, 0)
	eventually(t, func() bool { return output(t, again, "cat result 2>/dev/null; true") == "broken" })
}

// The session's channel stays open as long as somebody holds the output, as it does under sshd.
func TestBackgroundChildHoldsTheChannel(t *testing.T) {
	s := start(t, 1, Options{})
	require.Equal(t, "one\ntwo", output(t, dial(t, s, 0), "(sleep 0.3; echo two) & echo one"))
}

func TestManyCommandsAtOnce(t *testing.T) {
	s := start(t, 2, Options{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			client, err := tryDial(s, i%2)
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			for j := range 10 {
				session, err := client.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				session.Stdin = strings.NewReader(strconv.Itoa(j))
				out, err := session.Output("cat; exit 5")
				var exit *ssh.ExitError
				if !errors.As(err, &exit) || exit.ExitStatus() != 5 || string(out) != strconv.Itoa(j) {
					t.Errorf("run %d: %q, %v", j, out, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestEveryCommandLeadsASession(t *testing.T) {
	s := start(t, 1, Options{})
	client := dial(t, s, 0)
	line := `set -- $(cat /proc/$$/stat); [ "$5" = $$ ] && [ "$6" = $$ ] && echo $$`
	require.NotEqual(t, output(t, client, line), output(t, client, line))
}
