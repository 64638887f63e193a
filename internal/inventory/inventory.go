// Package inventory turns inventories and patterns into hosts: which there are, in which groups, with which variables,
// and how to reach them. It reads Ansible's INI and YAML, executables that answer --list, group_vars/ and host_vars/,
// and gives the answers that ansible-inventory gives.
//
// Not in here: the Starlark kind of inventory (its child star), templating (Jinja stays text), connections, and any
// flag or environment variable.
package inventory

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"starling/internal/transport"
)

// Host is one machine of an inventory. It is shared: nothing in it may be changed.
type Host struct {
	Target transport.Target
	Groups []string // the groups it is in, directly or through children, sorted, without "all"
	// Vars are its variables after all precedence: string, int64, float64, bool, nil, []any and map[string]any.
	Vars map[string]any
	// VarSource says where each variable came from: "file:line", "file:line (group web)", or a file alone.
	VarSource map[string]string
	Become    Become
	// Problem is nil, or the *HostError that keeps this host from being used.
	Problem error
}

// Become is what an inventory says about privilege. Its zero value says nothing.
type Become struct {
	Enabled bool
	User    string // "" is the default of whoever asks
	Method  string // "sudo", "doas", "su", or "" for the default
}

// Options say how inventories are read. The zero value reads all kinds but Starlark.
type Options struct {
	// Starlark reads an inventory whose name ends in .star; nil refuses those.
	Starlark func(ctx context.Context, path string, src []byte) (Declared, error)
	// Timeout bounds each run of an executable inventory; 0 is 30 seconds.
	Timeout time.Duration
	// ConfigFile goes into the Target of every host.
	ConfigFile string
}

// Declared is what a Starlark inventory says.
type Declared struct {
	Hosts  []HostDecl
	Groups []GroupDecl
}

// HostDecl adds a host, or adds to one. How to reach it stands in its variables, under Ansible's names.
type HostDecl struct {
	Name   string // no range
	Groups []string
	Vars   map[string]any
	File   string // where it was said; "" is the inventory itself
	Line   int
}

// GroupDecl adds a group, or adds to one.
type GroupDecl struct {
	Name            string
	Children, Hosts []string
	Vars            map[string]any
	File            string
	Line            int
}

// Inventory is what all sources together say. It is safe for use by many goroutines.
type Inventory struct {
	tree       *tree
	hosts      []Host // in the order of the group all
	index      map[string]int
	members    map[*group][]int
	empty      bool     // no source at all: names stand for themselves
	sources    []string // as they were given
	configFile string
	warnings   []string
}

// Load reads the sources, the later over the earlier: files of every kind, folders of files, and lists of names with a
// comma in them ("web1,web2,"). No source is no error: Match then takes names as they are. The error is a *SourceError
// or ctx's.
func Load(ctx context.Context, sources []string, o Options) (*Inventory, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	l := &loader{options: o, tree: newTree()}
	for _, source := range sources {
		if err := l.source(ctx, source); err != nil {
			return nil, err
		}
	}
	l.tree.reconcile()
	if err := l.varFiles(); err != nil {
		return nil, err
	}
	inv := newInventory(l.tree, o.ConfigFile)
	inv.warnings = once(append(l.warnings, inv.warnings...))
	inv.empty, inv.sources = len(sources) == 0, sources
	return inv, nil
}

// newInventory works out every host of a reconciled tree.
func newInventory(t *tree, configFile string) *Inventory {
	inv := &Inventory{tree: t, index: map[string]int{}, members: map[*group][]int{}, configFile: configFile}
	for _, h := range t.all().everyHost() {
		inv.index[h.name] = len(inv.hosts)
		resolved := resolve(t, h)
		resolved.Target.ConfigFile = configFile
		inv.warnings = append(inv.warnings, connect(&resolved)...)
		inv.hosts = append(inv.hosts, resolved)
	}
	for _, g := range t.groups {
		if t.host[g.name] != nil {
			inv.warnings = append(inv.warnings, g.name+" is a host and a group; in a pattern it is the host")
		}
		for _, h := range g.everyHost() {
			inv.members[g] = append(inv.members[g], inv.index[h.name])
		}
	}
	return inv
}

// once leaves out what has been said: a variable of a group is that of each of its hosts.
func once(texts []string) []string {
	said := map[string]bool{}
	return slices.DeleteFunc(texts, func(text string) bool {
		again := said[text]
		said[text] = true
		return again
	})
}

// Hosts returns all hosts, in the order of the group all.
func (inv *Inventory) Hosts() []Host { return slices.Clone(inv.hosts) }

// Host returns the host of that name.
func (inv *Inventory) Host(name string) (Host, bool) {
	i, ok := inv.index[name]
	if !ok {
		return Host{}, false
	}
	return inv.hosts[i], true
}

// Warnings returns what was read and is not followed, a sentence each with its file and line.
func (inv *Inventory) Warnings() []string { return slices.Clone(inv.warnings) }

// Usable returns an *UnusableError when one of the hosts can't be reached as its inventory says, else nil.
func Usable(hosts []Host) error {
	var bad []error
	for _, h := range hosts {
		if h.Problem != nil {
			bad = append(bad, h.Problem)
		}
	}
	if bad == nil {
		return nil
	}
	return &UnusableError{Hosts: bad}
}

// Find returns the sources to load when none was named: those of env ($STARLING_INVENTORY, several separated as in
// $PATH) when it is not empty, else the first of inventory.star, inventory.yaml, inventory.yml and inventory.ini in dir;
// nil when there is none.
func Find(dir, env string) []string {
	if env != "" {
		return slices.DeleteFunc(filepath.SplitList(env), func(s string) bool { return s == "" })
	}
	for _, kind := range []string{"star", "yaml", "yml", "ini"} {
		path := filepath.Join(dir, "inventory."+kind)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return []string{path}
		}
	}
	return nil
}
