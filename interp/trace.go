package interp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// ThreadError is the error of a host's thread, as the thread that started it sees it.
type ThreadError struct {
	Host   string
	Parent starlark.CallStack // of the thread that started it; nil if none did
	Err    error
}

func (e *ThreadError) Error() string { return fmt.Sprintf("%s: %v", e.Host, e.Err) }

// Unwrap returns the error of the host's thread.
func (e *ThreadError) Unwrap() error { return e.Err }

// TraceOptions say how Render prints. The zero value prints all of it and reads sources from disk.
type TraceOptions struct {
	Brief    bool                              // no traceback: the message, the line, the hint
	NoSource bool                              // no line of the source
	ReadFile func(path string) ([]byte, error) // nil: os.ReadFile
}

// contextKey is the thread-local that go.starlark.net/repl uses as well.
const contextKey = "context"

// WithContext gives the thread a context; it must not have begun to execute.
func WithContext(thread *starlark.Thread, ctx context.Context) {
	thread.SetLocal(contextKey, ctx)
}

// Context returns the thread's context, or context.Background() if it has none.
func Context(thread *starlark.Thread) context.Context {
	if ctx, ok := thread.Local(contextKey).(context.Context); ok {
		return ctx
	}
	return context.Background()
}

// CancelWith cancels the thread as soon as ctx is done, with the cause as the reason. The release must be called when
// the thread no longer executes; after it returns, ctx touches the thread no more.
func CancelWith(ctx context.Context, thread *starlark.Thread) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		thread.Cancel(context.Cause(ctx).Error())
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// Render returns what a person reads of a script's error, ending with a newline and safe for a terminal: where and what
// in the first line, the line of the source, the other lines of the message, the calls that led there with the innermost
// last, across load and host threads, and the hint of the innermost error that has one. An error that consists of
// several, as that of each(), is followed by these. An error without a position is its message and its hint.
func Render(err error, o TraceOptions) string {
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	t := unwind(err)
	var b strings.Builder
	if len(t.syntax) > 0 {
		for _, e := range t.syntax {
			o.head(&b, e.Pos, e.Msg)
			hint(&b, e)
		}
	} else {
		if t.parts != nil {
			// The other lines name the parts, which come in full below.
			t.msg = strings.TrimSuffix(firstLine(t.msg), "\n")
		}
		o.head(&b, t.position(), t.msg)
	}
	if !o.Brief && len(t.lines) > 0 {
		b.WriteString("Traceback (most recent call last):\n")
		b.WriteString(strings.Join(t.lines, ""))
	}
	if len(t.syntax) == 0 && t.parts == nil {
		hint(&b, err)
	}
	o.parts(&b, t.parts)
	return b.String()
}

// parts renders the errors that one error consists of, as those of the hosts of each(): some in full, the others in a
// line each.
func (o TraceOptions) parts(b *strings.Builder, all []error) {
	const full = 5
	for i, err := range all {
		where := ""
		var thread *ThreadError
		if errors.As(err, &thread) {
			// How the thread came about has been said above.
			err, where = thread.Err, "on host "+thread.Host+":"
		}
		text := Render(err, o)
		switch {
		case i < full && where != "":
			text = "\n" + where + "\n" + text
		case i < full:
			text = "\n" + text
		default:
			if i == full {
				b.WriteString("\n")
			}
			if where != "" {
				where += " "
			}
			text = where + firstLine(text)
		}
		b.WriteString(text)
	}
}

// firstLine returns text up to its first newline, which it keeps.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line + "\n"
}

// trace is what unwind finds in an error.
type trace struct {
	msg    string
	syntax []*SyntaxError     // when a source cannot be read or compiled
	stack  starlark.CallStack // of the innermost thread
	lines  []string           // all stacks, rendered
	parts  []error            // when the innermost error consists of several
}

// unwind walks from err to its innermost cause. A stack that begins as the one before it is of the same thread, at a
// later moment, and takes its place; any other is of a thread that was started from there.
func unwind(err error) trace {
	t := trace{msg: err.Error()}
	var lines []string // of all threads but the innermost
	next := func(stack starlark.CallStack) {
		if len(stack) < len(t.stack) || !slices.Equal(stack[:len(t.stack)], t.stack) {
			lines = append(lines, frames(t.stack)...)
		}
		t.stack = stack
	}
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case *starlark.EvalError:
			next(e.CallStack)
			t.msg = e.Msg
		case *ThreadError:
			if e.Parent != nil {
				next(e.Parent)
			}
			lines = append(lines, frames(t.stack)...)
			lines = append(lines, fmt.Sprintf("  on host %s:\n", e.Host))
			t.stack, t.msg = nil, e.Err.Error()
		case *SyntaxError:
			t.syntax = []*SyntaxError{e}
		case SyntaxErrors:
			t.syntax = e
		case interface{ Unwrap() []error }:
			t.parts = e.Unwrap()
		}
	}
	t.lines = append(lines, frames(t.stack)...)
	return t
}

// position returns where the innermost thread was, past the builtins on top of its stack.
func (t *trace) position() syntax.Position {
	for i := range t.stack {
		if pos := t.stack.At(i).Pos; !isPseudoFrame(pos) {
			return pos
		}
	}
	return syntax.Position{}
}

// isPseudoFrame reports whether a frame is of a builtin, which has no place in a source.
func isPseudoFrame(pos syntax.Position) bool { return pos.Line == 0 }

// frames renders a stack, a line each. A builtin on top is left out: the message speaks for it.
func frames(stack starlark.CallStack) []string {
	if n := len(stack); n > 0 && isPseudoFrame(stack[n-1].Pos) {
		stack = stack[:n-1]
	}
	lines := make([]string, len(stack))
	for i, f := range stack {
		if isPseudoFrame(f.Pos) {
			lines[i] = fmt.Sprintf("  in %s\n", f.Name)
		} else {
			lines[i] = fmt.Sprintf("  %s: in %s\n", f.Pos, f.Name)
		}
	}
	return lines
}

func hint(b *strings.Builder, err error) {
	if text := Hint(err); text != "" {
		fmt.Fprintf(b, "hint: %s\n", printable(text))
	}
}

// Hint returns the hint of the innermost error in err that has one, as it came from there; "" if none has.
func Hint(err error) string {
	text := ""
	for ; err != nil; err = errors.Unwrap(err) {
		if call, ok := err.(*CallError); ok {
			text = call.Hint() // which speaks for all that it wraps, and knows when that is of no use
			break
		}
		if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
			text = h.Hint()
		}
	}
	return text
}

// Place returns where in the script or its modules the error is, as file:line:col; "" if it is nowhere.
func Place(err error) string {
	t := unwind(err)
	if pos := t.position(); pos.Line > 0 {
		return pos.String()
	}
	return ""
}

// head writes the first line of a message behind its place, the line of the source, and the message's other lines.
func (o TraceOptions) head(b *strings.Builder, pos syntax.Position, msg string) {
	first, others, more := strings.Cut(printable(msg), "\n")
	if pos.IsValid() {
		first = pos.String() + ": " + first
	}
	b.WriteString(first + "\n")
	o.source(b, pos)
	if more {
		b.WriteString(strings.TrimSuffix(others, "\n") + "\n")
	}
}

// source writes the line at pos and a mark below it, if there is such a line to be had.
func (o TraceOptions) source(b *strings.Builder, pos syntax.Position) {
	if o.NoSource || !pos.IsValid() || isPseudo(pos.Filename()) {
		return
	}
	src, err := o.ReadFile(pos.Filename())
	if err != nil {
		return
	}
	line, col := excerpt(lineOf(src, pos.Line), int(pos.Col))
	if line == "" {
		return
	}
	fmt.Fprintf(b, "    %s\n", line)
	if col > 0 {
		fmt.Fprintf(b, "    %s^\n", strings.Repeat(" ", col-1))
	}
}

// printable writes out the control characters of text: a message may quote what a host wrote, and that is not for a
// terminal to obey. Newlines and tabs stay.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// excerpt returns what a terminal can show of a line, and the column in that; 0 if col is not in the line. Indentation
// is taken off, and of a long line the part around col is left.
func excerpt(line string, col int) (string, int) {
	const most = 100
	runes := []rune(strings.TrimRightFunc(line, unicode.IsSpace))
	if col < 0 || col > len(runes)+1 {
		col = 0
	}
	for len(runes) > 0 && unicode.IsSpace(runes[0]) && col != 1 {
		runes = runes[1:]
		col = max(col-1, 0)
	}
	if from := col - most/2; from > 0 && len(runes) > most {
		runes = runes[from:]
		col -= from
	}
	if len(runes) > most {
		runes = runes[:most]
	}
	for i, r := range runes {
		switch {
		case r == '\t':
			runes[i] = ' '
		case !unicode.IsPrint(r):
			runes[i] = unicode.ReplacementChar
		}
	}
	return string(runes), col
}

// hintFor returns, for who comes from Python or from Ansible, what Starlark has instead of what the message is about;
// "" if there is nothing to say. line is the line of the source, "" if it is not known.
func hintFor(msg, line string) string {
	if name, ok := strings.CutPrefix(msg, "undefined: "); ok {
		name, _, _ = strings.Cut(name, " ")
		return undefinedHint(name)
	}
	word := strings.TrimPrefix(strings.SplitN(msg, ",", 2)[0], "got ")
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	has := func(part string) bool { return strings.Contains(line, part) }
	switch {
	case first == async && word == "def":
		return "functions are not async, jobs are: run(cmd, async=1800, poll=0)"
	case word == "import" || word == "from":
		return `load("//lib.star", "name") brings in names`
	case word == "try" || word == "except" || word == "finally" || word == "raise":
		return "there are no exceptions: attempt(fn, ...) returns (ok, value, error), and fail(msg) ends the script"
	case word == "class":
		return "there are no classes: struct(name=value) and functions do"
	case word == "is":
		return "compare with == or !="
	case word == "with":
		return "there is no with: call what you need, one after the other"
	case word == "global" || word == "nonlocal":
		return "a function cannot bind a name outside of it: return the value, or keep it in a dict"
	case word == "del":
		return "d.pop(key) and l.pop(index) remove"
	case word == "yield":
		return "there are no generators: return a list"
	case word == "await":
		return "wait(job) waits for a job"
	case strings.HasPrefix(msg, "got string literal") && (has(`f"`) || has("f'")):
		return `there are no f-strings: "%s is %d" % (name, n) or "{} is {}".format(name, n)`
	case strings.HasPrefix(msg, "got string literal") && first == "print":
		return "print is a function: print(x)"
	case first == "assert":
		return `write: if not x: fail("why")`
	case word == "'**'":
		return "there is no operator **: math.pow(x, y)"
	case word == "':'" && has(":="):
		return "there is no :=, assign on a line of its own"
	case word == "':'" || word == "'-'" && has("->"):
		return "there are no type annotations"
	case strings.Contains(msg, "does not associate with"):
		return "write: a < b and b < c"
	case word == "'&'" && has("&&") || word == "'|'" && has("||") || strings.HasSuffix(msg, "'!'"):
		return "write and, or, not"
	case strings.HasSuffix(msg, "'?'"):
		return "write: a if condition else b"
	case strings.HasSuffix(msg, "'@'"):
		return "there are no decorators: f = decorate(f)"
	case strings.HasSuffix(msg, "'\ufeff'"):
		return "the file begins with a byte order mark: save it as UTF-8 without one"
	case strings.HasPrefix(msg, "unexpected input character") && strings.ContainsAny(msg, "“”‘’"):
		return "these are typographic quotes"
	case strings.HasSuffix(msg, "want ','") || strings.HasSuffix(msg, "want ')'") || strings.HasSuffix(msg, "want ']'") || strings.HasSuffix(msg, "want '}'"):
		return "a comma is missing before this, or a parenthesis or bracket was not closed"
	case strings.HasPrefix(msg, "cannot reassign global"):
		return "in a file that load() brings in, each global name is bound once"
	}
	return ""
}

// nearMiss proposes a name for one that is undefined, unless the resolver has done so from the names of the file.
func nearMiss(msg string, predeclared starlark.StringDict) string {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok || strings.Contains(name, " ") {
		return ""
	}
	if near := spec.Nearest(name, append(predeclared.Keys(), starlark.Universe.Keys()...)); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

func undefinedHint(name string) string {
	switch name {
	case "true", "yes":
		return "write True"
	case "false", "no":
		return "write False"
	case "null", "nil":
		return "write None"
	case "open":
		return "a script reads no files of this machine; run(\"cat ...\") reads those of a host"
	case "isinstance":
		return `type(x) == "string"`
	case "os", "sys", "subprocess":
		return "a script sees nothing of this machine; run(cmd) executes on a host"
	case "exit", "quit":
		return "fail(msg) ends a script before its end; Ctrl-D ends the REPL"
	case "Exception":
		return "there are no exceptions: fail(msg) ends the script"
	}
	return ""
}
