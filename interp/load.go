package interp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.starlark.net/starlark"
)

// LoaderConfig says where a Loader looks and what its modules see.
type LoaderConfig struct {
	// Script is the file that the run begins with, as the user named it. "" or "<stdin>": there is none, and the
	// current folder stands in for the script's.
	Script string
	// Root is the project's folder, out of which nothing is loaded. "": ProjectRoot of the script's folder.
	Root string
	// Predeclared are the names a module sees beside Starlark's own. The Loader freezes it.
	Predeclared starlark.StringDict
	// NewThread makes the thread that executes a module, for the thread that met the load statement: it carries over
	// what a thread must have (the context, the way to print). nil: a thread with the parent's Print and context. The
	// Loader itself sets Load, the mark for Loading, and the tie between context and thread.
	NewThread func(parent *starlark.Thread, name string) *starlark.Thread
	// Read, when not nil, is told of every file before anything in it runs: its absolute path and the SHA-256 of what
	// is in it, in hexadecimal. Its error ends the load.
	Read func(path, sum string) error
}

// Loader reads scripts and modules, each module once for all threads. It is safe for concurrent use.
type Loader struct {
	config  LoaderConfig
	cwd     string
	script  string // links resolved; "" if there is none
	dir     string // of the script, absolute
	root    string // absolute
	real    string // root with links resolved
	shown   string // root as positions show it
	modules *registry

	mu   sync.Mutex
	read map[string]bool // the files that config.Read was told of
}

// rootMarks are what makes a folder the root of a project.
var rootMarks = [...]string{".starling", "inventory.star", ".git"}

// ProjectRoot returns the nearest folder, from dir upwards, that holds .starling, inventory.star or .git; dir itself
// if there is none. An absolute dir gives an absolute root.
func ProjectRoot(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		for _, mark := range rootMarks {
			if _, err := os.Lstat(filepath.Join(at, mark)); err == nil {
				return at
			}
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// NewLoader returns a Loader. The error is that of a folder that is not there.
func NewLoader(config LoaderConfig) (*Loader, error) {
	cwd, err := filepath.Abs(".")
	if err != nil {
		return nil, fmt.Errorf("loader: %w", err)
	}
	l := &Loader{config: config, cwd: cwd, dir: cwd, read: map[string]bool{}, modules: newRegistry()}
	absolute := false
	if !isPseudo(config.Script) {
		absolute = filepath.IsAbs(config.Script)
		l.dir = filepath.Dir(l.abs(config.Script))
		// A script that is not there is for whoever reads it to report.
		l.script, _ = filepath.EvalSymlinks(l.abs(config.Script))
	}
	l.root = config.Root
	if l.root == "" {
		l.root = ProjectRoot(l.dir)
	}
	l.root = l.abs(l.root)
	if l.real, err = filepath.EvalSymlinks(l.root); err != nil {
		return nil, fmt.Errorf("loader: project folder: %w", err)
	}
	l.shown = l.root
	if rel, err := filepath.Rel(cwd, l.root); err == nil && !absolute {
		l.shown = rel
	}
	config.Predeclared.Freeze()
	return l, nil
}

// isPseudo reports whether path names no file but a source such as "<stdin>".
func isPseudo(path string) bool { return path == "" || path[0] == '<' }

func (l *Loader) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.cwd, path)
}

// Program parses and compiles the script and records its contents; src nil reads the file at path. A
// *starlark.Program can be initialized once per host. The error is that of os.ReadFile, a *SyntaxError or a
// SyntaxErrors.
func (l *Loader) Program(path string, src []byte) (*starlark.Program, error) {
	if src == nil {
		var err error
		if src, err = os.ReadFile(l.abs(path)); err != nil {
			return nil, err
		}
	}
	real := path
	if !isPseudo(path) {
		real = l.abs(path)
	}
	return l.compile(path, real, src, Script)
}

func (l *Loader) compile(shown, real string, src []byte, kind Kind) (*starlark.Program, error) {
	if err := l.record(real, src); err != nil {
		return nil, err
	}
	f, err := Parse(shown, src, kind)
	if err != nil {
		return nil, err
	}
	return Compile(f, l.config.Predeclared)
}

// Load is what a starlark.Thread's Load is to be. A name is relative to the file that loads, or to the project's root
// if it begins with //. The globals it returns are frozen and shared. A file that cannot be had is a *LoadError, one
// that needs itself a *CycleError.
func (l *Loader) Load(thread *starlark.Thread, name string) (starlark.StringDict, error) {
	from, _ := thread.Local(loadingKey).(*module)
	real, err := l.resolve(thread, name)
	if err != nil {
		return nil, err
	}
	if real == l.script {
		return nil, &CycleError{Chain: append(from.chain(l.config.Script), l.config.Script)}
	}
	// resolve has made sure that there is a relative path.
	rel, _ := filepath.Rel(l.real, real)
	shown := filepath.Join(l.shown, rel)
	return l.modules.get(Context(thread), from, real, shown, func(m *module) (starlark.StringDict, error) {
		return l.execute(thread, m, real)
	})
}

// execute runs the module's top level in a thread of its own.
func (l *Loader) execute(parent *starlark.Thread, m *module, real string) (starlark.StringDict, error) {
	src, err := os.ReadFile(real)
	if err != nil {
		return nil, &LoadError{Path: m.name, Msg: err.Error()}
	}
	prog, err := l.compile(m.name, real, src, Library)
	if err != nil {
		return nil, err
	}
	thread := l.newThread(parent, "load "+m.name)
	thread.Load = l.Load
	thread.SetLocal(loadingKey, m)
	release := CancelWith(Context(thread), thread)
	defer release()
	globals, err := prog.Init(thread, l.config.Predeclared)
	globals.Freeze()
	return globals, err
}

func (l *Loader) newThread(parent *starlark.Thread, name string) *starlark.Thread {
	if l.config.NewThread != nil {
		return l.config.NewThread(parent, name)
	}
	thread := &starlark.Thread{Name: name, Print: parent.Print}
	WithContext(thread, Context(parent))
	return thread
}

// resolve returns the real path of the file that name means in the file that thread executes.
func (l *Loader) resolve(thread *starlark.Thread, name string) (string, error) {
	path := l.dir
	if thread.CallStackDepth() > 0 {
		if file := thread.CallFrame(0).Pos.Filename(); !isPseudo(file) {
			path = filepath.Dir(l.abs(file))
		}
	}
	switch rest, rooted := strings.CutPrefix(name, "//"); {
	case name == "" || rooted && rest == "" || strings.ContainsRune(name, 0):
		return "", &LoadError{Path: name, Msg: "not a path"}
	case rooted:
		path = filepath.Join(l.root, filepath.FromSlash(rest))
	case filepath.IsAbs(name):
		return "", &LoadError{Path: name, Msg: "an absolute path", hint: "begin with // for the root of the project, " + l.root}
	case name[0] == '@':
		return "", &LoadError{Path: name, Msg: "there are no named repositories", hint: "copy the file into the project"}
	default:
		path = filepath.Join(path, filepath.FromSlash(name))
	}
	if !within(l.root, path) {
		return "", l.outside(path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", l.missing(path, name)
	}
	if !within(l.real, real) {
		return "", l.outside(real)
	}
	// Anything but a file could block for ever: a pipe, a terminal.
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "", &LoadError{Path: path, Msg: path + " is not a file"}
	}
	return real, nil
}

func within(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel)
}

func (l *Loader) outside(path string) error {
	return &LoadError{
		Path: path,
		Msg:  fmt.Sprintf("%s is outside of the project %s", path, l.real),
		hint: "the project is the nearest folder with " + strings.Join(rootMarks[:], ", ") +
			"; an empty .starling further up makes it wider",
	}
}

func (l *Loader) missing(path, name string) error {
	e := &LoadError{Path: path, Msg: "no such file: " + path}
	fromRoot := filepath.Join(l.root, filepath.FromSlash(name))
	if _, err := os.Stat(fromRoot); err == nil && within(l.root, fromRoot) {
		e.hint = fmt.Sprintf("load(\"//%s\", ...) loads %s", name, fromRoot)
	}
	return e
}

// LoadError says why a file cannot be loaded.
type LoadError struct {
	Path string // what was looked for
	Msg  string
	hint string
}

func (e *LoadError) Error() string { return e.Msg }

// Hint returns the cure, or "".
func (e *LoadError) Hint() string { return e.hint }

// Root returns the project's folder, absolute and without links.
func (l *Loader) Root() string { return l.real }

func (l *Loader) record(path string, src []byte) error {
	l.mu.Lock()
	known := l.read[path]
	l.read[path] = true
	l.mu.Unlock()
	if known || l.config.Read == nil {
		return nil
	}
	return l.config.Read(path, Digest(src))
}

// Digest is the SHA-256 of a source, in hexadecimal.
func Digest(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}
