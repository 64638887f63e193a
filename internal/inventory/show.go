package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// JSON returns the whole inventory as ansible-inventory --list does: _meta.hostvars with all variables of each host, and
// for each group its hosts and children. An executable that prints it is an inventory, for Starling and for Ansible.
func (inv *Inventory) JSON() ([]byte, error) { return inv.JSONOf(inv.hosts) }

// JSONOf is JSON with these hosts alone.
func (inv *Inventory) JSONOf(hosts []Host) ([]byte, error) {
	if inv.empty {
		inv = of(targets(hosts))
	}
	type listed struct {
		Children []string `json:"children,omitempty"`
		Hosts    []string `json:"hosts,omitempty"`
	}
	hostvars, among := map[string]any{}, map[string]bool{}
	out := map[string]any{"_meta": map[string]any{"hostvars": hostvars}}
	for _, h := range hosts {
		among[h.Target.Name] = true
		if len(h.Vars) > 0 {
			hostvars[h.Target.Name] = written(h.Vars)
		}
	}
	if inv.tree != nil {
		for _, g := range inv.tree.groups {
			var l listed
			for _, child := range g.children {
				l.Children = append(l.Children, child.name)
			}
			for _, h := range g.hosts {
				if g != inv.tree.all() && among[h.name] {
					l.Hosts = append(l.Hosts, h.name)
				}
			}
			if l.Children != nil || l.Hosts != nil {
				out[g.name] = l
			}
		}
	}
	return marshal(out)
}

// JSON returns the variables of a host as ansible-inventory --host does.
func (h Host) JSON() ([]byte, error) { return marshal(written(h.Vars)) }

// written is a value as JSON is to have it: 1.0 is 1.0, and not the whole number 1 to who reads it.
func written(v any) any {
	switch v := v.(type) {
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.Number(text)
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = written(each)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, each := range v {
			out[name] = written(each)
		}
		return out
	}
	return v
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// Graph returns the groups below one as a tree of lines, as ansible-inventory --graph does; "" is all. It fails with a
// *PatternError when there is no such group.
func (inv *Inventory) Graph(name string) (string, error) {
	if name == "" {
		name = "all"
	}
	if inv.tree == nil || inv.tree.group[name] == nil {
		return "", &PatternError{Pattern: name, Problem: "a graph begins at a group, and there is none of that name"}
	}
	var b strings.Builder
	inv.graph(&b, inv.tree.group[name], 0)
	return b.String(), nil
}

func (inv *Inventory) graph(b *strings.Builder, g *group, depth int) {
	line := func(depth int, text string) {
		if depth > 0 {
			text = strings.Repeat("  |", depth) + "--" + text
		}
		fmt.Fprintln(b, text)
	}
	line(depth, "@"+g.name+":")
	for _, child := range g.children {
		inv.graph(b, child, depth+1)
	}
	if g == inv.tree.all() {
		return
	}
	for _, h := range g.hosts {
		line(depth+1, h.name)
	}
}
