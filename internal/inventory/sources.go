package inventory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// loader reads sources into a tree.
type loader struct {
	options  Options
	tree     *tree
	folders  []string // where group_vars/ and host_vars/ may lie, one per source, in their order
	warnings []string
}

func (l *loader) warn(file string, line int, problem string) {
	l.warnings = append(l.warnings, (&SourceError{File: file, Line: line, Problem: problem}).Error())
}

// source reads one source as it was given.
func (l *loader) source(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		l.folders = append(l.folders, path)
		return l.folder(ctx, path)
	case err == nil:
		l.folders = append(l.folders, filepath.Dir(path))
		return l.file(ctx, path, info)
	case strings.Contains(path, ",") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG)):
		return l.list(path)
	}
	return &SourceError{File: path, Problem: "inventory: " + reason(err), Advice: `a list of names has a comma in it: -i "` + path + `,"`}
}

// reason is an error of the file system without the path, which stands before it already.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// list reads names separated by commas.
func (l *loader) list(text string) error {
	for _, name := range strings.Split(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		names, port, err := hostNames(name)
		for _, n := range names {
			if err == nil {
				_, err = l.tree.addHost(n, l.tree.group["ungrouped"], port, "the list "+text)
			}
		}
		if err != nil {
			return &SourceError{File: text, Problem: err.Error()}
		}
	}
	return nil
}

// skipped are the names in a folder that Ansible passes over.
var skipped = regexp.MustCompile(`^\.|^(?:host_vars|group_vars|vars_plugins)$|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$`)

// folder reads all inventories in a folder, by name, and those in folders within.
func (l *loader) folder(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &SourceError{File: dir, Problem: reason(err)}
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if skipped.MatchString(e.Name()) {
			continue
		}
		if strings.HasSuffix(e.Name(), ".ini") {
			l.warn(path, 0, "passed over: in a folder, a name that ends in .ini is none of an inventory, as in Ansible; take the ending away")
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return &SourceError{File: path, Problem: reason(err)}
		}
		if info.IsDir() {
			err = l.folder(ctx, path)
		} else {
			err = l.file(ctx, path, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const maxFile = 64 << 20 // bytes of an inventory, or of the answer of an executable

// file reads one file by what it is: the ending says so, else the content.
func (l *loader) file(ctx context.Context, path string, info fs.FileInfo) error {
	if info.Size() > maxFile {
		return &SourceError{File: path, Problem: fmt.Sprintf("too large for an inventory: %d MB", info.Size()>>20)}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return &SourceError{File: path, Problem: reason(err)}
	}
	kind := filepath.Ext(path)
	if kind == ".star" {
		return l.starlark(ctx, path, src)
	}
	shebang := bytes.HasPrefix(src, []byte("#!"))
	binary := bytes.IndexByte(src[:min(len(src), 512)], 0) >= 0
	if info.Mode()&0o111 != 0 && (shebang || binary) {
		return l.script(ctx, path)
	}
	if bytes.HasPrefix(src, []byte("$ANSIBLE_VAULT")) {
		return &SourceError{File: path, Problem: "encrypted by ansible-vault, which is not read here"}
	}
	switch {
	case binary:
		return &SourceError{File: path, Problem: "a binary file that may not be executed is no inventory"}
	case kind == ".toml":
		return &SourceError{File: path, Problem: "inventories in TOML are not read", Advice: "ansible-inventory -i " + path + " --list --yaml --export writes it as YAML"}
	case slices.Contains([]string{".yaml", ".yml", ".json"}, kind):
		return l.yaml(path, src)
	case shebang && kind != ".ini":
		return &SourceError{File: path, Line: 1, Problem: "begins with #! and may not be executed", Advice: "chmod +x " + path}
	case kind == "" && looksLikeYAML(src):
		return l.yaml(path, src)
	}
	return readINI(l.tree, path, src)
}

// starlark reads a Starlark inventory.
func (l *loader) starlark(ctx context.Context, path string, src []byte) error {
	if l.options.Starlark == nil {
		return &SourceError{File: path, Problem: "Starlark inventories are not read here"}
	}
	said, err := l.options.Starlark(ctx, path, src)
	if err != nil {
		return err
	}
	for _, g := range said.Groups {
		g.File = cmp.Or(g.File, path)
		if err := l.declareGroup(g); err != nil {
			return &SourceError{File: g.File, Line: g.Line, Problem: err.Error()}
		}
	}
	for _, h := range said.Hosts {
		h.File = cmp.Or(h.File, path)
		if err := l.declareHost(h); err != nil {
			return &SourceError{File: h.File, Line: h.Line, Problem: err.Error()}
		}
	}
	return nil
}

func (l *loader) declareGroup(d GroupDecl) error {
	g, err := l.tree.addGroup(d.Name)
	if err != nil {
		return err
	}
	source := fmt.Sprintf("%s:%d", d.File, d.Line)
	for _, name := range d.Children {
		child, err := l.tree.addGroup(name)
		if err == nil {
			err = l.tree.addChild(g, child)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range d.Hosts {
		if _, err := l.tree.addHost(name, g, 0, source); err != nil {
			return err
		}
	}
	for name, value := range d.Vars {
		if err := g.set(name, variable{value, source}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) declareHost(d HostDecl) error {
	source := fmt.Sprintf("%s:%d", d.File, d.Line)
	groups := d.Groups
	if len(groups) == 0 {
		groups = []string{"ungrouped"}
	}
	for _, name := range groups {
		g, err := l.tree.addGroup(name)
		if err != nil {
			return err
		}
		h, err := l.tree.addHost(d.Name, g, 0, source)
		if err != nil {
			return err
		}
		for name, value := range d.Vars {
			h.vars[name] = variable{value, source}
		}
	}
	return nil
}
