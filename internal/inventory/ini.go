package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	iniSection = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	iniChild   = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
)

// ini is an INI inventory being read.
type ini struct {
	tree *tree
	file string
	line int

	section *group
	kind    string               // of the section: "hosts", "vars" or "children"
	awaited map[string][]mention // groups that have no section so far, and what has named them
}

// mention is a group named before its own section.
type mention struct {
	parent *group // whose child it is to be; nil for [x:vars]
	line   int
}

// readINI reads Ansible's INI: hosts with ranges, ports and variables in [group], names of groups in [group:children],
// variables in [group:vars]. A group must have a section of its own, before or after it is named.
func readINI(t *tree, file string, src []byte) error {
	r := &ini{tree: t, file: file, kind: "hosts", section: t.group["ungrouped"], awaited: map[string][]mention{}}
	for text := range strings.Lines(string(src)) {
		r.line++
		text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		if err := r.statement(text); err != nil {
			return &SourceError{File: file, Line: r.line, Problem: err.Error()}
		}
	}
	return r.finish()
}

func (r *ini) statement(text string) error {
	if m := iniSection.FindStringSubmatch(text); m != nil {
		return r.open(m[1], m[2])
	}
	if text[0] == '[' && strings.HasSuffix(text, "]") {
		return fmt.Errorf("%s is no section: it is written [group], [group:vars] or [group:children], without spaces", text)
	}
	switch r.kind {
	case "vars":
		return r.variable(text)
	case "children":
		return r.child(text)
	}
	return r.host(text)
}

func (r *ini) open(name, kind string) error {
	if kind == "" {
		kind = "hosts"
	}
	if kind != "hosts" && kind != "vars" && kind != "children" {
		return fmt.Errorf("section [%s:%s]: there are :vars, :children and :hosts", name, kind)
	}
	_, known := r.tree.group[name]
	g, err := r.tree.addGroup(name)
	if err != nil {
		return err
	}
	if kind == "vars" {
		if !known {
			r.awaited[name] = append(r.awaited[name], mention{line: r.line})
		}
	} else {
		for _, m := range r.awaited[name] {
			if m.parent != nil {
				err = errors.Join(err, r.tree.addChild(m.parent, g))
			}
		}
		delete(r.awaited, name)
	}
	r.section, r.kind = g, kind
	return err
}

func (r *ini) host(text string) error {
	words, err := splitWords(text)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New("a host without a name")
	}
	if words[0] == "---" {
		return errors.New("--- begins a YAML document, and this file is read as INI; name it .yaml")
	}
	names, port, err := hostNames(words[0])
	if err != nil {
		return err
	}
	values := vars{}
	source := r.source()
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q: a variable of a host is written name=value, without spaces around the =", w)
		}
		values[name] = variable{iniValue(value), source}
	}
	for _, name := range names {
		h, err := r.tree.addHost(name, r.section, port, source)
		if err != nil {
			return err
		}
		for name, v := range values {
			h.vars[name] = v
		}
	}
	return nil
}

func (r *ini) variable(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return fmt.Errorf("%q: a variable of a group is written name=value", text)
	}
	return r.section.set(name, variable{iniValue(strings.TrimSpace(value)), r.source()})
}

func (r *ini) child(text string) error {
	m := iniChild.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is no name of a group", text)
	}
	if child, known := r.tree.group[m[1]]; known {
		return r.tree.addChild(r.section, child)
	}
	r.awaited[m[1]] = append(r.awaited[m[1]], mention{r.section, r.line})
	return nil
}

func (r *ini) source() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// finish refuses the first group that was named and has no section.
func (r *ini) finish() error {
	var first *SourceError
	for name, mentions := range r.awaited {
		m := mentions[0]
		if first != nil && first.Line < m.line {
			continue
		}
		first = &SourceError{File: r.file, Line: m.line, Problem: fmt.Sprintf("[%s:vars] without a section [%s]", name, name)}
		if m.parent != nil {
			first.Problem = fmt.Sprintf("[%s:children] names %s, and there is no section [%s]", m.parent.name, name, name)
		}
	}
	if first == nil {
		return nil
	}
	return first
}
