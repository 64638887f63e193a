package ssh

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"starling/internal/sshdtest"
	"starling/internal/transport"
)

func authError(t *testing.T, err error) *transport.AuthError {
	var e *transport.AuthError
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Hint)
	return e
}

// writeKeyPair writes a private key, encrypted when there is a passphrase, and returns its path and public half.
func writeKeyPair(t *testing.T, passphrase string) (string, xssh.Signer, any) {
	signer, private := newKey(t)
	block, err := xssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = xssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "id")
	write(t, path, string(pem.EncodeToMemory(block)))
	return path, signer, private
}

func authorize(t *testing.T, s *sshdtest.Server, keys ...xssh.PublicKey) {
	text := ""
	for _, key := range keys {
		text += keyLine(key) + "\n"
	}
	write(t, filepath.Join(s.Dir(), "authorized_keys"), text)
}

func via(s *sshdtest.Server, extra ...string) transport.Target {
	return transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(s.Addr(), extra...)}
}

func TestWrongUser(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	at := target(s)
	at.User = "no-such-user"
	e := authError(t, run(t, to(t, at, options())))
	require.Equal(t, "no-such-user", e.User)
	require.Equal(t, s.Addr(), e.Addr)
	require.Equal(t, []string{"key " + s.IdentityFile}, e.Tried)
	require.Contains(t, e.Hint, "ssh -v")
}

func TestWrongKey(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	wrong, _, _ := writeKeyPair(t, "")
	authorize(t, s)
	e := authError(t, run(t, to(t, via(s, "IdentityFile "+wrong, "IdentityFile /no/such"), options())))
	require.Equal(t, []string{"key /no/such (no such file)", "key " + wrong, "key " + s.IdentityFile}, e.Tried)
}

func TestSecondKeyFits(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	wrong, _, _ := writeKeyPair(t, "")
	require.NoError(t, run(t, to(t, via(s, "IdentityFile "+wrong), options())))
}

// asker answers prompts from a list, and then fails.
type asker struct {
	mu        sync.Mutex
	answers   []string
	questions []string
	echos     []bool
}

func (a *asker) prompt(_ context.Context, question string, echo bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.questions, a.echos = append(a.questions, question), append(a.echos, echo)
	if len(a.answers) == 0 {
		return "", errors.New("nobody answers")
	}
	answer := a.answers[0]
	a.answers = a.answers[1:]
	return answer, nil
}

func TestEncryptedKey(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	path, signer, _ := writeKeyPair(t, "sesame")
	authorize(t, s, signer.PublicKey())
	at := via(s, "IdentityFile "+path)

	t.Run("nobody to ask", func(t *testing.T) {
		e := authError(t, run(t, to(t, at, options())))
		require.Equal(t, []string{"key " + path + " (encrypted, and nobody to ask for its passphrase)", "key " + s.IdentityFile}, e.Tried)
		require.Equal(t, "ssh-add "+path, e.Hint)
	})
	t.Run("asked once for many hosts and connections", func(t *testing.T) {
		a := &asker{answers: []string{"wrong", "sesame"}}
		o := options()
		o.Prompt, o.Shared = a.prompt, &Shared{}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Add(1)
			tr := to(t, at, o)
			go func() {
				defer wg.Done()
				errs[i] = run(t, tr)
				tr.Close()
				errs[i] = errors.Join(errs[i], run(t, tr))
			}()
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, []string{"Passphrase for key " + path + ": ", "Passphrase for key " + path + ": "}, a.questions)
		require.Equal(t, []bool{false, false}, a.echos)
	})
	t.Run("not asked when the host does not want it", func(t *testing.T) {
		a := &asker{}
		o := options()
		o.Prompt = a.prompt
		authorize(t, s)
		authError(t, run(t, to(t, at, o)))
		require.Empty(t, a.questions)
		authorize(t, s, signer.PublicKey())
	})
	t.Run("nobody answers", func(t *testing.T) {
		o := options()
		o.Prompt = (&asker{}).prompt
		e := authError(t, run(t, to(t, at, o)))
		require.ErrorContains(t, e.Err, "nobody answers")
	})
}

// startAgent runs an agent with keys and returns its socket.
func startAgent(t *testing.T, keys ...agent.AddedKey) string {
	keyring := agent.NewKeyring()
	for _, key := range keys {
		require.NoError(t, keyring.Add(key))
	}
	dir, err := os.MkdirTemp("", "agent") // t.TempDir may be too long for a socket
	require.NoError(t, err)
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer conn.Close()
				_ = agent.ServeAgent(keyring, conn) // ends with its client
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
		os.RemoveAll(dir)
	})
	return socket
}

func TestAgent(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	right, rightPrivate := newKey(t)
	wrong, wrongPrivate := newKey(t)
	authorize(t, s, right.PublicKey())
	socket := startAgent(t, agent.AddedKey{PrivateKey: wrongPrivate, Comment: "old laptop"}, agent.AddedKey{PrivateKey: rightPrivate})
	o := options()
	o.AgentSocket = socket
	fromOptions := via(s, "IdentityAgent SSH_AUTH_SOCK", "IdentitiesOnly no")
	require.NoError(t, run(t, to(t, fromOptions, o)))
	require.NoError(t, run(t, to(t, via(s, "IdentityAgent "+socket, "IdentitiesOnly no"), options())))

	public := filepath.Join(t.TempDir(), "id.pub")
	write(t, public, keyLine(right.PublicKey())+"\n")
	t.Run("IdentitiesOnly names one by its public half", func(t *testing.T) {
		only := via(s, "IdentityAgent SSH_AUTH_SOCK", "IdentityFile "+public)
		require.NoError(t, run(t, to(t, only, o)))
		authorize(t, s)
		e := authError(t, run(t, to(t, only, o)))
		require.Equal(t, []string{"agent key " + xssh.FingerprintSHA256(right.PublicKey()), "key " + s.IdentityFile}, e.Tried)
		authorize(t, s, right.PublicKey())
	})
	t.Run("IdentitiesOnly keeps the others back", func(t *testing.T) {
		e := authError(t, run(t, to(t, via(s, "IdentityAgent SSH_AUTH_SOCK"), o)))
		require.Equal(t, []string{"key " + s.IdentityFile}, e.Tried)
	})
	t.Run("names", func(t *testing.T) {
		authorize(t, s)
		e := authError(t, run(t, to(t, fromOptions, o)))
		require.Equal(t, "agent key "+xssh.FingerprintSHA256(wrong.PublicKey())+" (old laptop)", e.Tried[0])
		require.Equal(t, "key "+s.IdentityFile, e.Tried[2])
		authorize(t, s, right.PublicKey())
	})
	t.Run("not there", func(t *testing.T) {
		gone := options()
		gone.AgentSocket = "/no/such/agent"
		e := authError(t, run(t, to(t, fromOptions, gone)))
		require.Equal(t, "agent /no/such/agent (cannot be reached)", e.Tried[0])
	})
	t.Run("an encrypted key file that the agent holds is not asked about", func(t *testing.T) {
		path, signer, private := writeKeyPair(t, "sesame")
		authorize(t, s, signer.PublicKey())
		with := options()
		with.AgentSocket = startAgent(t, agent.AddedKey{PrivateKey: private})
		at := via(s, "IdentityAgent SSH_AUTH_SOCK", "IdentityFile "+path)
		require.NoError(t, run(t, to(t, at, with)))
		authorize(t, s)
		e := authError(t, run(t, to(t, at, with)))
		require.Equal(t, []string{"agent key " + xssh.FingerprintSHA256(signer.PublicKey()), "key " + s.IdentityFile}, e.Tried)
		require.NotContains(t, e.Hint, "ssh-add")
	})
}

// TestSilentAgent has an agent that takes the connection and never answers: ctx ends the wait.
func TestSilentAgent(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	socket := filepath.Join(s.Dir(), "agent")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listener.Close()
	tr := to(t, via(s, "IdentityAgent "+socket), options())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 1)) // it has been asked
			cancel()
			_, _ = conn.Read(make([]byte, 64))
		}
	}()
	require.ErrorIs(t, tr.Exec(ctx, transport.Command{Line: "true"}), context.Canceled)
}

func TestUserCertificate(t *testing.T) {
	authority, _ := newKey(t)
	ca := filepath.Join(t.TempDir(), "ca.pub")
	write(t, ca, keyLine(authority.PublicKey())+"\n")
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"TrustedUserCAKeys " + ca}})
	authorize(t, s)
	path, signer, private := writeKeyPair(t, "")
	cert := certify(t, authority, signer.PublicKey(), xssh.UserCert, s.User, time.Hour)
	beside := path + "-cert.pub"
	elsewhere := filepath.Join(t.TempDir(), "cert.pub")

	write(t, elsewhere, keyLine(cert)+"\n")
	require.NoError(t, run(t, to(t, via(s, "IdentityFile "+path, "CertificateFile "+elsewhere), options())))
	authError(t, run(t, to(t, via(s, "IdentityFile "+path), options())))

	write(t, beside, keyLine(cert)+"\n")
	require.NoError(t, run(t, to(t, via(s, "IdentityFile "+path), options())))

	t.Run("the key in the agent", func(t *testing.T) {
		o := options()
		o.AgentSocket = startAgent(t, agent.AddedKey{PrivateKey: private})
		require.NoError(t, run(t, to(t, via(s, "IdentityAgent SSH_AUTH_SOCK", "CertificateFile "+elsewhere), o)))
	})
	t.Run("expired", func(t *testing.T) {
		write(t, beside, keyLine(certify(t, authority, signer.PublicKey(), xssh.UserCert, s.User, -time.Hour))+"\n")
		e := authError(t, run(t, to(t, via(s, "IdentityFile "+path), options())))
		require.Equal(t, "certificate "+beside, e.Tried[0])
	})
	t.Run("without its key", func(t *testing.T) {
		e := authError(t, run(t, to(t, via(s, "CertificateFile "+elsewhere), options())))
		require.Contains(t, e.Tried, "certificate "+elsewhere+" (its key is not here)")
	})
}

func TestTooManyKeys(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"MaxAuthTries 2"}})
	var lines []string
	for range 4 {
		path, _, _ := writeKeyPair(t, "")
		lines = append(lines, "IdentityFile "+path)
	}
	e := authError(t, run(t, to(t, via(s, lines...), options())))
	require.Less(t, len(e.Tried), 4, "those that were not offered any more are not named")
	require.ErrorContains(t, e.Err, "Too many authentication failures")
}

// passwordHost is an SSH server that takes passwords and answers every command with exit status zero.
func passwordHost(t *testing.T, config *xssh.ServerConfig) (addr string, hostKey xssh.PublicKey) {
	signer, _ := newKey(t)
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer conn.Close()
				serveTrue(conn, config)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().String(), signer.PublicKey()
}

func serveTrue(conn net.Conn, config *xssh.ServerConfig) {
	server, channels, requests, err := xssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer func() { _ = server.Wait() }()
	go xssh.DiscardRequests(requests)
	for open := range channels {
		channel, requests, err := open.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil)
			if r.Type == "exec" {
				_, _ = channel.SendRequest("exit-status", false, make([]byte, 4))
				_ = channel.Close()
			}
		}
	}
}

func passwordTarget(t *testing.T, addr string, hostKey xssh.PublicKey, extra ...string) transport.Target {
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	known, config := filepath.Join(dir, "known_hosts"), filepath.Join(dir, "config")
	write(t, known, knownhosts.Line([]string{addr}, hostKey)+"\n")
	lines := append(extra, "HostName "+host, "Port "+port, "User ann", "UserKnownHostsFile "+known, "GlobalKnownHostsFile none")
	write(t, config, strings.Join(lines, "\n")+"\n")
	return transport.Target{Name: "pw", ConfigFile: config}
}

func TestPassword(t *testing.T) {
	var logins atomic.Int64
	config := &xssh.ServerConfig{PasswordCallback: func(_ xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
		if string(password) != "secret" {
			return nil, errors.New("wrong")
		}
		logins.Add(1)
		return nil, nil
	}}
	addr, key := passwordHost(t, config)
	at := passwordTarget(t, addr, key)

	a := &asker{answers: []string{"wrong", "secret"}}
	o := options()
	o.Prompt = a.prompt
	tr := to(t, at, o)
	require.NoError(t, run(t, tr))
	tr.Close()
	require.NoError(t, run(t, tr), "a password that worked is used again")
	require.EqualValues(t, 2, logins.Load())
	require.Equal(t, []string{"Password for ann@" + addr + ": ", "Password for ann@" + addr + ": "}, a.questions)
	require.Equal(t, []bool{false, false}, a.echos)

	t.Run("without a prompt nothing is tried", func(t *testing.T) {
		require.Empty(t, authError(t, run(t, to(t, at, options()))).Tried)
	})
	t.Run("switched off", func(t *testing.T) {
		o.Prompt = (&asker{answers: []string{"secret"}}).prompt
		require.Empty(t, authError(t, run(t, to(t, passwordTarget(t, addr, key, "PasswordAuthentication no"), o))).Tried)
	})
	t.Run("wrong thrice", func(t *testing.T) {
		o := options()
		o.Prompt = (&asker{answers: []string{"a", "b", "c", "secret"}}).prompt
		require.Equal(t, []string{"password"}, authError(t, run(t, to(t, at, o))).Tried)
	})
	t.Run("a person may think for longer than ConnectTimeout", func(t *testing.T) {
		o := options()
		o.Prompt = func(context.Context, string, bool) (string, error) {
			time.Sleep(2200 * time.Millisecond) // the only way to be late
			return "secret", nil
		}
		require.NoError(t, run(t, to(t, passwordTarget(t, addr, key, "ConnectTimeout 2"), o)))
	})
	t.Run("ctx ends while a person thinks", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		o := options()
		o.Prompt = func(ctx context.Context, _ string, _ bool) (string, error) {
			cancel()
			<-ctx.Done()
			return "", ctx.Err()
		}
		require.ErrorIs(t, to(t, at, o).Exec(ctx, transport.Command{Line: "true"}), context.Canceled)
	})
}

func TestKeyboardInteractive(t *testing.T) {
	config := &xssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
			answers, err := ask("", "Two things.", []string{"Code: ", "Colour: "}, []bool{false, true})
			if err != nil || answers[0] != "123" || answers[1] != "blue" {
				return nil, errors.New("wrong")
			}
			return nil, nil
		},
	}
	addr, key := passwordHost(t, config)
	a := &asker{answers: []string{"123", "blue"}}
	o := options()
	o.Prompt = a.prompt
	require.NoError(t, run(t, to(t, passwordTarget(t, addr, key), o)))
	require.Equal(t, []string{"ann@" + addr + ": Two things.\nCode: ", "ann@" + addr + ": Colour: "}, a.questions)
	require.Equal(t, []bool{false, true}, a.echos)
	o.Prompt = (&asker{}).prompt
	require.Equal(t, []string{"keyboard-interactive"}, authError(t, run(t, to(t, passwordTarget(t, addr, key), o))).Tried)
}
