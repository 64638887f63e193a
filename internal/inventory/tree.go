package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// variable is a value and where it was set.
type variable struct {
	value  any
	source string
}

type vars map[string]variable

// group is a set of hosts and of other groups.
type group struct {
	name     string
	vars     vars
	files    []vars // from group_vars/, one per source, in their order
	hosts    []*host
	children []*group
	parents  []*group
	priority int // ansible_group_priority; the later wins among groups of one depth
	depth    int // the longest way from all; set by reconcile
}

type host struct {
	name   string
	vars   vars
	files  []vars // from host_vars/, one per source, in their order
	groups []*group
}

// tree is what the sources have said so far. Its first two groups are all and ungrouped. Its methods' errors name no file: the caller adds it.
type tree struct {
	groups []*group // in the order they were first named
	hosts  []*host
	group  map[string]*group
	host   map[string]*host
}

func newTree() *tree {
	t := &tree{group: map[string]*group{}, host: map[string]*host{}}
	all, ungrouped := t.mustGroup("all"), t.mustGroup("ungrouped")
	all.children, ungrouped.parents = []*group{ungrouped}, []*group{all}
	return t
}

func (t *tree) all() *group { return t.group["all"] }

func (t *tree) mustGroup(name string) *group {
	g := &group{name: name, vars: vars{}, priority: 1}
	t.group[name] = g
	t.groups = append(t.groups, g)
	return g
}

// addGroup returns the group of that name, a new one if there is none.
func (t *tree) addGroup(name string) (*group, error) {
	if g := t.group[name]; g != nil {
		return g, nil
	}
	if err := checkName("group", name); err != nil {
		return nil, err
	}
	return t.mustGroup(name), nil
}

// addHost puts the host of that name into g, a new host if there is none. The port counts for a new one only, as in
// Ansible; 0 is none.
func (t *tree) addHost(name string, g *group, port int, source string) (*host, error) {
	h := t.host[name]
	if h == nil {
		if err := checkName("host", name); err != nil {
			return nil, err
		}
		h = &host{name: name, vars: vars{}}
		if port > 0 {
			h.vars["ansible_port"] = variable{int64(port), source}
		}
		t.host[name] = h
		t.hosts = append(t.hosts, h)
	}
	if !slices.Contains(h.groups, g) {
		h.groups = append(h.groups, g)
		g.hosts = append(g.hosts, h)
	}
	return h, nil
}

// checkName refuses names that no pattern and no message could hold.
func checkName(what, name string) error {
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' || r == unicode.ReplacementChar
	}
	switch {
	case name == "":
		return fmt.Errorf("a %s without a name", what)
	case strings.IndexFunc(name, bad) >= 0, strings.HasPrefix(name, "-"), what == "host" && strings.ContainsAny(name, "[]"):
		return fmt.Errorf("%q is no name for a %s", name, what)
	}
	return nil
}

// addChild makes child a part of parent.
func (t *tree) addChild(parent, child *group) error {
	if slices.Contains(parent.children, child) {
		return nil
	}
	if child == t.all() {
		return fmt.Errorf("group %s cannot hold the group all: it is in it", parent.name)
	}
	if parent == child || slices.Contains(parent.ancestors(), child) {
		return fmt.Errorf("group %s cannot be a child of %s: it holds it", child.name, parent.name)
	}
	parent.children = append(parent.children, child)
	child.parents = append(child.parents, parent)
	return nil
}

// set sets a variable of the group; ansible_group_priority is none but the group's place among its equals.
func (g *group) set(name string, v variable) error {
	if name != "ansible_group_priority" {
		g.vars[name] = v
		return nil
	}
	switch n := v.value.(type) {
	case int64:
		g.priority = int(n)
		return nil
	case string:
		var err error
		if g.priority, err = strconv.Atoi(strings.TrimSpace(n)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("ansible_group_priority: %v is no whole number", v.value)
}

// ancestors returns all groups that hold g.
func (g *group) ancestors() []*group {
	return walk([]*group{g}, func(g *group) []*group { return g.parents })[1:]
}

// everyHost returns the hosts of g and of the groups in it, level by level.
func (g *group) everyHost() []*host {
	var out []*host
	seen := map[*host]bool{}
	for _, each := range walk([]*group{g}, func(g *group) []*group { return g.children }) {
		for _, h := range each.hosts {
			if !seen[h] {
				seen[h] = true
				out = append(out, h)
			}
		}
	}
	return out
}

// walk returns what can be reached, once each, nearest first.
func walk(queue []*group, next func(*group) []*group) []*group {
	seen := map[*group]bool{}
	var out []*group
	for len(queue) > 0 {
		g := queue[0]
		queue = queue[1:]
		if !seen[g] {
			seen[g] = true
			out = append(out, g)
			queue = append(queue, next(g)...)
		}
	}
	return out
}

// reconcile puts every group below all, every host that is in no group of its own into ungrouped, and works out how
// deep each group lies.
func (t *tree) reconcile() {
	all, ungrouped := t.all(), t.group["ungrouped"]
	for _, g := range t.groups {
		if g != all && len(g.parents) == 0 {
			all.children, g.parents = append(all.children, g), []*group{all}
		}
	}
	moved := map[*host]bool{}
	for _, h := range t.hosts {
		own := slices.ContainsFunc(h.groups, func(g *group) bool { return g != all && g != ungrouped })
		at := slices.Index(h.groups, ungrouped)
		switch {
		case own && at >= 0:
			h.groups = slices.Delete(h.groups, at, at+1)
			moved[h] = true
		case !own && at < 0:
			h.groups = append(h.groups, ungrouped)
			ungrouped.hosts = append(ungrouped.hosts, h)
		}
	}
	ungrouped.hosts = slices.DeleteFunc(ungrouped.hosts, func(h *host) bool { return moved[h] })
	done := map[*group]bool{all: true}
	for _, g := range t.groups {
		g.measure(done)
	}
}

func (g *group) measure(done map[*group]bool) int {
	if !done[g] {
		done[g] = true
		for _, parent := range g.parents {
			g.depth = max(g.depth, parent.measure(done)+1)
		}
	}
	return g.depth
}

// byPrecedence returns the groups of h but all, those whose variables give way first.
func (h *host) byPrecedence(all *group) []*group {
	groups := walk(slices.Clone(h.groups), func(g *group) []*group { return g.parents })
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g == all })
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.priority, b.priority), cmp.Compare(a.name, b.name))
	})
	return groups
}
