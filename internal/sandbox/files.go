package sandbox

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// newKey makes a key pair.
func newKey() (ed25519.PrivateKey, ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return private, signer, err
}

// writeClientKey makes the one key that all hosts accept, writes it to path and returns its public half.
func writeClientKey(path string) (ssh.PublicKey, error) {
	private, signer, err := newKey()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "starling sandbox")
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

// writeConfig writes the ssh_config that names all hosts, and the known_hosts file that it points at. Nothing of the
// user's own configuration, agent or known hosts plays a part.
func writeConfig(dir, path, login string, hosts []*host) error {
	if strings.ContainsAny(dir+login, "\"\n") {
		return fmt.Errorf("%s: ssh_config cannot hold a path with a quote or a line feed", dir)
	}
	file := func(name string) string {
		return `"` + strings.ReplaceAll(filepath.Join(dir, name), "%", "%%") + `"`
	}
	var known, config strings.Builder
	for _, h := range hosts {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.port))
		fmt.Fprintln(&known, knownhosts.Line([]string{addr}, h.key))
		fmt.Fprintf(&config, "Host %s\n  Port %d\n", h.name, h.port)
	}
	fmt.Fprintf(&config, "Host *\n  HostName 127.0.0.1\n  User %q\n", login)
	fmt.Fprintf(&config, "  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n", file("id_ed25519"))
	fmt.Fprintf(&config, "  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n", file("known_hosts"))
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(config.String()), 0o600)
}

// replaceFile puts text at path in one step: a reader sees the old text or the new, never half.
func replaceFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
