package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const maxRange = 100_000 // names that one range pattern may stand for

// rangeText is what stands between the brackets of a range: from:to or from:to:step, numbers or single letters.
var rangeText = regexp.MustCompile(`^(?:([0-9]*):([0-9]+)|([a-zA-Z]):([a-zA-Z]))(?::([0-9]+))?$`)

// Expand returns the names that a name with ranges stands for: web[1:20], web[01:20], db-[a:f], n[0:10:2], several in
// one name; the name itself when there is none. Both ends are included; where from has leading zeros, all numbers are
// as wide.
func Expand(name string) ([]string, error) { return expandUpTo(name, maxRange) }

func expandUpTo(name string, limit int) ([]string, error) {
	open := strings.IndexByte(name, '[')
	if open < 0 {
		return []string{name}, nil
	}
	length := strings.IndexByte(name[open:], ']')
	if length < 0 {
		return nil, fmt.Errorf("%q: a [ without its ]", name)
	}
	middles, err := rangeNames(name[open+1:open+length], limit)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	tails, err := expandUpTo(name[open+length+1:], limit/max(len(middles), 1))
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(middles)*len(tails))
	for _, middle := range middles {
		for _, tail := range tails {
			out = append(out, name[:open]+middle+tail)
		}
	}
	return out, nil
}

// rangeNames returns what the text between two brackets stands for.
func rangeNames(text string, limit int) ([]string, error) {
	m := rangeText.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("[%s] is no range, which is written [1:20], [01:20], [a:f] or [0:10:2]", text)
	}
	first, last, width, letters := 0, 0, 0, m[3] != ""
	if letters {
		first, last = letter(m[3]), letter(m[4])
	} else {
		var err1, err2 error
		if m[1] != "" {
			first, err1 = strconv.Atoi(m[1])
		}
		last, err2 = strconv.Atoi(m[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("the range [%s] is too wide", text)
		}
		if len(m[1]) > 1 && m[1][0] == '0' {
			if width = len(m[1]); width != len(m[2]) {
				return nil, fmt.Errorf("the range [%s] needs as many digits at its end as at its begin", text)
			}
		}
	}
	step := 1
	if m[5] != "" {
		var err error
		if step, err = strconv.Atoi(m[5]); err != nil || step == 0 {
			return nil, fmt.Errorf("the range [%s] has no usable step", text)
		}
	}
	switch {
	case last < first:
		return nil, fmt.Errorf("the range [%s] is empty: it ends before it begins", text)
	case (last-first)/step >= limit:
		return nil, fmt.Errorf("the range [%s] is too wide", text)
	}
	var out []string
	for n := first; n <= last && n >= first; n += step {
		if letters {
			out = append(out, letterAt(n))
		} else {
			out = append(out, fmt.Sprintf("%0*d", width, n))
		}
	}
	return out, nil
}

// Letters are counted a to z, then A to Z, as Ansible's ranges do.
func letter(s string) int {
	if s[0] >= 'a' {
		return int(s[0] - 'a')
	}
	return int(s[0]-'A') + 26
}

func letterAt(n int) string {
	if n < 26 {
		return string(rune('a' + n))
	}
	return string(rune('A' + n - 26))
}

var (
	bracketedPort = regexp.MustCompile(`^\[(.+)\]:([0-9]+)$`)
	plainPort     = regexp.MustCompile(`^((?:[^:\[\]]|\[[^\]]*\])+):([0-9]+)$`)
)

// splitPort takes the port off a host's name: web1:2222, [::1]:2222, web[01:20]:2222. Without one it is 0.
func splitPort(name string) (string, int, error) {
	for _, form := range []*regexp.Regexp{bracketedPort, plainPort} {
		if m := form.FindStringSubmatch(name); m != nil {
			port, err := strconv.Atoi(m[2])
			if err != nil || port < 1 || port > 65535 {
				return "", 0, fmt.Errorf("%q: %s is no port", name, m[2])
			}
			return m[1], port, nil
		}
	}
	if strings.HasSuffix(name, ":") {
		return "", 0, fmt.Errorf("%q ends in a : without a port", name)
	}
	return name, 0, nil
}

// hostNames reads a host entry of an INI or YAML inventory: a name or a range of names, and a port.
func hostNames(text string) (names []string, port int, err error) {
	name, port, err := splitPort(text)
	if err != nil {
		return nil, 0, err
	}
	names, err = Expand(name)
	return names, port, err
}
