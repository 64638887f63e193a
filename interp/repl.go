package interp

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/job"
)

// Session is a script that is typed line by line. With several hosts, every statement is carried out on each of them,
// in a module instance of its own. A Session is used by one goroutine.
type Session struct {
	in        *Interp
	instances []instance
}

type instance struct {
	at      *place // of all its statements: no two calls of the session are the same step
	globals starlark.StringDict
}

// Answer is what a statement came to on one host.
type Answer struct {
	Host  string         // "" when there is no current host
	Value starlark.Value // nil for a statement, and for an expression that is None
	Err   error
}

// Session begins a session on the hosts of the Options.
func (in *Interp) Session() *Session {
	s := &Session{in: in}
	hosts := in.options.Hosts
	if hosts == nil {
		hosts = []*job.Host{nil}
	}
	for i, h := range hosts {
		globals := starlark.StringDict{}
		for name, value := range in.predeclared {
			globals[name] = value
		}
		help := in.helpBuiltin(i == 0)
		globals["help"] = in.gate.bind(&help)
		at := &place{host: h, path: "repl"}
		if h != nil {
			at.path = h.Name()
		}
		s.instances = append(s.instances, instance{at, globals})
	}
	return s
}

// Statement is what Read read: a tree for each host, since Starlark resolves the names of a tree by writing into it.
type Statement struct{ trees []*syntax.File }

// Read reads one statement, with as many calls of readline as it takes.
func (s *Session) Read(readline func() ([]byte, error)) (*Statement, error) {
	var lines [][]byte
	read, err := ParseCompound("<repl>", func() ([]byte, error) {
		line, err := readline()
		if err == nil {
			lines = append(lines, slices.Clone(line))
		}
		return line, err
	})
	if err != nil {
		return nil, err
	}
	trees := []*syntax.File{read}
	for len(trees) < len(s.instances) {
		rest := lines
		tree, err := ParseCompound("<repl>", func() ([]byte, error) {
			if len(rest) == 0 {
				return nil, io.EOF
			}
			line := rest[0]
			rest = rest[1:]
			return line, nil
		})
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
	return &Statement{trees}, nil
}

// Eval carries a statement out, on all hosts side by side, and remembers the value of an expression as _. A statement
// is carried out once.
func (s *Session) Eval(ctx context.Context, statement *Statement) []Answer {
	answers := make([]Answer, len(s.instances))
	var wg sync.WaitGroup
	for i, in := range s.instances {
		wg.Go(func() { answers[i] = s.eval(ctx, statement.trees[i], in) })
	}
	wg.Wait()
	return answers
}

func (s *Session) eval(ctx context.Context, file *syntax.File, in instance) (answer Answer) {
	if in.at.host != nil {
		answer.Host = in.at.host.Name()
	}
	thread := s.in.newThread(ctx, in.at)
	release := CancelWith(ctx, thread)
	defer release()
	defer func() {
		if faults := unresolved(answer.Err, in.globals); faults != nil {
			answer.Err = faults
		}
	}()
	expr := soleExpr(file)
	if expr == nil {
		answer.Err = starlark.ExecREPLChunk(file, thread, in.globals)
		return answer
	}
	answer.Value, answer.Err = starlark.EvalExprOptions(file.Options, thread, expr, in.globals)
	if answer.Err != nil || answer.Value == starlark.None {
		answer.Value = nil
		return answer
	}
	in.globals["_"] = answer.Value
	return answer
}

// soleExpr returns the expression that the statement is, or nil.
func soleExpr(file *syntax.File) syntax.Expr {
	if len(file.Stmts) == 1 {
		if stmt, ok := file.Stmts[0].(*syntax.ExprStmt); ok {
			return stmt.X
		}
	}
	return nil
}

// Complete returns the words that may stand in place of the one that ends at byte pos: names, and behind a dot the
// attributes of a value that a name or a path of attributes already has.
func (s *Session) Complete(line string, pos int) []string {
	start := strings.LastIndexFunc(line[:pos], func(r rune) bool {
		return r != '_' && r != '.' && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}) + 1
	word := line[start:pos]
	dot := strings.LastIndexByte(word, '.')
	if dot < 0 {
		return s.names(word)
	}
	value := s.lookup(word[:dot])
	attrs, ok := value.(starlark.HasAttrs)
	if !ok {
		return nil
	}
	var out []string
	for _, name := range attrs.AttrNames() {
		if strings.HasPrefix(name, word[dot+1:]) {
			out = append(out, word[:dot+1]+name)
		}
	}
	return out
}

func (s *Session) names(prefix string) []string {
	var out []string
	for _, names := range []starlark.StringDict{s.instances[0].globals, starlark.Universe} {
		for name, value := range names {
			if !strings.HasPrefix(name, prefix) || name == "_" {
				continue
			}
			if _, ok := value.(starlark.Callable); ok {
				name += "("
			}
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

// lookup finds the value of a path such as a.b.c; nil when there is none.
func (s *Session) lookup(path string) starlark.Value {
	parts := strings.Split(path, ".")
	value := s.instances[0].globals[parts[0]]
	for _, name := range parts[1:] {
		attrs, ok := value.(starlark.HasAttrs)
		if !ok {
			return nil
		}
		next, err := attrs.Attr(name)
		if err != nil {
			return nil
		}
		value = next
	}
	return value
}

// helpBuiltin explains. What is the same for all hosts only the one that is the speaker says, and not as a host.
func (in *Interp) helpBuiltin(speaker bool) builtins.Builtin {
	return builtins.Builtin{
		Effect: builtins.Pure,
		Spec: spec.Spec{
			Name:    "help",
			Summary: "Explain a builtin or a function; only at the prompt of starling repl.",
			Params: []spec.Param{{Name: "what", Type: spec.Any, Default: "None", Positional: true,
				Doc: "A builtin, its name, or a function; None lists the builtins."}},
			Returns: "None; it prints.",
			Example: `help(run)`,
		},
		Do: func(c *builtins.Call) (starlark.Value, error) {
			text, general, err := help(c.Args.Value("what"))
			if err != nil {
				return nil, err
			}
			text = strings.TrimRight(text, "\n")
			if !general {
				c.Thread.Print(c.Thread, text)
			} else if speaker {
				for line := range strings.SplitSeq(text, "\n") {
					in.gate.emit(event.Event{Kind: event.Output, Pos: c.Pos, Msg: line})
				}
			}
			return starlark.None, nil
		},
	}
}

// help returns what is to be said of a value, and whether that is so on every host.
func help(what starlark.Value) (text string, general bool, err error) {
	name := ""
	switch v := what.(type) {
	case starlark.NoneType, nil:
		var b strings.Builder
		for _, s := range Specs() {
			fmt.Fprintf(&b, "%-20s %s\n", s.Name, s.Summary)
		}
		return b.String() + "\nhelp(NAME) explains one.", true, nil
	case *starlark.Function:
		if doc := v.Doc(); doc != "" {
			return v.Name() + ": " + doc, true, nil
		}
		return v.Name() + " has no docstring", true, nil
	case *starlark.Builtin:
		name = v.Name()
	case starlark.String:
		name = string(v)
	default:
		return fmt.Sprintf("a %s: %s", v.Type(), v), false, nil
	}
	var names []string
	for _, s := range Specs() {
		if s.Name == name {
			return s.Help(), true, nil
		}
		names = append(names, s.Name)
	}
	if near := spec.Nearest(name, names); near != "" {
		return "", false, fmt.Errorf("no builtin %q of Starling's (did you mean %s?)", name, near)
	}
	return "", false, fmt.Errorf("no builtin %q of Starling's; help() lists them", name)
}
