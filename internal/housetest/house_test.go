package housetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the checkout, seen from this folder.
const root = "../.."

// room is the Go code of one folder, without tests.
type room struct {
	path  string // its import path without the module's name: internal/job
	files map[string]*ast.File
	set   *token.FileSet
}

// rooms parses the checkout.
func rooms(t *testing.T) (all []*room) {
	byPath := map[string]*room{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".."):
			return filepath.SkipDir
		case entry.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		r := byPath[dir]
		if r == nil {
			r = &room{path: filepath.ToSlash(dir), files: map[string]*ast.File{}, set: token.NewFileSet()}
			byPath[dir] = r
			all = append(all, r)
		}
		r.files[filepath.Base(path)], err = parser.ParseFile(r.set, path, nil, parser.ParseComments)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 15, "the checkout was not found")
	return all
}

// imports returns what the room imports, with a file that does.
func (r *room) imports() map[string]string {
	out := map[string]string{}
	for name, file := range r.files {
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value) // it parsed
			out[strings.TrimPrefix(path, "starling/")] = name
		}
	}
	return out
}

// under reports whether path is dir or in it.
func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func underAny(path string, dirs []string) bool {
	for _, dir := range dirs {
		if under(path, dir) {
			return true
		}
	}
	return false
}

// arrow forbids rooms an import.
type arrow struct {
	rooms  []string // these and what is in them; nil: all
	except []string
	ban    []string // import paths, and all below them
	reason string
}

const starlark = "go.starlark.net"

var arrows = []arrow{
	{rooms: []string{"interp"}, ban: []string{"cmd"}, reason: "the interpreter is a library: it knows no command line"},
	{rooms: []string{"builtins"}, ban: []string{"cmd", "interp"}, reason: "a builtin is called through the gate and never sees it"},
	{rooms: []string{"builtins/spec"}, ban: []string{"builtins", "internal"}, reason: "a Spec is a leaf: help and lint read it without a host"},
	{rooms: []string{"internal"}, except: []string{"internal/lint"}, ban: []string{"cmd", "interp", "builtins"}, reason: "arrows point down"},
	{rooms: []string{"internal/lint"}, ban: []string{"cmd", "interp", "internal/job", "internal/transport"},
		reason: "lint reads a script and never runs it, so it reaches no host"},
	{rooms: []string{"internal"}, except: []string{"internal/lint", "internal/inventory/star"}, ban: []string{starlark},
		reason: "jobs, connections and journals are there for any language"},
	{rooms: []string{"internal/wire"}, except: []string{"internal/wire/wirehost"}, ban: []string{"os", "net", "os/exec", "internal", "golang.org", "syscall"},
		reason: "the protocol is text in and text out"},
	{rooms: []string{"internal/wire/wirehost"}, ban: []string{"os", "net", "os/exec", "syscall", "golang.org", "internal/job", "internal/journal", "internal/transport/ssh", "internal/transport/local"},
		reason: "a host in memory starts nothing, opens nothing, and does not know who asks it"},
	{rooms: []string{"internal/transport"}, ban: []string{"internal/job", "internal/wire", "internal/journal"},
		reason: "a transport carries a command, whatever is in it"},
	{rooms: []string{"internal/job"}, ban: []string{"internal/transport/ssh", "internal/transport/local", "internal/transport/fake", "internal/journal", "os", "net"},
		reason: "the engine is given its transport and its recorder"},
	{except: []string{"cmd", "interp/embed", "internal/transport/ssh", "internal/sandbox", "internal/sshdtest"}, ban: []string{"golang.org/x/crypto/ssh", "internal/transport/ssh"},
		reason: "SSH is one transport of several"},
	{except: []string{"internal/journal"}, ban: []string{"modernc.org/sqlite", "database/sql"}, reason: "the journal alone knows its format"},
	{except: []string{"cmd"}, ban: []string{"github.com/spf13", "os/signal", "github.com/adrg/xdg"}, reason: "flags, signals and the user's folders are the command line's"},
	{except: []string{"internal/sshdtest", "internal/transport/transporttest", "internal/journal/journaltest"}, ban: []string{"testing"},
		reason: "the program is not a test"},
	{rooms: []string{"internal/event"}, ban: []string{"internal"}, reason: "everybody may tell what happened, so it knows nobody"},
	{rooms: []string{"internal/ui"}, ban: []string{"internal/job", "internal/journal", "internal/transport", "internal/wire"},
		reason: "the view is fed with events only, and cannot ask or answer"},
}

func TestArrows(t *testing.T) {
	for _, r := range rooms(t) {
		for imported, file := range r.imports() {
			for _, a := range arrows {
				if a.rooms != nil && !underAny(r.path, a.rooms) || underAny(r.path, a.except) || under(imported, r.path) {
					continue
				}
				if underAny(imported, a.ban) && !(len(a.rooms) == 1 && under(imported, a.rooms[0])) {
					t.Errorf("%s/%s imports %s: %s", r.path, file, imported, a.reason)
				}
			}
		}
	}
}

// The process and the clock are touched where they belong.
func TestReserved(t *testing.T) {
	for _, row := range []struct {
		pkg, names string
		rooms      []string // nil: all
		except     []string
		reason     string
	}{
		{"os", "Args Exit Getenv LookupEnv Environ Setenv", nil, []string{"cmd", "internal/sshdtest", "internal/transport/ssh/options.go"},
			"only the command line knows the process; ssh.FromEnvironment is called by it"},
		{"time", "Now Since Until Sleep After Tick NewTimer NewTicker AfterFunc", []string{"internal/wire", "builtins/spec", "internal/event"}, []string{"internal/wire/wirehost"},
			"what is only text has no clock"},
	} {
		for _, r := range rooms(t) {
			for name, file := range r.files {
				if row.rooms != nil && !underAny(r.path, row.rooms) || underAny(r.path+"/"+name, row.except) {
					continue
				}
				ast.Inspect(file, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == row.pkg && pkg.Obj == nil && strings.Contains(" "+row.names+" ", " "+sel.Sel.Name+" ") {
						t.Errorf("%s: %s.%s: %s", r.set.Position(sel.Pos()), row.pkg, sel.Sel.Name, row.reason)
					}
					return true
				})
			}
		}
	}
}

// A folder says once what it is, and what is not in it.
func TestOneCommentPerRoom(t *testing.T) {
	for _, r := range rooms(t) {
		var with []string
		for name, file := range r.files {
			// A comment that opens with "This file" is of its file.
			if text := file.Doc.Text(); text != "" && !strings.HasPrefix(text, "This file") {
				with = append(with, name)
				want := "Package " + file.Name.Name + " "
				if file.Name.Name == "main" {
					want = "Command " + filepath.Base(r.path) + " "
				}
				if !strings.HasPrefix(text, want) {
					t.Errorf("%s/%s: the comment begins with %q, want %q", r.path, name, strings.SplitN(text, "\n", 2)[0], want)
				}
			}
		}
		if len(with) != 1 {
			t.Errorf("%s: want one package comment, got %d: %v", r.path, len(with), with)
		}
	}
}
