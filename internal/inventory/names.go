package inventory

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"starling/internal/transport"
)

// This file knows names that need no inventory: what the user's ssh_config or DNS knows.

// Names expands a pattern of plain names, separated by commas: "web1", "web[01:20]", "root@db:2222", "[::1]:22". Each
// name stands in the result once, in the order of the pattern.
func Names(pattern string) ([]transport.Target, error) {
	hosts, err := (&Inventory{empty: true}).Match(pattern)
	return targets(hosts), err
}

// Limit returns those of hosts that a second pattern means too, in the order of hosts; all of them for "". The pattern
// may name what is in the inventory and not among hosts; without any source it may not.
func (inv *Inventory) Limit(hosts []Host, pattern string) ([]Host, error) {
	if pattern == "" {
		return hosts, nil
	}
	if inv.empty {
		inv = of(targets(hosts))
	}
	meant, err := inv.Match(pattern)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, h := range meant {
		names[h.Target.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return !names[h.Target.Name] }), nil
}

func targets(hosts []Host) []transport.Target {
	var out []transport.Target
	for _, h := range hosts {
		out = append(out, h.Target)
	}
	return out
}

// of makes an inventory of hosts that are known already.
func of(hosts []transport.Target) *Inventory {
	t := newTree()
	inv := &Inventory{tree: t, index: map[string]int{}, members: map[*group][]int{}}
	all, ungrouped := t.all(), t.group["ungrouped"]
	for _, target := range hosts {
		if _, again := inv.index[target.Name]; again {
			continue
		}
		n := len(inv.hosts)
		inv.index[target.Name] = n
		inv.members[all], inv.members[ungrouped] = append(inv.members[all], n), append(inv.members[ungrouped], n)
		t.hosts = append(t.hosts, &host{name: target.Name, groups: []*group{ungrouped}})
		inv.hosts = append(inv.hosts, Host{Target: target, Groups: []string{"ungrouped"}, Vars: map[string]any{}, VarSource: map[string]string{}})
	}
	ungrouped.hosts = t.hosts
	return inv
}

// isBracketed reports whether a name begins with an IP address in brackets.
func isBracketed(name string) bool {
	_, rest, _ := strings.Cut(name, "[")
	text, _, ok := strings.Cut(rest, "]")
	if _, err := netip.ParseAddr(text); !ok || err != nil {
		return false
	}
	return true
}

// expandName is Expand for names that may have an address in brackets.
func expandName(name string) ([]string, error) {
	if isBracketed(name) {
		return []string{name}, nil
	}
	return Expand(name)
}

// target reads one [user@]name[:port].
func target(name string) (transport.Target, error) {
	t := transport.Target{Name: name}
	if user, rest, ok := strings.Cut(name, "@"); ok {
		if user == "" {
			return t, fmt.Errorf("%q has no user before the @", name)
		}
		t.User, name = user, rest
		t.Addr = name
	}
	if host, port, err := net.SplitHostPort(name); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return t, fmt.Errorf("%q is no port", port)
		}
		t.Addr, t.Port, name = host, n, host
	}
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \t\n'\"`$;&|<>*?!/\\") {
		return t, fmt.Errorf("%q is no host name", t.Name)
	}
	return t, nil
}
