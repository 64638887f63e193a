package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is one YAML (or JSON) file. Its nodes are read by YAML 1.1's rules, as Ansible reads them, whatever the
// library makes of them.
type document struct {
	file   string
	root   *yaml.Node
	json   bool // numbers are JSON's
	budget int  // nodes that may still be read: aliases can stand for more than any memory holds
	within map[*yaml.Node]bool
	warn   func(file string, line int, problem string)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line ([0-9]+): )?`)

// parseYAML reads a file that holds one mapping; nil when it is empty.
func parseYAML(file string, src []byte) (*document, error) {
	d := &document{file: file, json: isJSON(src), budget: 1_000_000, within: map[*yaml.Node]bool{}, warn: func(string, int, string) {}}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var root, more yaml.Node
	err := decoder.Decode(&root)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil {
		if second := decoder.Decode(&more); second == nil {
			return nil, d.errorf(&more, "a second document; one file holds one")
		} else if !errors.Is(second, io.EOF) {
			err = second
		}
	}
	if err != nil {
		m := yamlLine.FindStringSubmatch(err.Error())
		line, _ := strconv.Atoi(m[1])
		return nil, &SourceError{File: file, Line: line, Problem: "YAML: " + strings.TrimPrefix(err.Error(), m[0])}
	}
	d.root = &root
	if root.Kind == yaml.DocumentNode {
		d.root = root.Content[0]
	}
	if isNull(d.root) {
		return nil, nil
	}
	if d.root.Kind != yaml.MappingNode {
		return nil, d.errorf(d.root, "a mapping (name: value) is wanted at the top, got %s", kindOf(d.root))
	}
	return d, nil
}

// looksLikeYAML reports whether a file without an ending is YAML: Ansible asks whether it is a mapping, and takes it as
// INI when it is not.
func looksLikeYAML(src []byte) bool {
	d, err := parseYAML("", src)
	return err == nil && d != nil
}

func (d *document) errorf(n *yaml.Node, format string, args ...any) error {
	return &SourceError{File: d.file, Line: n.Line, Problem: fmt.Sprintf(format, args...)}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && plainScalar(n) && scalarValue(n.Value) == nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return fmt.Sprintf("%q", n.Value)
}

// yaml reads an inventory: groups at the top, each with hosts, children and vars.
func (l *loader) yaml(path string, src []byte) error {
	if isJSON(src) && bytes.Contains(src, []byte(`"_meta"`)) {
		return l.answer(path, src, nil)
	}
	d, err := parseYAML(path, src)
	if err != nil {
		return err
	}
	if d == nil {
		return &SourceError{File: path, Problem: "the inventory is empty"}
	}
	d.warn = l.warn
	pairs, err := d.pairs(d.root)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if p.name == "plugin" && p.value.Kind == yaml.ScalarNode {
			return &SourceError{File: path, Line: p.key.Line, Problem: fmt.Sprintf("the configuration of Ansible's inventory plugin %s, which is not run here", p.value.Value),
				Advice: "an executable that runs ansible-inventory -i " + path + " --list is an inventory"}
		}
	}
	for _, p := range pairs {
		if _, err := d.group(l.tree, p); err != nil {
			return err
		}
	}
	return nil
}

// group reads one group and those in it.
func (d *document) group(t *tree, p pair) (*group, error) {
	if err := d.wantText(p.key, "the name of a group"); err != nil {
		return nil, err
	}
	g, err := t.addGroup(p.name)
	if err != nil {
		return nil, d.errorf(p.key, "%v", err)
	}
	if isNull(p.value) {
		return g, nil
	}
	if p.value.Kind != yaml.MappingNode {
		return nil, d.errorf(p.value, "group %s: hosts, children and vars are wanted below it, got %s", g.name, kindOf(p.value))
	}
	parts, err := d.pairs(p.value)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		if err := d.part(t, g, part); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// part reads the hosts, the children or the vars of a group.
func (d *document) part(t *tree, g *group, part pair) error {
	if part.name != "hosts" && part.name != "children" && part.name != "vars" {
		d.warn(d.file, part.key.Line, fmt.Sprintf("group %s: %s is passed over; below a group stand hosts, children and vars", g.name, part.name))
		return nil
	}
	if isNull(part.value) {
		return nil
	}
	var entries []pair
	switch part.value.Kind {
	case yaml.ScalarNode:
		entries = []pair{{part.value.Value, part.value, &yaml.Node{}}}
	case yaml.MappingNode:
		var err error
		if entries, err = d.pairs(part.value); err != nil {
			return err
		}
	default:
		return d.errorf(part.value, "%s of group %s: names with a colon after each are wanted, got %s", part.name, g.name, kindOf(part.value))
	}
	for _, e := range entries {
		if err := d.entry(t, g, part.name, e); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) entry(t *tree, g *group, part string, e pair) error {
	switch part {
	case "vars":
		v, err := d.variable(e)
		if err != nil {
			return err
		}
		if err := g.set(e.name, v); err != nil {
			return d.errorf(e.key, "%v", err)
		}
		return nil
	case "children":
		child, err := d.group(t, e)
		if err != nil {
			return err
		}
		if err := t.addChild(g, child); err != nil {
			return d.errorf(e.key, "%v", err)
		}
		return nil
	}
	return d.host(t, g, e)
}

func (d *document) host(t *tree, g *group, e pair) error {
	if err := d.wantText(e.key, "the name of a host"); err != nil {
		return err
	}
	names, port, err := hostNames(e.name)
	if err != nil {
		return d.errorf(e.key, "%v", err)
	}
	values := vars{}
	if !isNull(e.value) {
		if e.value.Kind != yaml.MappingNode {
			return d.errorf(e.value, "host %s: variables (name: value) are wanted below it, got %s", e.name, kindOf(e.value))
		}
		if err := d.variables(e.value, values.put); err != nil {
			return err
		}
	}
	for _, name := range names {
		h, err := t.addHost(name, g, port, fmt.Sprintf("%s:%d", d.file, e.key.Line))
		if err != nil {
			return d.errorf(e.key, "%v", err)
		}
		for name, v := range values {
			h.vars[name] = v
		}
	}
	return nil
}
