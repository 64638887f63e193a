package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starling/internal/inventory"
	"starling/internal/inventory/star"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/interp"
)

// world returns the hosts there are: those of the sandbox, of the inventories that were named or found, or, without
// any, whatever ssh_config and DNS know.
func (s *session) world(ctx context.Context) (*inventory.Inventory, error) {
	if s.hosts != nil {
		return s.hosts, nil
	}
	sources := s.root.flags.inventories
	options := inventory.Options{Starlark: star.Reader(interp.Eval)}
	switch {
	case s.sandbox != nil:
		// The list of names has a comma at its end even for one host, or it would be a file.
		sources = []string{strings.Join(names(s.sandbox.Hosts()), ",") + ","}
	case len(sources) == 0:
		sources = inventory.Find(".", os.Getenv("STARLING_INVENTORY"))
	}
	hosts, err := inventory.Load(ctx, sources, options)
	if err != nil {
		return nil, usage(err)
	}
	for _, warning := range hosts.Warnings() {
		s.root.voice().warn(warning)
	}
	s.hosts = hosts
	return hosts, nil
}

// match returns the hosts that a pattern means. A host that can't be reached as it is described is an error before
// anything is touched.
func (s *session) match(ctx context.Context, pattern string) ([]inventory.Host, error) {
	world, err := s.world(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := world.Match(pattern)
	if err != nil {
		return nil, usage(err)
	}
	return hosts, usable(hosts)
}

// targets returns the hosts that --on and --limit mean, none for "". In a sandbox all are meant when none is named.
func (s *session) targets(ctx context.Context, on, limit string) ([]transport.Target, error) {
	if on == "" && s.sandbox != nil {
		on = "all"
	}
	if on == "" {
		return nil, nil
	}
	hosts, err := s.meant(ctx, on, limit)
	if err != nil {
		return nil, err
	}
	out := make([]transport.Target, len(hosts))
	for i, h := range hosts {
		out[i] = s.reachable(h.Target)
		if err := ssh.New(out[i], s.options).Validate(); err != nil {
			return nil, usage(err)
		}
	}
	return out, nil
}

// meant returns the hosts of a pattern, and of those the ones that limit means too; there is at least one. A host that
// limit leaves out may be described as it likes.
func (s *session) meant(ctx context.Context, pattern, limit string) ([]inventory.Host, error) {
	world, err := s.world(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := world.Match(pattern)
	if err != nil {
		return nil, usage(err)
	}
	if len(hosts) == 0 {
		return nil, usage(fmt.Errorf("pattern %q means no host", pattern))
	}
	if hosts, err = world.Limit(hosts, limit); err != nil {
		return nil, usage(fmt.Errorf("--limit: %w", err))
	}
	if len(hosts) == 0 {
		return nil, usage(fmt.Errorf("--limit %q means none of the hosts of %q", limit, pattern))
	}
	return hosts, usable(hosts)
}

// usable is the error for hosts that can't be reached as they are described, before anything is touched.
func usable(hosts []inventory.Host) error {
	if err := inventory.Usable(hosts); err != nil {
		return usage(err)
	}
	return nil
}

// reachable completes a target by how its host is reached: a sandbox's by its own ssh_config, all others by -F. The
// journal keeps it for commands that are given in other folders.
func (s *session) reachable(t transport.Target) transport.Target {
	if s.sandbox == nil {
		t.ConfigFile, t.IdentityFile = anywhere(s.root.flags.sshConfig), anywhere(t.IdentityFile)
		return t
	}
	for _, host := range s.sandbox.Hosts() {
		if host.Name == t.Name {
			return host
		}
	}
	return t
}

// anywhere is a path that means the same in every folder; "" and what begins with ~/ do so already.
func anywhere(path string) string {
	if path == "" || strings.HasPrefix(path, "~/") {
		return path
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return absolute
}

// find returns the hosts that a pattern in a script means.
func (s *session) find(ctx context.Context, pattern string) ([]*job.Host, error) {
	hosts, err := s.match(ctx, pattern)
	if err != nil {
		var coded *codeError
		if errors.As(err, &coded) {
			err = coded.err
		}
		return nil, err
	}
	out := make([]*job.Host, len(hosts))
	for i, h := range hosts {
		out[i] = s.host(s.reachable(h.Target))
	}
	return out, nil
}

// about returns what the inventory says of a host. A script is not told passwords: what it is told the journal keeps.
func (s *session) about(name string) (groups []string, vars starlark.Value) {
	vars = starlark.NewDict(0)
	if s.hosts == nil {
		return nil, vars
	}
	h, ok := s.hosts.Host(name)
	if !ok {
		return nil, vars
	}
	return h.Groups, interp.FromGo(h.Shown())
}

// worldDigest tells one world from another, and which hosts make the difference.
type worldDigest struct {
	All   string            `json:"all"`
	Hosts map[string]string `json:"hosts,omitempty"` // by name, what the inventory says of each
}

func (s *session) digest(ctx context.Context) (worldDigest, error) {
	d := worldDigest{Hosts: map[string]string{}}
	world, err := s.world(ctx)
	if err != nil {
		return d, err
	}
	text, err := world.JSON()
	if err != nil {
		return d, err
	}
	d.All = interp.Digest(text)
	for _, h := range world.Hosts() {
		if text, err = h.JSON(); err != nil {
			return d, err
		}
		d.Hosts[h.Target.Name] = interp.Digest(fmt.Appendf(text, "%q", h.Groups))[:16]
	}
	return d, nil
}

// since says what differs from an earlier world.
func (d worldDigest) since(was worldDigest) []string {
	if d.All == was.All {
		return nil
	}
	var out []string
	for name, text := range d.Hosts {
		if before, ok := was.Hosts[name]; !ok {
			out = append(out, "host "+name+" was added to the inventory")
		} else if before != text {
			out = append(out, "host "+name+" has changed in the inventory")
		}
	}
	for name := range was.Hosts {
		if _, ok := d.Hosts[name]; !ok {
			out = append(out, "host "+name+" is gone from the inventory")
		}
	}
	if out == nil {
		return []string{"the groups of the inventory, or the order of its hosts, have changed"}
	}
	slices.Sort(out)
	const most = 5
	if more := len(out) - most; more > 0 {
		out = append(out[:most], fmt.Sprintf("and so it is with %d other hosts", more))
	}
	return out
}
