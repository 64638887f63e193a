package ssh

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"starling/internal/transport"
)

// hostKeys checks the key of one host. It is made anew for every dial, from the files as they are then.
type hostKeys struct {
	target  string // the name for messages
	s       *settings
	db      *knownhosts.HostKeyDB
	address string // what the files are searched for: host:port, or the HostKeyAlias
	refusal error  // what check last answered, since x/crypto does not always keep the error whole
}

func (s *settings) hostKeys(target string, shared *Shared) (*hostKeys, error) {
	db, err := shared.knownHosts(slices.Concat(s.knownHosts, s.globalHosts))
	if err != nil {
		return nil, err
	}
	h := &hostKeys{target: target, s: s, db: db, address: strings.ToLower(s.hostPort())}
	if s.keyAlias != "" {
		h.address = net.JoinHostPort(strings.ToLower(s.keyAlias), "22")
	}
	return h, nil
}

// plainAddress is the address without its port, under which ssh(1) also finds a host that listens on another one.
func (h *hostKeys) plainAddress() string {
	host, _, err := net.SplitHostPort(h.address)
	if err != nil {
		return h.address
	}
	return net.JoinHostPort(host, "22")
}

func (h *hostKeys) known() []knownhosts.PublicKey {
	if keys := h.db.HostKeys(h.address); len(keys) > 0 {
		return keys
	}
	return h.db.HostKeys(h.plainAddress())
}

// algorithms puts the kinds of key that are known of the host first: a server asked for another kind would show a
// key that is not known, though the host is. Certificates are asked for only where an authority is known.
func (h *hostKeys) algorithms() []string {
	if h.s.hostKeyAlgorithms != nil {
		return h.s.hostKeyAlgorithms
	}
	first := h.db.HostKeyAlgorithms(h.address)
	if len(first) == 0 {
		first = h.db.HostKeyAlgorithms(h.plainAddress())
	}
	supported := xssh.SupportedAlgorithms().HostKeys
	var result []string
	for _, algorithm := range first {
		if slices.Contains(supported, algorithm) {
			result = append(result, algorithm)
		}
	}
	for _, algorithm := range supported {
		if !strings.Contains(algorithm, "-cert-") && !slices.Contains(result, algorithm) {
			result = append(result, algorithm)
		}
	}
	return result
}

// check is the HostKeyCallback.
func (h *hostKeys) check(_ string, remote net.Addr, key xssh.PublicKey) error {
	h.refusal = h.verify(remote, key)
	return h.refusal
}

func (h *hostKeys) verify(remote net.Addr, key xssh.PublicKey) error {
	if bits := rsaBits(key); bits > 0 && bits < h.s.minRSA {
		return fmt.Errorf("host key of %d bits is shorter than RequiredRSASize %d", bits, h.s.minRSA)
	}
	callback := h.db.HostKeyCallback()
	err := callback(h.address, remote, key)
	if err == nil {
		return nil
	}
	hint := ""
	plain := key
	if cert, ok := key.(*xssh.Certificate); ok {
		for _, k := range []xssh.PublicKey{cert.Key, cert.SignatureKey} {
			if revoked := new(xknownhosts.RevokedError); errors.As(callback(h.address, remote, k), &revoked) {
				return h.revoked(cert.Key, revoked)
			}
		}
		// A certificate that does not hold counts as none, as in ssh(1): the key alone may still be known.
		hint = "its certificate does not hold: " + err.Error()
		plain = cert.Key
		if err = callback(h.address, remote, plain); err == nil {
			return nil
		}
	}
	if revoked := new(xknownhosts.RevokedError); errors.As(err, &revoked) {
		return h.revoked(plain, revoked)
	}
	mismatch := new(xknownhosts.KeyError)
	if !errors.As(err, &mismatch) {
		return err
	}
	if len(mismatch.Want) == 0 && callback(h.plainAddress(), remote, plain) == nil {
		return nil
	}
	if len(mismatch.Want) > 0 || hint != "" {
		return h.changed(plain, mismatch.Want, hint)
	}
	if h.s.acceptNew {
		return h.add(plain)
	}
	return h.unknown(plain)
}

func (h *hostKeys) refuse(problem transport.HostKeyProblem, key xssh.PublicKey) *transport.HostKeyError {
	return &transport.HostKeyError{
		Host: h.target, Addr: h.s.hostPort(), Problem: problem,
		KeyType: key.Type(), Fingerprint: xssh.FingerprintSHA256(key),
	}
}

func (h *hostKeys) unknown(key xssh.PublicKey) error {
	e := h.refuse(transport.HostKeyUnknown, key)
	e.Hint = fmt.Sprintf("compare the fingerprint with one from a source you trust (ssh-keyscan -p %d %s | ssh-keygen -lf - shows what the host says), then connect once with ssh -p %d %s, or use --accept-new",
		h.s.port, h.s.host, h.s.port, h.s.host)
	return e
}

func (h *hostKeys) changed(key xssh.PublicKey, want []xknownhosts.KnownKey, hint string) error {
	e := h.refuse(transport.HostKeyChanged, key)
	authorities := map[string]bool{}
	for _, k := range h.known() {
		if k.Cert {
			authorities[string(k.Marshal())] = true
		}
	}
	file := ""
	for _, k := range want {
		what := k.Key.Type()
		if authorities[string(k.Key.Marshal())] {
			what = "authority " + what
		} else if file == "" {
			file = k.Filename
		}
		e.Known = append(e.Known, describe(k, what))
	}
	switch {
	case hint != "":
		e.Hint = hint
	case file == "":
		e.Hint = "the host shows no certificate of the authority that is known for it: ask whoever runs it why"
	default:
		e.Hint = fmt.Sprintf("find out why it changed (reinstalled, or another machine answers); only then: ssh-keygen -R '%s' -f %s",
			knownhosts.Normalize(h.address), file)
	}
	return e
}

func (h *hostKeys) revoked(key xssh.PublicKey, by *xknownhosts.RevokedError) error {
	e := h.refuse(transport.HostKeyRevoked, key)
	e.Known = []string{describe(by.Revoked, by.Revoked.Key.Type())}
	e.Hint = "the host must get a new key: whoever holds the revoked one can pose as it"
	return e
}

func describe(k xknownhosts.KnownKey, what string) string {
	return fmt.Sprintf("%s:%d (%s %s)", k.Filename, k.Line, what, xssh.FingerprintSHA256(k.Key))
}

// add appends the key to the first known_hosts file of the user. It fails when it cannot: a key that is accepted and
// not kept would be accepted anew, whatever it is, the next time.
func (h *hostKeys) add(key xssh.PublicKey) error {
	if len(h.s.knownHosts) == 0 {
		return errors.New("cannot accept a new host key: UserKnownHostsFile is none")
	}
	file := h.s.knownHosts[0]
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("cannot keep the new host key: %w", err)
	}
	address := knownhosts.Normalize(h.address)
	if h.s.hashHosts {
		address = xknownhosts.HashHostname(address)
	}
	line := address + " " + strings.TrimSpace(string(xssh.MarshalAuthorizedKey(key))) + "\n"
	if before, err := os.ReadFile(file); err == nil && len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		line = "\n" + line
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep the new host key: %w", err)
	}
	_, err = f.WriteString(line) // in one write: other hosts are being added at the same time
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("cannot keep the new host key: %w", err)
	}
	return nil
}

// rsaBits returns the size of an RSA key, certified or not, and 0 for any other.
func rsaBits(key xssh.PublicKey) int {
	if cert, ok := key.(*xssh.Certificate); ok {
		key = cert.Key
	}
	if crypto, ok := key.(xssh.CryptoPublicKey); ok {
		if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
			return public.N.BitLen()
		}
	}
	return 0
}
