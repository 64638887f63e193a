// Package inventory turns the patterns of a command line into targets. It knows names that need no inventory: what
// the user's ssh_config or DNS knows. Files with hosts and groups come in here too.
package inventory

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"starling/internal/transport"
)

// PatternError is a pattern that can't be read.
type PatternError struct {
	Pattern, Problem string
}

func (e *PatternError) Error() string { return fmt.Sprintf("pattern %q: %s", e.Pattern, e.Problem) }

// Names expands a pattern of plain names, separated by commas: "web1", "web[01:20]", "root@db:2222", "[::1]:22". Each
// name stands in the result once, in the order of the pattern.
func Names(pattern string) ([]transport.Target, error) {
	var out []transport.Target
	seen := map[string]bool{}
	for _, part := range strings.Split(pattern, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, &PatternError{pattern, "an empty name"}
		}
		names, err := expand(part)
		if err != nil {
			return nil, &PatternError{pattern, err.Error()}
		}
		for _, name := range names {
			t, err := target(name)
			if err != nil {
				return nil, &PatternError{pattern, err.Error()}
			}
			if !seen[t.Name] {
				seen[t.Name] = true
				out = append(out, t)
			}
		}
	}
	return out, nil
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
		return t, fmt.Errorf("%q is no host name", name)
	}
	return t, nil
}

// expand replaces the ranges [from:to] in a name by their numbers, as wide as from is written.
func expand(name string) ([]string, error) {
	open := strings.IndexByte(name, '[')
	if open < 0 {
		return []string{name}, nil
	}
	length := strings.IndexByte(name[open:], ']')
	if length < 0 {
		return nil, fmt.Errorf("%q: a [ without its ]", name)
	}
	from, to, isRange := strings.Cut(name[open+1:open+length], ":")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if !isRange || err1 != nil || err2 != nil {
		if net.ParseIP(name[open+1:open+length]) != nil {
			return []string{name}, nil
		}
		return nil, fmt.Errorf("%q: a range is written [1:20]", name)
	}
	if first < 0 || last < first || last-first >= 10000 {
		return nil, fmt.Errorf("%q: the range %s:%s is empty or too wide", name, from, to)
	}
	rest, err := expand(name[open+length+1:])
	if err != nil {
		return nil, err
	}
	var out []string
	for n := first; n <= last; n++ {
		for _, tail := range rest {
			out = append(out, fmt.Sprintf("%s%0*d%s", name[:open], len(from), n, tail))
		}
	}
	return out, nil
}

// Among returns those of the given hosts whose names the pattern means, all of them for "".
func Among(hosts []transport.Target, pattern string) ([]transport.Target, error) {
	if pattern == "" {
		return hosts, nil
	}
	var out []transport.Target
	for _, part := range strings.Split(pattern, ",") {
		names, err := expand(strings.TrimSpace(part))
		if err != nil {
			return nil, &PatternError{pattern, err.Error()}
		}
		for _, name := range names {
			matched := false
			for _, h := range hosts {
				ok, err := path.Match(name, h.Name)
				if err != nil {
					return nil, &PatternError{pattern, err.Error()}
				}
				if ok && !slices.ContainsFunc(out, func(t transport.Target) bool { return t.Name == h.Name }) {
					out = append(out, h)
				}
				matched = matched || ok
			}
			if !matched {
				return nil, &PatternError{pattern, fmt.Sprintf("%q is none of the %d hosts there are", name, len(hosts))}
			}
		}
	}
	return out, nil
}
