// Package lint reads scripts and finds what will go wrong when they run: jobs that nobody comes back for, parameters
// that do not exist, commands that do by hand what a builtin does. It never executes anything and asks no host.
//
// It knows the language's tree and the builtins' Specs, both of which it is given; it neither parses Starlark itself
// nor knows how a builtin works, and what a person sees of a Finding on a terminal is the command line's to say.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// Options are what a lint knows of the world. Specs and Parse are needed, all else may be left out.
type Options struct {
	// Specs are the whole vocabulary of a script.
	Specs []spec.Spec
	// Names are what a script sees beside the Specs and Starlark's own names; nil: struct, json, math and time.
	Names []string
	// Parse reads a source with its comments and in a script's dialect. Its errors are handed through.
	Parse func(path string, src []byte) (*syntax.File, error)
	// ReadFile returns a file's contents; nil: os.ReadFile. It is asked for the paths given and for what they load.
	ReadFile func(path string) ([]byte, error)
	// Root is the project's folder, where load("//...") begins and out of which nothing is loaded; "": the folder of
	// the first path that is neither empty nor of the form "<name>", and nothing is said of loads from outside.
	Root string
	// History tells the 95th percentile of how long a command took and from how many runs that is known, as the
	// journal has them; ok is false for a command that is not known. nil: no command is.
	History func(cmd string) (p95 time.Duration, count int, ok bool)
	// Effect reports whether a builtin touches a host or asks the world anything, and so cannot be called while a
	// module is loaded. nil: those do that take jobs, async or ignore_errors, and a few more that are known by name.
	Effect func(builtin string) bool
}

// Finding is one thing that is wrong, or likely to be. Its JSON form is stable.
type Finding struct {
	Rule     Rule     `json:"rule"`
	Path     string   `json:"path"` // of the file, as positions show it; of a module that a given path loads, too
	Line     int      `json:"line"` // from 1
	Col      int      `json:"col"`  // from 1, in code points
	Severity Severity `json:"severity"`
	Msg      string   `json:"msg"`
	Hint     string   `json:"hint,omitempty"` // what to do about it
}

// Pos returns where it is, as file:line:col.
func (f Finding) Pos() string { return fmt.Sprintf("%s:%d:%d", f.Path, f.Line, f.Col) }

// String returns the finding in one line, position first, without the hint.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Pos(), f.Severity, f.Msg, f.Rule)
}

// File lints the script at path and all it loads. See Files.
func File(path string, o Options) ([]Finding, error) { return Files([]string{path}, o) }

// Files lints several scripts as one project: a file that one of them loads is a library, and is read once. The
// findings are in the order of the files (those given first), then of positions. An error says which files could not
// be read, parsed or resolved (joined: those of ReadFile and Parse, and a resolve.Error for each fault); the findings
// in the other files are returned all the same.
func Files(paths []string, o Options) ([]Finding, error) {
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	p := newProject(o)
	for _, path := range paths {
		p.script(path)
	}
	for _, f := range p.order {
		p.names(f)
		p.calls(f)
		p.places(f)
	}
	p.follow()
	return p.result(), errors.Join(p.errs...)
}

// result returns the findings that no comment switches off, sorted, each once.
func (p *project) result() []Finding {
	rank := map[string]int{}
	for i, f := range p.order {
		rank[f.path] = i
	}
	var out []Finding
	for _, found := range p.found {
		if !found.file.ignores(found.Rule, found.Line) {
			out = append(out, found.Finding)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Path], rank[b.Path]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(out, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.Path == b.Path && a.Line == b.Line && a.Col == b.Col
	})
}

// placed is a finding with the file it is in.
type placed struct {
	Finding
	file *file
}

// report notes a finding; hint may be "".
func (p *project) report(f *file, rule Rule, pos syntax.Position, hint, format string, args ...any) {
	p.found = append(p.found, placed{file: f, Finding: Finding{
		Rule: rule, Path: f.path, Line: int(pos.Line), Col: int(pos.Col), Severity: rule.Severity(), Msg: fmt.Sprintf(format, args...), Hint: hint,
	}})
}
