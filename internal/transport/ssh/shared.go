package ssh

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
)

// Shared holds what is the same for many hosts: unlocked keys, passwords that worked, and parsed known_hosts files.
// Nothing of it is ever written down. The zero value is empty and ready; it must not be copied.
type Shared struct {
	mu        sync.Mutex
	keys      map[string]*lockedKey
	passwords map[string]string // by user@host:port
	hosts     map[string]*parsedHosts
}

// lockedKey is one encrypted key file. Its lock is held while the person is asked, so that of many hosts that want
// the key one asks and the others wait.
type lockedKey struct {
	turn   chan struct{} // holds one token: whoever has it may look at the rest
	signer xssh.Signer
	failed error
}

const passphraseTries = 3

// unlock returns the signer of an encrypted key. The person is asked at most three times in the life of Shared,
// however many hosts want the key.
func (s *Shared) unlock(ctx context.Context, path string, pem []byte, prompt Prompt) (xssh.Signer, error) {
	s.mu.Lock()
	if s.keys == nil {
		s.keys = map[string]*lockedKey{}
	}
	key := s.keys[path]
	if key == nil {
		key = &lockedKey{turn: make(chan struct{}, 1)}
		key.turn <- struct{}{}
		s.keys[path] = key
	}
	s.mu.Unlock()
	select {
	case <-key.turn:
		defer func() { key.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if key.signer != nil || key.failed != nil {
		return key.signer, key.failed
	}
	for range passphraseTries {
		passphrase, err := prompt(ctx, fmt.Sprintf("Passphrase for key %s: ", path), false)
		if err != nil {
			if ctx.Err() == nil { // a person who declines is not asked again; a run that ends says nothing
				key.failed = err
			}
			return nil, err
		}
		signer, err := xssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase))
		if err == nil {
			key.signer = signer
			return signer, nil
		}
	}
	key.failed = fmt.Errorf("%s: no right passphrase in %d tries", path, passphraseTries)
	return nil, key.failed
}

func (s *Shared) password(login string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	password, ok := s.passwords[login]
	return password, ok
}

// setPassword remembers the password of a login, or forgets it when it is empty.
func (s *Shared) setPassword(login, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passwords == nil {
		s.passwords = map[string]string{}
	}
	if password == "" {
		delete(s.passwords, login)
		return
	}
	s.passwords[login] = password
}

// parsedHosts is the content of a set of known_hosts files as of stamp.
type parsedHosts struct {
	stamp string
	db    *knownhosts.HostKeyDB
}

// knownHosts parses the files that exist, or returns what it parsed before when none has changed since.
func (s *Shared) knownHosts(files []string) (*knownhosts.HostKeyDB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var there []string
	var stamp strings.Builder
	for _, file := range files {
		info, err := os.Stat(file)
		if os.IsNotExist(err) || err == nil && !info.Mode().IsRegular() {
			continue // /dev/null is a usual way to say none
		}
		if err != nil {
			return nil, err
		}
		there = append(there, file)
		fmt.Fprintf(&stamp, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
	}
	key := strings.Join(there, "\x00")
	if have := s.hosts[key]; have != nil && have.stamp == stamp.String() {
		return have.db, nil
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, err
	}
	if s.hosts == nil {
		s.hosts = map[string]*parsedHosts{}
	}
	s.hosts[key] = &parsedHosts{stamp.String(), db}
	return db, nil
}
