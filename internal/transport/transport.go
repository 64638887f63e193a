// Package transport is the way to one host: it runs a command line there and carries its bytes. It holds the
// interface, the target and the typed errors; ssh, local and fake implement it, and transporttest holds one suite
// for all three. It knows nothing of jobs, scripts or the on-host protocol.
package transport

import (
	"context"
	"io"
)

// Target names one host and what was said about reaching it. The zero value of every field but Name means "what the
// user's ssh_config says, else what ssh(1) would do".
type Target struct {
	Name string `json:"name"`           // what the user called the host; it stands in every message
	Addr string `json:"addr,omitempty"` // host name or IP address; "" is Name
	Port int    `json:"port,omitempty"` // 0 is ssh_config's, else 22
	User string `json:"user,omitempty"` // "" is ssh_config's, else the local user
	// ConfigFile is the ssh_config to read in place of the user's and the system's, as ssh -F; "" reads those two.
	ConfigFile string `json:"config_file,omitempty"`
	// IdentityFile is the private key to offer before any other, as ssh -i; a leading ~/ is the local user's home.
	IdentityFile string `json:"identity_file,omitempty"`
	// Jump is the way there, as ssh -J: [user@]host[:port], several separated by commas, and "none" for a direct
	// one whatever ssh_config says.
	Jump string `json:"jump,omitempty"`
}

// Command is one command line and its three streams.
type Command struct {
	// Line is parsed by the login shell of the target's user.
	Line string
	// Stdin is the command's input; nil is an empty one. When it is an io.Closer, Exec closes it before it returns,
	// which must unblock a Read under way; one that is no io.Closer must not block.
	Stdin io.Reader
	// Stdout and Stderr take the output, as bytes, in the order it comes; nil discards. They are not written to
	// after Exec has returned: a Write under way when ctx ends is waited for. One may block: the command is then held
	// back, and no other command of the host is.
	Stdout, Stderr io.Writer
	// Crowded, when not nil, is called while the host has no room for another session (sshd's MaxSessions): the caller
	// may end one that it does not need. It may be called again, and must return soon.
	Crowded func()
}

// Transport runs commands on one host. Its methods may be called from many goroutines at once.
type Transport interface {
	// Exec runs cmd and waits for its end. It dials first when no connection is open. It returns nil for exit status
	// zero, *ExitError for any other or a signal, *DisconnectedError when the connection went away before the status
	// came (what became of the command is not known), *UnreachableError, *HostKeyError or *AuthError when the command
	// was never sent, and an error that wraps ctx's cause when ctx ended first: the session is closed then, and what
	// became of the command is not known either. No goroutine of Exec is left when it returns.
	Exec(ctx context.Context, cmd Command) error

	// Close closes the connection and ends every Exec under way with a *DisconnectedError. It may be called at any
	// time and again; a later Exec dials anew.
	Close() error
}
