package inventory

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// varEndings are tried in this order, and only the first that is there counts, as in Ansible.
var varEndings = []string{"", ".yml", ".yaml", ".json"}

// varFiles reads group_vars/ and host_vars/ beside every source.
func (l *loader) varFiles() error {
	for _, folder := range l.folders {
		groups, hosts := filepath.Join(folder, "group_vars"), filepath.Join(folder, "host_vars")
		if !isFolder(groups) {
			groups = ""
		}
		if !isFolder(hosts) {
			hosts = ""
		}
		for _, g := range l.tree.groups {
			values, err := l.varsOf(groups, g.name)
			if err != nil {
				return err
			}
			g.files = append(g.files, values)
		}
		if hosts == "" {
			continue
		}
		for _, h := range l.tree.hosts {
			values, err := l.varsOf(hosts, h.name)
			if err != nil {
				return err
			}
			h.files = append(h.files, values)
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// varsOf reads what a folder of variables has for one name; "" is no folder. A name that would lead out of the folder
// has none.
func (l *loader) varsOf(folder, name string) (vars, error) {
	if folder == "" || !filepath.IsLocal(name) {
		return nil, nil
	}
	for _, ending := range varEndings {
		path := filepath.Join(folder, name+ending)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		files := []string{path}
		if info.IsDir() {
			if files, err = varFilesIn(path); err != nil {
				return nil, &SourceError{File: path, Problem: reason(err)}
			}
		}
		out := vars{}
		for _, file := range files {
			if err := l.varFile(file, out); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, nil
}

// varFilesIn lists the files of variables in a folder and those within, by name.
func varFilesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue
		}
		switch ending := filepath.Ext(name); {
		case isFolder(path):
			if ending == "" {
				within, err := varFilesIn(path)
				if err != nil {
					return nil, err
				}
				out = append(out, within...)
			}
		case slices.Contains(varEndings, ending):
			out = append(out, path)
		}
	}
	return out, nil
}

// varFile reads one file of variables over those that are in out.
func (l *loader) varFile(path string, out vars) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return &SourceError{File: path, Problem: reason(err)}
	}
	if bytes.HasPrefix(src, []byte("$ANSIBLE_VAULT")) {
		l.warn(path, 1, "passed over: it is encrypted by ansible-vault, which is not read here")
		return nil
	}
	d, err := parseYAML(path, src)
	if err != nil || d == nil {
		return err
	}
	return d.variables(d.root, out.put)
}

func (v vars) put(name string, value variable) error {
	v[name] = value
	return nil
}
