package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"starling/internal/transport"
)

// Match returns the hosts that a pattern means, once each, in the order of the pattern and within a group in the order
// of the inventory. A part of a pattern is the name of a host or a group, "all", "ungrouped", a glob, a range of names
// web[01:20], a regular expression ~web\d+, the n-th host of a group web[0] or web[-1], or @file. Parts are joined by
// commas or colons; !part takes away and &part keeps what is in both, after all other parts wherever they stand; with
// these alone, they act on all. A part that names nothing there is is a *PatternError; the result may still be empty,
// of a group without hosts or of &.
//
// Without any source, names stand for themselves ("web1", "web[01:20]", "root@db:2222"), and "all" is an error.
func (inv *Inventory) Match(pattern string) ([]Host, error) {
	terms, err := splitPattern(pattern)
	if err != nil {
		return nil, err
	}
	if inv.empty {
		if inv, err = inv.adHoc(pattern, terms); err != nil {
			return nil, err
		}
	}
	chosen, err := inv.choose(terms)
	if err != nil {
		return nil, withPattern(pattern, err)
	}
	out := make([]Host, len(chosen))
	for i, n := range chosen {
		out[i] = inv.hosts[n]
	}
	return out, nil
}

func withPattern(pattern string, err error) error {
	if e, ok := err.(*PatternError); ok {
		e.Pattern = pattern
		return e
	}
	return &PatternError{Pattern: pattern, Problem: err.Error()}
}

// choose evaluates the parts of a pattern.
func (inv *Inventory) choose(terms []term) ([]int, error) {
	var chosen []int
	if !slices.ContainsFunc(terms, func(t term) bool { return t.op == 0 }) {
		chosen = slices.Clone(inv.members[inv.tree.all()])
	}
	for _, op := range []byte{0, '&', '!'} {
		for _, t := range terms {
			if t.op != op {
				continue
			}
			hosts, err := inv.one(t.text)
			if err != nil {
				return nil, err
			}
			if op == 0 {
				chosen = append(chosen, hosts...)
				continue
			}
			named := map[int]bool{}
			for _, h := range hosts {
				named[h] = true
			}
			chosen = slices.DeleteFunc(chosen, func(h int) bool { return named[h] == (op == '!') })
		}
	}
	seen := map[int]bool{}
	return slices.DeleteFunc(chosen, func(h int) bool {
		again := seen[h]
		seen[h] = true
		return again
	}), nil
}

// subscript is the n-th host of a group.
var subscript = regexp.MustCompile(`^(.+)\[(-?[0-9]+)\]$`)

// one returns the hosts of one part.
func (inv *Inventory) one(text string) ([]int, error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		names, err := nameFile(path)
		if err != nil {
			return nil, err
		}
		return inv.named(names)
	}
	if n, ok := inv.index[text]; ok { // before the groups, as in Ansible
		return []int{n}, nil
	}
	if text == "*" {
		text = "all"
	}
	if g := inv.tree.group[text]; g != nil {
		return inv.members[g], nil
	}
	if m := subscript.FindStringSubmatch(text); m != nil && inv.tree.group[m[1]] != nil {
		members := inv.members[inv.tree.group[m[1]]]
		n, err := strconv.Atoi(m[2])
		if n < 0 {
			n += len(members)
		}
		if err != nil || n < 0 || n >= len(members) {
			return nil, fmt.Errorf("%s: the group has %d hosts", text, len(members))
		}
		return members[n : n+1], nil
	}
	if text[0] != '~' && isRange(text) {
		names, err := Expand(text)
		if err != nil {
			return nil, err
		}
		return inv.named(names)
	}
	if text[0] != '~' && !isGlob(text) {
		return nil, inv.unknown(text)
	}
	return inv.like(text)
}

// named returns the hosts of names that must be there.
func (inv *Inventory) named(names []string) ([]int, error) {
	out := make([]int, 0, len(names))
	for _, name := range names {
		n, ok := inv.index[name]
		if !ok {
			return nil, inv.unknown(name)
		}
		out = append(out, n)
	}
	return out, nil
}

// like returns the hosts of groups that a glob or a regular expression matches, then the hosts it matches.
func (inv *Inventory) like(text string) ([]int, error) {
	re, err := matcher(text)
	if err != nil {
		return nil, err
	}
	var out []int
	matched := false
	for _, g := range inv.tree.groups[2:] { // a* is not to mean all, though Ansible lets it
		if re.MatchString(g.name) {
			matched = true
			out = append(out, inv.members[g]...)
		}
	}
	for _, h := range inv.tree.hosts {
		if re.MatchString(h.name) {
			matched = true
			out = append(out, inv.index[h.name])
		}
	}
	if !matched {
		return nil, fmt.Errorf("%s matches none of the %d hosts and %d groups there are", text, len(inv.hosts), len(inv.tree.groups)-2)
	}
	return out, nil
}

// unknown is the error for a name that nothing has.
func (inv *Inventory) unknown(name string) error {
	names := make([]string, 0, len(inv.hosts)+len(inv.tree.groups))
	for _, h := range inv.hosts {
		names = append(names, h.Target.Name)
	}
	for _, g := range inv.tree.groups {
		names = append(names, g.name)
	}
	err := &PatternError{Problem: fmt.Sprintf("%q is none of the %d hosts there are, and no group", name, len(inv.hosts))}
	if like := near(name, names); like != "" {
		err.Problem += fmt.Sprintf(" (did you mean %s?)", like)
	}
	err.Advice = inv.listing()
	return err
}

// listing is the command that lists what there is; "" when it is names of the command line, or too long a command.
func (inv *Inventory) listing() string {
	words := []string{"starling", "hosts"}
	for _, source := range inv.sources {
		words = append(words, "-i", source)
	}
	if command := shellescape.QuoteCommand(words); len(words) > 2 && len(command) < 200 {
		return command
	}
	return ""
}

// adHoc makes an inventory of the names in a pattern.
func (inv *Inventory) adHoc(pattern string, terms []term) (*Inventory, error) {
	var targets []transport.Target
	for i := range terms {
		text := terms[i].text
		var names []string
		var err error
		switch path, isFile := strings.CutPrefix(text, "@"); {
		case isFile:
			names, err = nameFile(path)
		case terms[i].op != 0:
			continue
		case text == "all" || text == "ungrouped" || text[0] == '~' || isGlob(text) && !isRange(text) && !isBracketed(text):
			return nil, &PatternError{Pattern: pattern, Problem: text + " means nothing without an inventory", Advice: "name the hosts, or give an inventory with -i"}
		default:
			names, err = expandName(text)
		}
		for _, name := range names {
			var t transport.Target
			if err == nil {
				t, err = target(name)
				t.ConfigFile = inv.configFile
				targets = append(targets, t)
			}
		}
		if err != nil {
			return nil, withPattern(pattern, err)
		}
	}
	return of(targets), nil
}
