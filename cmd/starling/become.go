package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"starling/builtins"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/ui"
	"starling/internal/wire"
)

// becomePassEnv holds the password to become another user with, for programs that start this one.
const becomePassEnv = "STARLING_BECOME_PASS"

// becomeFlags say as which user to act on hosts. A run's plan keeps them, but for where the password comes from.
type becomeFlags struct {
	On     bool   `json:"on,omitempty"`
	User   string `json:"user,omitempty"`
	Method string `json:"method,omitempty"`

	ask  bool
	file string
}

// flags adds all flags; passFlags alone is for commands that act as the user that a job is on record with.
func (f *becomeFlags) flags(flags *pflag.FlagSet) {
	f.userFlags(flags)
	f.passFlags(flags)
}

func (f *becomeFlags) userFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.On, "become", "b", false, "act as another user, unless the script or the inventory says otherwise")
	flags.StringVar(&f.User, "become-user", "", "the `USER` to become (default root)")
	flags.StringVar(&f.Method, "become-method", "", "become it by `METHOD`: sudo, doas or su (default sudo)")
}

func (f *becomeFlags) passFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.ask, "ask-become-pass", "K", false, "ask for the password that becoming another user takes")
	flags.StringVar(&f.file, "become-pass-file", "", "take that password from the first line of `FILE` (default $"+becomePassEnv+")")
}

// password returns where hosts get the password to become another user from; nil: there is none. It is kept in memory
// and given to a host when that asks for it.
func (r *root) password(ctx context.Context) (func(context.Context, string, wire.Become) (string, error), error) {
	f := &r.become
	if problem := (wire.Become{User: f.User, Method: f.Method}).Problem(); problem != "" {
		return nil, usage(errors.New("--become: " + problem))
	}
	given := os.Getenv(becomePassEnv)
	os.Unsetenv(becomePassEnv) // what this program starts, an inventory for one, need not know
	var err error
	switch {
	case f.ask && f.file != "":
		return nil, usage(errors.New("--ask-become-pass and --become-pass-file: one of them is enough"))
	case f.ask && !term.IsTerminal(int(r.io.in.Fd())):
		return nil, usage(errors.New("--ask-become-pass: there is no terminal to ask at; --become-pass-file FILE reads the password"))
	case f.ask:
		given, err = r.prompter.ask(ctx, "Password to become another user: ", false)
	case f.file != "":
		given, err = firstLine(f.file)
	}
	if err != nil {
		return nil, err
	}
	if given == "" {
		if f.ask || f.file != "" {
			return nil, usage(errors.New("the password to become another user is empty"))
		}
		return nil, nil
	}
	return func(context.Context, string, wire.Become) (string, error) { return given, nil }, nil
}

func firstLine(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usage(fmt.Errorf("--become-pass-file: %w", err))
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// becomeOf returns as which user to act on a host: what the inventory says of it goes before the flags.
func (s *session) becomeOf(host string) builtins.Become {
	f := &s.root.become
	b := builtins.Become{Enabled: f.On, User: f.User, Method: f.Method}
	if s.hosts == nil {
		return b
	}
	h, ok := s.hosts.Host(host)
	if !ok {
		return b
	}
	if _, said := h.Vars["ansible_become"]; said {
		b.Enabled = h.Become.Enabled
	}
	if h.Become.User != "" {
		b.User = h.Become.User
	}
	if h.Become.Method != "" {
		b.Method = h.Become.Method
	}
	return b
}

// as is the host under the user that becomeOf says.
func (s *session) as(h *job.Host) *job.Host {
	b := s.becomeOf(h.Name())
	if !b.Enabled {
		return h
	}
	if b.User == "" {
		b.User = "root"
	}
	return h.As(wire.Become{Method: b.Method, User: b.User})
}

// allAs returns the hosts of targets, each under that user.
func (s *session) allAs(targets []transport.Target) []*job.Host {
	hosts := s.all(targets)
	for i, h := range hosts {
		hosts[i] = s.as(h)
	}
	return hosts
}

// userOf is the user that a job runs as, for a person.
func userOf(record *job.Record) string {
	if record.Become == (wire.Become{}) {
		return ""
	}
	return ui.Safe(fmt.Sprintf("%s (by %s)", record.Become.User, record.Become.Method))
}
