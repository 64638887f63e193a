package ssh

import (
	"context"
	"os"
	"os/user"
)

// Prompt asks the person at the terminal and returns the answer without its line end. With echo false the answer is
// a secret and must not be shown. It must return when ctx ends. It may be called from many goroutines at once.
type Prompt func(ctx context.Context, question string, echo bool) (string, error)

// Options is what a Transport knows of the world around it. It reads nothing from the environment itself.
type Options struct {
	// Home is the directory for ~ and for .ssh; "" means that there is none: no config, keys or known_hosts of a user.
	Home string
	// AgentSocket is the unix socket of the ssh-agent; "" is no agent unless ssh_config names one.
	AgentSocket string
	// LocalUser is the name to log in as when nothing else says so, and ssh_config's %u.
	LocalUser string
	// SystemConfig is read after the user's ssh_config; "" reads none.
	SystemConfig string
	// Prompt asks for passphrases and passwords; nil asks nobody, and what would need an answer is not tried.
	Prompt Prompt
	// AcceptNew adds the key of a host that is in no known_hosts file to the first of them, as
	// StrictHostKeyChecking accept-new does, whatever ssh_config says. A changed or revoked key is refused all the same.
	AcceptNew bool
	// Shared is what the transports of one run have in common, so that a passphrase is asked for once and not once
	// per host; nil is one of the transport's own.
	Shared *Shared
}

// FromEnvironment fills Options from HOME, SSH_AUTH_SOCK and the user the process runs as. It is the one place of
// this package that reads the environment. Prompt and AcceptNew are left zero.
func FromEnvironment() Options {
	o := Options{AgentSocket: os.Getenv("SSH_AUTH_SOCK"), SystemConfig: "/etc/ssh/ssh_config", Shared: &Shared{}}
	if me, err := user.Current(); err == nil {
		o.Home, o.LocalUser = me.HomeDir, me.Username
	}
	if home := os.Getenv("HOME"); home != "" {
		o.Home = home
	}
	return o
}
