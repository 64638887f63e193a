package ssh

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"starling/internal/sshdtest"
	"starling/internal/transport"
)

func run(t *testing.T, tr transport.Transport) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return tr.Exec(ctx, transport.Command{Line: "true"})
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func newKey(t *testing.T) (xssh.Signer, ed25519.PrivateKey) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := xssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer, private
}

func keyLine(key xssh.PublicKey) string {
	return strings.TrimSpace(string(xssh.MarshalAuthorizedKey(key)))
}

func hostKeyError(t *testing.T, err error, problem transport.HostKeyProblem) *transport.HostKeyError {
	var e *transport.HostKeyError
	require.ErrorAs(t, err, &e)
	require.Equal(t, problem, e.Problem, "%v", err)
	require.NotEmpty(t, e.Hint)
	return e
}

func TestUnknownHost(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	write(t, s.KnownHosts, "")
	e := hostKeyError(t, run(t, to(t, target(s), options())), transport.HostKeyUnknown)
	require.Equal(t, xssh.FingerprintSHA256(s.HostKey), e.Fingerprint)
	require.Equal(t, "ssh-ed25519", e.KeyType)
	require.Equal(t, s.Addr(), e.Addr)
	require.Contains(t, e.Hint, fmt.Sprintf("ssh-keyscan -p %d 127.0.0.1", s.Port()))
	require.Empty(t, read(t, s.KnownHosts))
	require.NotContains(t, s.Log(), "Accepted")
}

func TestAcceptNew(t *testing.T) {
	tests := []struct {
		name   string
		config string
		accept bool
	}{
		{"option", "StrictHostKeyChecking yes", true},
		{"ssh_config", "StrictHostKeyChecking accept-new", false},
		{"no is no weaker", "StrictHostKeyChecking no", false},
		{"hashed", "StrictHostKeyChecking accept-new\nHashKnownHosts yes", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sshdtest.Start(t, sshdtest.Options{})
			config := s.ConfigVia(s.Addr(), strings.Split(tt.config, "\n")...)
			write(t, s.KnownHosts, "other.example.com "+keyLine(s.HostKey)) // and no line end
			o := options()
			o.AcceptNew = tt.accept
			at := transport.Target{Name: s.Name, ConfigFile: config}
			require.NoError(t, run(t, to(t, at, o)))
			lines := strings.Split(strings.TrimSpace(read(t, s.KnownHosts)), "\n")
			require.Len(t, lines, 2)
			require.Equal(t, tt.name == "hashed", strings.HasPrefix(lines[1], "|1|"), lines[1])
			require.NoError(t, run(t, to(t, target(s), options())), "it is known now, to the strict too")

			shown := s.RotateHostKey()
			e := hostKeyError(t, run(t, to(t, at, o)), transport.HostKeyChanged)
			require.Equal(t, xssh.FingerprintSHA256(shown), e.Fingerprint)
		})
	}
}

func TestAcceptNewThatCannotBeKept(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	config := s.ConfigVia(s.Addr(), "UserKnownHostsFile "+t.TempDir())
	o := options()
	o.AcceptNew = true
	err := run(t, to(t, transport.Target{Name: s.Name, ConfigFile: config}, o))
	require.ErrorContains(t, err, "cannot keep the new host key")
	require.True(t, transport.NotSent(err))
}

func TestChangedHostKey(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	shown := s.RotateHostKey()
	e := hostKeyError(t, run(t, to(t, target(s), options())), transport.HostKeyChanged)
	require.Equal(t, xssh.FingerprintSHA256(shown), e.Fingerprint)
	require.Equal(t, []string{fmt.Sprintf("%s:1 (ssh-ed25519 %s)", s.KnownHosts, xssh.FingerprintSHA256(s.HostKey))}, e.Known)
	require.Contains(t, e.Hint, fmt.Sprintf("ssh-keygen -R '[127.0.0.1]:%d' -f %s", s.Port(), s.KnownHosts))
}

func TestRevokedHostKey(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	write(t, s.KnownHosts, read(t, s.KnownHosts)+"@revoked * "+keyLine(s.HostKey)+"\n")
	o := options()
	o.AcceptNew = true
	e := hostKeyError(t, run(t, to(t, target(s), o)), transport.HostKeyRevoked)
	require.Len(t, e.Known, 1)
	require.Contains(t, e.Known[0], s.KnownHosts+":2 ")
}

// writeHostKey writes a private key for sshd's HostKey, and returns its path and public half.
func writeHostKey(t *testing.T, private crypto.Signer) (string, xssh.PublicKey) {
	block, err := xssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, string(pem.EncodeToMemory(block)))
	public, err := xssh.NewPublicKey(private.Public())
	require.NoError(t, err)
	return file, public
}

// TestKnownKeyTypeIsAskedFor has a host with three keys of which one is known.
func TestKnownKeyTypeIsAskedFor(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	file, public := writeHostKey(t, rsaKey)
	ecFile, ecPublic := writeHostKey(t, ecKey)
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"HostKey " + file, "HostKey " + ecFile}})
	for _, known := range []xssh.PublicKey{public, ecPublic, s.HostKey} {
		t.Run(known.Type(), func(t *testing.T) {
			write(t, s.KnownHosts, knownhosts.Line([]string{s.Addr()}, known)+"\n")
			require.NoError(t, run(t, to(t, target(s), options())))
		})
	}

	tests := []struct{ name, line string }{
		{"plain", knownhosts.Line([]string{s.Addr()}, public)},
		{"hashed", knownhosts.HashHostname(knownhosts.Normalize(s.Addr())) + " " + keyLine(public)},
		{"without the port", "127.0.0.1 " + keyLine(public)},
		{"wildcard", "127.0.* " + keyLine(public)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, s.KnownHosts, tt.line+"\n")
			require.NoError(t, run(t, to(t, target(s), options())))
		})
	}
	t.Run("too short", func(t *testing.T) {
		config := s.ConfigVia(s.Addr(), "RequiredRSASize 3072", "HostKeyAlgorithms rsa-sha2-512")
		write(t, s.KnownHosts, tests[0].line+"\n")
		err := run(t, to(t, transport.Target{Name: s.Name, ConfigFile: config}, options()))
		require.ErrorContains(t, err, "2048 bits is shorter than RequiredRSASize 3072")
	})
	t.Run("another key type than the known one", func(t *testing.T) {
		write(t, s.KnownHosts, tests[0].line+"\n")
		config := s.ConfigVia(s.Addr(), "HostKeyAlgorithms ssh-ed25519")
		write(t, s.KnownHosts, tests[0].line+"\n")
		hostKeyError(t, run(t, to(t, transport.Target{Name: s.Name, ConfigFile: config}, options())), transport.HostKeyChanged)
	})
}

func TestHostKeyAlias(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	config := s.ConfigVia(s.Addr(), "HostKeyAlias the-host")
	at := transport.Target{Name: s.Name, ConfigFile: config}
	hostKeyError(t, run(t, to(t, at, options())), transport.HostKeyUnknown)
	write(t, s.KnownHosts, "the-host "+keyLine(s.HostKey)+"\n")
	require.NoError(t, run(t, to(t, at, options())))
}

func TestSeveralKnownHostsFiles(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	second := filepath.Join(t.TempDir(), "second")
	config := s.ConfigVia(s.Addr(), "UserKnownHostsFile /no/such "+s.KnownHosts+" "+second)
	write(t, second, read(t, s.KnownHosts))
	write(t, s.KnownHosts, "")
	require.NoError(t, run(t, to(t, transport.Target{Name: s.Name, ConfigFile: config}, options())))
	write(t, second, "what is this\n")
	err := run(t, to(t, transport.Target{Name: s.Name, ConfigFile: config}, options()))
	require.ErrorContains(t, err, second+":1")
	require.True(t, transport.NotSent(err))
}

// certify returns a certificate for key, signed by authority.
func certify(t *testing.T, authority xssh.Signer, key xssh.PublicKey, kind uint32, principal string, until time.Duration) *xssh.Certificate {
	cert := &xssh.Certificate{
		Key: key, CertType: kind, ValidPrincipals: []string{principal}, KeyId: "test", Serial: 1,
		ValidAfter: uint64(time.Now().Add(-2 * time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(until).Unix()),
	}
	if kind == xssh.UserCert {
		cert.Permissions.Extensions = map[string]string{"permit-pty": "", "permit-port-forwarding": ""}
	}
	require.NoError(t, cert.SignCert(rand.Reader, authority))
	return cert
}

func TestHostCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile := filepath.Join(dir, "host-cert.pub")
	authority, _ := newKey(t)
	hostKey, private := newKey(t)
	keyFile := filepath.Join(dir, "host")
	block, err := xssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	write(t, keyFile, string(pem.EncodeToMemory(block)))
	write(t, keyFile+".pub", keyLine(hostKey.PublicKey())+"\n")
	show := func(c *xssh.Certificate) { write(t, certFile, keyLine(c)+"\n") }
	good := certify(t, authority, hostKey.PublicKey(), xssh.HostCert, "127.0.0.1", time.Hour)
	show(good)
	s := sshdtest.Start(t, sshdtest.Options{ExtraConfig: []string{"HostKey " + keyFile, "HostCertificate " + certFile}})
	trust := fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s\n", s.Port(), keyLine(authority.PublicKey()))

	write(t, s.KnownHosts, trust)
	require.NoError(t, run(t, to(t, target(s), options())))

	write(t, s.KnownHosts, trust+"@revoked * "+keyLine(authority.PublicKey())+"\n")
	hostKeyError(t, run(t, to(t, target(s), options())), transport.HostKeyRevoked)

	write(t, s.KnownHosts, trust+"@revoked * "+keyLine(hostKey.PublicKey())+"\n")
	hostKeyError(t, run(t, to(t, target(s), options())), transport.HostKeyRevoked)

	accept := options()
	accept.AcceptNew = true
	for name, cert := range map[string]*xssh.Certificate{
		"expired":    certify(t, authority, hostKey.PublicKey(), xssh.HostCert, "127.0.0.1", -time.Hour),
		"other host": certify(t, authority, hostKey.PublicKey(), xssh.HostCert, "10.0.0.1", time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			show(cert)
			write(t, s.KnownHosts, trust)
			e := hostKeyError(t, run(t, to(t, target(s), accept)), transport.HostKeyChanged)
			require.Contains(t, e.Hint, "certificate does not hold")
			require.Contains(t, e.Known[0], "authority")
		})
	}
	t.Run("another authority", func(t *testing.T) {
		show(good)
		other, _ := newKey(t)
		write(t, s.KnownHosts, strings.ReplaceAll(trust, keyLine(authority.PublicKey()), keyLine(other.PublicKey())))
		hostKeyError(t, run(t, to(t, target(s), accept)), transport.HostKeyChanged)
	})
	t.Run("no authority known, the key is", func(t *testing.T) {
		show(good)
		write(t, s.KnownHosts, knownhosts.Line([]string{s.Addr()}, hostKey.PublicKey())+"\n")
		require.NoError(t, run(t, to(t, target(s), options())))
	})
}
