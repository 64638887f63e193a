package transport

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ExitError is a command that ran and did not exit with zero.
type ExitError struct {
	Code   int    // 1 to 255; 128 and up where the shell reports a signal that way; 0 when Signal is set
	Signal string // the signal's name without SIG ("TERM") when the server reported one
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "killed by signal " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// DisconnectedError is a connection that went away under a command: whether the command ran, or still runs, is not
// known.
type DisconnectedError struct {
	Host string
	Err  error
}

func (e *DisconnectedError) Error() string { return e.Host + ": connection lost: " + e.Err.Error() }
func (e *DisconnectedError) Unwrap() error { return e.Err }

// UnreachableError is a host to which no connection could be made: nothing was sent to it.
type UnreachableError struct {
	Host string
	Addr string // host:port as dialled, or "" when it came to no dial
	Op   string // what failed: "config", "resolve", "dial", "jump", "handshake", "open session"
	Err  error
	Hint string // the command or the setting that helps; may be empty
	// Busy says that the host turned the connection away, or dropped it, before anybody was logged in, as an sshd at its
	// MaxStartups does: trying again may help.
	Busy bool
	// Tries and Over say how often it was tried and for how long; zero is once.
	Tries int
	Over  time.Duration
}

func (e *UnreachableError) Error() string {
	text := e.Host + ": unreachable: " + e.Op
	if e.Addr != "" {
		text += " " + e.Addr
	}
	text += ": " + e.Err.Error()
	if e.Tries > 1 {
		text += fmt.Sprintf(" (tried %d times over %s)", e.Tries, e.Over.Round(100*time.Millisecond))
	}
	return text
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// AuthError is a host that answered and let nobody in. Trying again without a change does not help.
type AuthError struct {
	Host, Addr, User string
	Tried            []string // methods and keys in the order they were offered, as a person would name them
	Err              error
	Hint             string
}

func (e *AuthError) Error() string {
	tried := "nothing to offer"
	if len(e.Tried) > 0 {
		tried = "tried " + strings.Join(e.Tried, ", ")
	}
	return fmt.Sprintf("%s: %s@%s refused the login (%s)", e.Host, e.User, e.Addr, tried)
}
func (e *AuthError) Unwrap() error { return e.Err }

// HostKeyProblem says why a host key was not accepted.
type HostKeyProblem string

const (
	HostKeyUnknown HostKeyProblem = "unknown" // no known_hosts file names the host
	HostKeyChanged HostKeyProblem = "changed" // one does, with another key
	HostKeyRevoked HostKeyProblem = "revoked" // the key is marked @revoked
)

// HostKeyError is a host whose key does not prove who it is. Nothing was sent to it. It must never be retried as if
// the host were merely down.
type HostKeyError struct {
	Host, Addr  string
	Problem     HostKeyProblem
	KeyType     string   // "ssh-ed25519"
	Fingerprint string   // "SHA256:…" of the key the host showed
	Known       []string // "file:line (type SHA256:…)" of the keys that were expected; empty when unknown
	Hint        string   // the command that helps
}

func (e *HostKeyError) Error() string {
	switch e.Problem {
	case HostKeyUnknown:
		return fmt.Sprintf("%s: host key of %s is unknown: it shows %s %s", e.Host, e.Addr, e.KeyType, e.Fingerprint)
	case HostKeyRevoked:
		return fmt.Sprintf("%s: host key of %s is revoked: %s %s, by %s", e.Host, e.Addr, e.KeyType, e.Fingerprint, strings.Join(e.Known, ", "))
	}
	return fmt.Sprintf("%s: host key of %s has changed: it shows %s %s, known is %s", e.Host, e.Addr, e.KeyType, e.Fingerprint, strings.Join(e.Known, ", "))
}

// Hint returns the command or setting that helps against err, or "" when none is known.
func Hint(err error) string {
	var unreachable *UnreachableError
	var auth *AuthError
	var key *HostKeyError
	switch {
	case errors.As(err, &key):
		return key.Hint
	case errors.As(err, &auth):
		return auth.Hint
	case errors.As(err, &unreachable):
		return unreachable.Hint
	}
	return ""
}

// NotSent reports whether err proves that the command never reached the host.
func NotSent(err error) bool {
	var unreachable *UnreachableError
	var auth *AuthError
	var key *HostKeyError
	return errors.As(err, &unreachable) || errors.As(err, &auth) || errors.As(err, &key)
}
