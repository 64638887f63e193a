package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// identity is one key or certificate to offer, with its name for people.
type identity struct {
	name   string
	signer xssh.Signer // nil: it cannot be offered, and name says why
}

// identities returns what to offer, in order: certificates, keys of the agent that the config names, the agent's
// other keys, key files.
func (a *login) identities(ctx context.Context) []identity {
	files := a.keyFiles(ctx)
	held := a.agentKeys(ctx)
	byKey := map[string]xssh.Signer{}
	for _, f := range files {
		if f.signer != nil {
			byKey[string(f.signer.PublicKey().Marshal())] = f.signer
		}
	}
	inAgent := map[string]bool{}
	var named, others []identity
	for _, k := range held {
		if k.signer == nil {
			others = append(others, k)
			continue
		}
		blob := string(k.signer.PublicKey().Marshal())
		inAgent[blob] = true
		if a.publicOf[blob] {
			byKey[blob] = k.signer // in place of a key file that would have to be unlocked
			named = append(named, k)
		} else if !a.s.identitiesOnly {
			others = append(others, k)
		}
	}
	result := append(a.certificates(byKey, held), named...)
	result = append(result, others...)
	for _, f := range files {
		if f.blob != "" && inAgent[f.blob] {
			continue
		}
		if f.locked != "" {
			a.locked = append(a.locked, f.locked)
		}
		result = append(result, f.identity)
	}
	return result
}

type fileKey struct {
	identity
	blob   string // the public key; "" when it could not be found out
	locked string // the path, when nobody could be asked for the passphrase
}

// keyFiles reads the IdentityFiles, and notes their public keys in publicOf. A default that is not there is passed
// over in silence, one that was asked for is not.
func (a *login) keyFiles(ctx context.Context) []fileKey {
	a.publicOf = map[string]bool{}
	var result []fileKey
	for _, path := range a.s.identities {
		text, err := os.ReadFile(path)
		public := publicKey(path, text)
		if public != nil {
			a.publicOf[string(public.Marshal())] = true
		}
		if errors.Is(err, os.ErrNotExist) {
			// With only the public half here the private one may be in the agent.
			if a.s.identitiesSet && public == nil {
				result = append(result, fileKey{identity: identity{name: "key " + path + " (no such file)"}})
			}
			continue
		}
		if err != nil {
			result = append(result, fileKey{identity: identity{name: fmt.Sprintf("key %s (cannot be read: %v)", path, errors.Unwrap(err))}})
			continue
		}
		if key, _, _, _, err := xssh.ParseAuthorizedKey(text); err == nil && key != nil {
			continue // a public key stands for one in the agent
		}
		result = append(result, a.privateKey(ctx, path, text, public))
	}
	return result
}

func (a *login) privateKey(ctx context.Context, path string, text []byte, public xssh.PublicKey) fileKey {
	signer, err := xssh.ParsePrivateKey(text)
	var locked *xssh.PassphraseMissingError
	switch {
	case err == nil:
		return fileKey{identity: identity{"key " + path, signer}, blob: string(signer.PublicKey().Marshal())}
	case !errors.As(err, &locked):
		return fileKey{identity: identity{name: fmt.Sprintf("key %s (cannot be used: %v)", path, err)}}
	}
	if locked.PublicKey != nil {
		public = locked.PublicKey
		a.publicOf[string(public.Marshal())] = true
	}
	blob := ""
	if public != nil {
		blob = string(public.Marshal())
	}
	if a.o.Prompt == nil {
		name := "key " + path + " (encrypted, and nobody to ask for its passphrase)"
		return fileKey{identity: identity{name: name}, blob: blob, locked: path}
	}
	unlock := func() (xssh.Signer, error) { return a.shared.unlock(ctx, path, text, a.ask) }
	if public == nil { // an old format that shows nothing before it is unlocked
		signer, err := unlock()
		if err != nil {
			return fileKey{identity: identity{name: fmt.Sprintf("key %s (%v)", path, err)}}
		}
		return fileKey{identity: identity{"key " + path, signer}, blob: string(signer.PublicKey().Marshal())}
	}
	return fileKey{identity: identity{"key " + path, &lazySigner{public, unlock}}, blob: blob}
}

// certificates pairs the CertificateFiles, and the certificate beside each key file, with their private keys.
func (a *login) certificates(byKey map[string]xssh.Signer, held []identity) []identity {
	for _, k := range held {
		if k.signer != nil {
			if blob := string(k.signer.PublicKey().Marshal()); byKey[blob] == nil {
				byKey[blob] = k.signer
			}
		}
	}
	var result []identity
	paths := append([]string{}, a.s.certificates...)
	for _, path := range a.s.identities {
		paths = append(paths, path+"-cert.pub")
	}
	for i, path := range paths {
		asked := i < len(a.s.certificates)
		text, err := os.ReadFile(path)
		if err != nil {
			if asked {
				result = append(result, identity{name: fmt.Sprintf("certificate %s (cannot be read: %v)", path, errors.Unwrap(err))})
			}
			continue
		}
		key, _, _, _, err := xssh.ParseAuthorizedKey(text)
		cert, ok := key.(*xssh.Certificate)
		if err != nil || !ok {
			result = append(result, identity{name: "certificate " + path + " (is none)"})
			continue
		}
		signer := byKey[string(cert.Key.Marshal())]
		if signer == nil {
			result = append(result, identity{name: "certificate " + path + " (its key is not here)"})
			continue
		}
		certified, err := xssh.NewCertSigner(cert, signer)
		if err != nil {
			result = append(result, identity{name: fmt.Sprintf("certificate %s (%v)", path, err)})
			continue
		}
		result = append(result, identity{"certificate " + path, certified})
	}
	return result
}

const agentTimeout = 10 * time.Second

// agentKeys lists the agent's keys. The connection to it stays open until the login is over, since it signs.
func (a *login) agentKeys(ctx context.Context) []identity {
	if a.s.agent == "" {
		return nil
	}
	dialer := net.Dialer{Timeout: agentTimeout}
	conn, err := dialer.DialContext(ctx, "unix", a.s.agent)
	if err != nil {
		return []identity{{name: fmt.Sprintf("agent %s (cannot be reached)", a.s.agent)}}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	a.closers = append(a.closers, func() { stop(); conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(agentTimeout)) // a unix socket has deadlines
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil {
		return []identity{{name: fmt.Sprintf("agent %s (does not answer: %v)", a.s.agent, err)}}
	}
	signers, err := client.Signers()
	_ = conn.SetDeadline(time.Time{}) // signing may wait for a person to confirm or to touch
	if err != nil {
		return []identity{{name: fmt.Sprintf("agent %s (does not answer: %v)", a.s.agent, err)}}
	}
	comments := map[string]string{}
	for _, key := range keys {
		comments[string(key.Marshal())] = key.Comment
	}
	var result []identity
	for _, signer := range signers {
		name := "agent key " + xssh.FingerprintSHA256(signer.PublicKey())
		if comment := comments[string(signer.PublicKey().Marshal())]; comment != "" {
			name += " (" + comment + ")"
		}
		result = append(result, identity{name, signer})
	}
	return result
}

// publicKey finds the public half of a key file: in the .pub beside it, or in the file itself when that is one.
func publicKey(path string, text []byte) xssh.PublicKey {
	if key, _, _, _, err := xssh.ParseAuthorizedKey(text); err == nil {
		return key
	}
	beside, err := os.ReadFile(path + ".pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := xssh.ParseAuthorizedKey(beside)
	if err != nil {
		return nil
	}
	return key
}

// lazySigner is a key whose public half is known and whose private half is unlocked only when the host has said
// that it would take it.
type lazySigner struct {
	public xssh.PublicKey
	unlock func() (xssh.Signer, error)
}

func (l *lazySigner) PublicKey() xssh.PublicKey { return l.public }

func (l *lazySigner) Sign(rand io.Reader, data []byte) (*xssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

func (l *lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*xssh.Signature, error) {
	signer, err := l.unlock()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signer.PublicKey().Marshal(), l.public.Marshal()) {
		return nil, errors.New("the .pub file beside the key is not its public half")
	}
	with, ok := signer.(xssh.AlgorithmSigner)
	if !ok || algorithm == "" {
		return signer.Sign(rand, data)
	}
	return with.SignWithAlgorithm(rand, data, algorithm)
}

var _ xssh.AlgorithmSigner = (*lazySigner)(nil)

// hintFor says what helps against a refused login.
func (a *login) hintFor(target string) string {
	if len(a.locked) > 0 {
		return "ssh-add " + strings.Join(a.locked, " ")
	}
	return fmt.Sprintf("ssh -v -p %d %s@%s true shows what ssh does differently for %s", a.s.port, a.s.user, a.s.host, target)
}
