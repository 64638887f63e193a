package lint

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// project is everything one lint reads.
type project struct {
	o      Options
	specs  map[string]*spec.Spec
	known  map[string]bool // predeclared, the Specs' among them
	root   string
	strict bool // loads from outside of root are faults
	files  map[string]*file
	order  []*file
	fields map[string]bool // names of fields that scripts give to their own structs
	// lambdas are those that were called under a name, each as the def that it stands for.
	lambdas map[*syntax.LambdaExpr]*syntax.DefStmt
	found   []placed
	errs    []error
}

// file is one source.
type file struct {
	path    string
	tree    *syntax.File
	library bool // something loads it
	loads   map[*syntax.Ident]export
	faults  resolve.ErrorList
	*index
	*switches
}

// export is what a load statement brings in: a global of another file, which is nil if it could not be read.
type export struct {
	file *file
	name string
}

func newProject(o Options) *project {
	p := &project{o: o, specs: map[string]*spec.Spec{}, known: map[string]bool{}, files: map[string]*file{}, fields: map[string]bool{},
		lambdas: map[*syntax.LambdaExpr]*syntax.DefStmt{}}
	names := o.Names
	if names == nil {
		names = []string{"struct", "json", "math", "time"}
	}
	for _, name := range names {
		p.known[name] = true
	}
	for i := range o.Specs {
		p.specs[o.Specs[i].Name] = &o.Specs[i]
		p.known[o.Specs[i].Name] = true
	}
	if o.Root != "" {
		p.root, p.strict = filepath.Clean(o.Root), true
	}
	return p
}

// script adds a file that was asked for.
func (p *project) script(path string) {
	if !p.strict && p.root == "" && path != "" && path[0] != '<' {
		p.root = filepath.Dir(path)
	}
	if _, read := p.files[filepath.Clean(path)]; read {
		return
	}
	p.files[filepath.Clean(path)] = nil
	src, err := p.o.ReadFile(path)
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	p.add(path, src, false)
}

// add parses and resolves a source and all it loads. It returns nil if it does not parse.
func (p *project) add(path string, src []byte, library bool) *file {
	tree, err := p.o.Parse(path, src)
	if err != nil {
		p.errs = append(p.errs, err)
		return nil
	}
	f := &file{path: path, tree: tree, library: library, loads: map[*syntax.Ident]export{}}
	p.files[filepath.Clean(path)] = f
	p.order = append(p.order, f)
	if library {
		// The one difference between the two dialects, and only the resolver heeds it.
		dialect := *tree.Options
		dialect.GlobalReassign = false
		tree.Options = &dialect
	}
	if err := resolve.File(tree, func(name string) bool { return p.known[name] }, starlark.Universe.Has); err != nil {
		var list resolve.ErrorList
		if !errors.As(err, &list) {
			p.errs = append(p.errs, err)
		}
		f.faults = list
	}
	f.switches = readSwitches(tree)
	f.index = newIndex(tree)
	for field := range f.structFields {
		p.fields[field] = true
	}
	for _, l := range f.loadStmts {
		p.load(f, l)
	}
	return f
}

// load reads what a load statement asks for and notes what its names stand for.
func (p *project) load(f *file, l *syntax.LoadStmt) {
	name := l.ModuleName()
	module, problem := p.module(f, name)
	for i, to := range l.To {
		f.loads[to] = export{module, l.From[i].Name}
	}
	if problem != "" {
		p.report(f, Undefined, l.Module.TokenPos, "", "cannot load %s: %s", name, problem)
	}
	if module == nil {
		return
	}
	for _, from := range l.From {
		if !module.exports(from.Name) && len(module.faults) == 0 {
			hint := ""
			if near := spec.Nearest(from.Name, module.globalNames()); near != "" {
				hint = "did you mean " + near + "?"
			}
			p.report(f, Undefined, from.NamePos, hint, "undefined: %s is not in %s", from.Name, module.path)
		}
	}
}

// module returns the file that name means in f, nil if it can't be had; the problem is "" unless that is certain.
func (p *project) module(f *file, name string) (m *file, problem string) {
	rest, rooted := strings.CutPrefix(name, "//")
	var path string
	switch {
	case rest == "" || strings.ContainsRune(name, 0) || name[0] == '@' || filepath.IsAbs(name) && !rooted:
		return nil, "not a path within the project"
	case rooted:
		path = filepath.Join(p.root, filepath.FromSlash(rest))
	case f.path == "" || f.path[0] == '<':
		path = filepath.Join(p.root, filepath.FromSlash(name))
	default:
		path = filepath.Join(filepath.Dir(f.path), filepath.FromSlash(name))
	}
	if p.strict && !within(p.root, path) {
		return nil, path + " is outside of the project " + p.root
	}
	if m, known := p.files[path]; known {
		if m != nil && m != f {
			m.library = true
		}
		return m, ""
	}
	src, err := p.o.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "no such file: " + path
	}
	if err != nil {
		p.errs = append(p.errs, err)
		return nil, ""
	}
	p.files[path] = nil
	return p.add(path, src, true), ""
}

// within reports whether path is in root; what can't be compared counts as being there.
func within(root, path string) bool {
	if filepath.IsAbs(root) != filepath.IsAbs(path) {
		var err1, err2 error
		root, err1 = filepath.Abs(root)
		path, err2 = filepath.Abs(path)
		if err1 != nil || err2 != nil {
			return true
		}
	}
	rel, err := filepath.Rel(root, path)
	return err != nil || filepath.IsLocal(rel)
}

// exports reports whether the file's top level may bind the name.
func (f *file) exports(name string) bool { return slices.Contains(f.globalNames(), name) }

func (f *file) globalNames() []string {
	var names []string
	for _, variable := range f.globals() {
		names = append(names, variable.Name)
	}
	return names
}

// globals returns the file's global variables, each as the identifier that binds it first.
func (f *file) globals() []*syntax.Ident {
	module, ok := f.tree.Module.(*resolve.Module)
	if !ok {
		return nil
	}
	out := make([]*syntax.Ident, len(module.Globals))
	for i, b := range module.Globals {
		out[i] = b.First
	}
	return out
}
