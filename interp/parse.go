package interp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// This file is the only one that reads Starlark. The language reserves the word async, and the call this program is
// about is run(cmd, async=1800): so a small lexer puts another name of as many runes in the place of async, the
// parser reads that, and the tree gets async back wherever the lexer had been. Lines and columns stay true, and
// nothing behind this file ever sees the other name.

// Kind is what a source is for; the dialect follows from it.
type Kind int

const (
	Script  Kind = iota + 1 // what `starling run` executes, or an inventory
	Library                 // what load() brings in: as Script, but a global name is bound once
	REPL                    // what a person types: as Script, and load() binds names for the lines to come
)

// options returns the dialect of k. It never looks at the resolver's global flags.
func (k Kind) options() *syntax.FileOptions {
	return &syntax.FileOptions{
		Set:               true,
		While:             true,
		TopLevelControl:   true,
		GlobalReassign:    k != Library,
		LoadBindsGlobally: k == REPL,
	}
}

// SyntaxError says why a source cannot be read or compiled, and where.
type SyntaxError struct {
	Pos  syntax.Position
	Msg  string
	hint string
}

func (e *SyntaxError) Error() string { return e.Pos.String() + ": " + e.Msg }

// Hint returns what to write instead, or "".
func (e *SyntaxError) Hint() string { return e.hint }

// SyntaxErrors are all the errors of one source, in the order of the resolver; never empty.
type SyntaxErrors []*SyntaxError

func (e SyntaxErrors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", e[0], len(e)-1)
}

// Unwrap returns the errors one by one.
func (e SyntaxErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Parse reads a source, comments included. The path appears in positions as it is. The error is a *SyntaxError.
func Parse(path string, src []byte, kind Kind) (*syntax.File, error) {
	l := newLexer(standIn(src))
	f, err := kind.options().Parse(path, l.feed(src), syntax.RetainComments)
	if err != nil {
		return nil, l.explain(err, src)
	}
	l.restore(f)
	return f, nil
}

// ParseCompound reads one statement of a REPL, with as many calls of readline as it takes; each returns a line with
// its newline, and an error of its (io.EOF among them) comes back as it is. Any other error is a *SyntaxError.
func ParseCompound(path string, readline func() ([]byte, error)) (*syntax.File, error) {
	l := newLexer(standIn(nil))
	var src []byte
	var failed error
	f, err := REPL.options().ParseCompoundStmt(path, func() ([]byte, error) {
		line, err := readline()
		if err != nil {
			failed = err
			return nil, err
		}
		src = append(src, line...)
		return l.feed(line), nil
	})
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, l.explain(err, src)
	}
	l.restore(f)
	return f, nil
}

// Compile resolves the names of f and compiles it; f is used up. predeclared are the names that the caller will pass to
// Program.Init, beside those every Starlark has. The error is a SyntaxErrors.
func Compile(f *syntax.File, predeclared starlark.StringDict) (*starlark.Program, error) {
	prog, err := starlark.FileProgram(f, predeclared.Has)
	if faults := unresolved(err, predeclared); faults != nil {
		return nil, faults
	}
	if err != nil {
		return nil, fmt.Errorf("%s: compile: %w", f.Path, err)
	}
	return prog, nil
}

// unresolved returns what err says about names, with hints that predeclared has the names for; nil if it is not about names.
func unresolved(err error, predeclared starlark.StringDict) SyntaxErrors {
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return nil
	}
	all := make(SyntaxErrors, len(list))
	for i, e := range list {
		all[i] = &SyntaxError{Pos: e.Pos, Msg: e.Msg, hint: hintFor(e.Msg, "")}
		if all[i].hint == "" {
			all[i].hint = nearMiss(e.Msg, predeclared)
		}
	}
	return all
}

const async = "async"

// standIn returns an identifier of as many runes as async that does not occur in src.
func standIn(src []byte) string {
	for i := 0; ; i++ {
		// "aSyn0", "aSyn1", ... "aSynZ" and so on: base 36, so that a file would need a million of them.
		name := []byte("a0000")
		for n, at := i, len(name)-1; n > 0 && at > 0; n, at = n/36, at-1 {
			name[at] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[n%36]
		}
		if !bytes.Contains(src, name) {
			return string(name)
		}
	}
}

// lineCol is a line and a column, both from 1, columns in runes.
type lineCol struct{ line, col int32 }

// lexer finds async in a source that comes in one piece or line by line. It divides the text into names, strings,
// comments and the rest as the scanner of package syntax does. Where that one would stop with an error, it does not
// matter what this one does; so it needs no numbers, since none can stand before a name with nothing between.
type lexer struct {
	name string // what stands in for async
	put  map[lineCol]bool
	at   lineCol

	quote   byte // of the string that the text so far ends in; 0 outside
	triple  bool
	quotes  int // how many quotes in a row, in a triple-quoted string
	escaped bool
	ended   bool // behind a NUL byte, which ends a source
}

func newLexer(name string) *lexer {
	return &lexer{name: name, put: map[lineCol]bool{}, at: lineCol{1, 1}}
}

// feed takes the next piece of the source and returns it with async replaced.
func (l *lexer) feed(src []byte) []byte {
	if !l.ended && !bytes.Contains(src, []byte(async)) && l.quote == 0 && !bytes.ContainsAny(src, "'\"\x00") {
		l.skip(src, len(src))
		return src
	}
	out := make([]byte, 0, len(src))
	for rest := src; len(rest) > 0; {
		n := l.token(rest)
		word := rest[:n]
		if l.quote == 0 && !l.ended && string(word) == async {
			l.put[l.at] = true
			word = []byte(l.name)
		}
		out = append(out, word...)
		rest = l.skip(rest, n)
	}
	return out
}

// skip moves the position over the first n bytes of text and returns the others.
func (l *lexer) skip(text []byte, n int) []byte {
	for i := 0; i < n; {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if r == '\r' && i < len(text) && text[i] == '\n' {
			continue
		}
		if r == '\n' || r == '\r' {
			l.at.line++
			l.at.col = 0
		}
		l.at.col++
	}
	return text[n:]
}

// token returns the length of the token that text begins with, at least 1.
func (l *lexer) token(text []byte) int {
	if l.ended {
		return len(text)
	}
	if l.quote != 0 {
		return l.inString(text)
	}
	switch c := text[0]; {
	case c == 0:
		l.ended = true
		return len(text)
	case c == '#':
		if n := bytes.IndexAny(text, "\n\r\x00"); n >= 0 {
			return n
		}
		return len(text)
	case c == '"' || c == '\'':
		l.quote, l.quotes, l.escaped = c, 0, false
		l.triple = bytes.HasPrefix(text, []byte{c, c, c})
		if l.triple {
			return 3
		}
		return 1
	}
	return max(identifier(text), 1)
}

// inString returns the length of the string's rest, or of all of text if it does not end there.
func (l *lexer) inString(text []byte) int {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case l.escaped:
			l.escaped = false
			if c == '\r' && i+1 < len(text) && text[i+1] == '\n' {
				i++
			}
		case c == '\\':
			l.escaped, l.quotes = true, 0
		case c != l.quote:
			l.quotes = 0
		default:
			l.quotes++
			if !l.triple || l.quotes == 3 {
				l.quote = 0
				return i + 1
			}
		}
	}
	return len(text)
}

// identifier returns the length of the name that text begins with, 0 if there is none. Keywords are names here.
func identifier(text []byte) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		digit := '0' <= r && r <= '9'
		if !(r == '_' || unicode.IsLetter(r) || digit && n > 0) {
			break
		}
		n += size
	}
	return n
}

// restore gives async back to every name of the tree that had it. A name in a load statement comes from a string,
// which the lexer never touched: so it goes by the place, not by the name.
func (l *lexer) restore(f *syntax.File) {
	if len(l.put) == 0 {
		return
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && l.put[lineCol{id.NamePos.Line, id.NamePos.Col}] {
			id.Name = async
		}
		return true
	})
}

// explain makes a *SyntaxError of what package syntax says about src.
func (l *lexer) explain(err error, src []byte) error {
	var e syntax.Error
	if !errors.As(err, &e) {
		return err
	}
	msg := strings.ReplaceAll(e.Msg, l.name, async)
	return &SyntaxError{Pos: e.Pos, Msg: msg, hint: hintFor(msg, lineOf(src, e.Pos.Line))}
}

// lineOf returns a line of src, counted from 1; "" if there is none.
func lineOf(src []byte, line int32) string {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src))
	lines := strings.Split(text, "\n")
	if line < 1 || int(line) > len(lines) {
		return ""
	}
	return lines[line-1]
}
