package interp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"go.uber.org/goleak"
)

// hinted is an error with a hint.
type hinted struct{ msg, hint string }

func (e *hinted) Error() string { return e.msg }
func (e *hinted) Hint() string  { return e.hint }

// tracePredeclared has run, which fails; apply, which calls a function in the same thread and wraps its error; and
// host, which calls one in a thread of its own.
func tracePredeclared() starlark.StringDict {
	call := func(thread *starlark.Thread, fn starlark.Value) error {
		_, err := starlark.Call(thread, fn, nil, nil)
		return err
	}
	type impl = func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)
	define := func(name string, fn impl) starlark.Value { return starlark.NewBuiltin(name, fn) }
	return starlark.StringDict{
		"run": define("run", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return nil, fmt.Errorf("run: %w", &hinted{"exit code 3", "look at it"})
		}),
		"apply": define("apply", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return nil, fmt.Errorf("apply: %w", call(thread, args[0]))
		}),
		"host": define("host", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return nil, &ThreadError{Host: "web1", Parent: thread.CallStack(), Err: call(new(starlark.Thread), args[0])}
		}),
		"hosts": define("hosts", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			var all []error
			for i := range 7 {
				all = append(all, &ThreadError{Host: fmt.Sprintf("web%d", i), Parent: thread.CallStack(), Err: call(new(starlark.Thread), args[0])})
			}
			return nil, manyError(all)
		}),
	}
}

// manyError names its parts in its message, and finds their hint, as that of each() does.
type manyError []error

func (e manyError) Error() string   { return "hosts: 7 failed\nweb0: and so on" }
func (e manyError) Unwrap() []error { return e }

func (e manyError) Hint() string { return "that of the first" }

func TestRender(t *testing.T) {
	rows := []struct {
		name    string
		files   map[string]string
		options TraceOptions
		want    string
	}{
		{name: "a builtin", files: map[string]string{"main.star": "def main():\n\trun(\"x\")\n\nmain()\n"}, want: `
main.star:2:5: run: exit code 3
    run("x")
       ^
Traceback (most recent call last):
  main.star:4:5: in <toplevel>
  main.star:2:5: in main
hint: look at it
`},
		{name: "brief", options: TraceOptions{Brief: true, NoSource: true}, files: map[string]string{"main.star": "run()\n"}, want: `
main.star:1:4: run: exit code 3
hint: look at it
`},
		{name: "an operator", files: map[string]string{"main.star": "x = 1 + \"a\"\n"}, want: `
main.star:1:7: unknown binary op: int + string
    x = 1 + "a"
          ^
Traceback (most recent call last):
  main.star:1:7: in <toplevel>
`},
		{name: "a function called by a builtin in the same thread", files: map[string]string{"main.star": "def f():\n    fail(\"no\")\napply(f)\n"}, want: `
main.star:2:9: fail: no
    fail("no")
        ^
Traceback (most recent call last):
  main.star:3:6: in <toplevel>
  in apply
  main.star:2:9: in f
`},
		{name: "a host's thread", files: map[string]string{"main.star": "def f():\n    run()\ndef main():\n    host(f)\nmain()\n"}, want: `
main.star:2:8: run: exit code 3
    run()
       ^
Traceback (most recent call last):
  main.star:5:5: in <toplevel>
  main.star:4:9: in main
  on host web1:
  main.star:2:8: in f
hint: look at it
`},
		{name: "many hosts", options: TraceOptions{Brief: true}, files: map[string]string{"main.star": "def f(): run()\nhosts(f)\n"}, want: `
main.star:2:6: hosts: 7 failed
    hosts(f)
         ^

on host web0:
main.star:1:13: run: exit code 3
    def f(): run()
                ^
hint: look at it

on host web1:
main.star:1:13: run: exit code 3
    def f(): run()
                ^
hint: look at it

on host web2:
main.star:1:13: run: exit code 3
    def f(): run()
                ^
hint: look at it

on host web3:
main.star:1:13: run: exit code 3
    def f(): run()
                ^
hint: look at it

on host web4:
main.star:1:13: run: exit code 3
    def f(): run()
                ^
hint: look at it

on host web5: main.star:1:13: run: exit code 3
on host web6: main.star:1:13: run: exit code 3
`},
		{name: "through loads", files: map[string]string{"main.star": "load(\"a.star\", \"x\")\n", "a.star": "load(\"b.star\", \"x\")\n", "b.star": "def f():\n    run()\nf()\n"}, want: `
b.star:2:8: run: exit code 3
    run()
       ^
Traceback (most recent call last):
  main.star:1:1: in <toplevel>
  a.star:1:1: in <toplevel>
  b.star:3:2: in <toplevel>
  b.star:2:8: in f
hint: look at it
`},
		{name: "a module that is not there", files: map[string]string{"main.star": "\nload(\"../a.star\", \"x\")\n", ".starling": ""}, want: `
main.star:2:1: cannot load ../a.star: PARENT/a.star is outside of the project DIR
    load("../a.star", "x")
    ^
Traceback (most recent call last):
  main.star:2:1: in <toplevel>
hint: the project is the nearest folder with .starling, inventory.star, .git; an empty .starling further up makes it wider
`},
		{name: "a module that cannot be read", files: map[string]string{"main.star": "load(\"a.star\", \"x\")\n", "a.star": "import os\n"}, want: `
a.star:1:1: got import, want primary expression
    import os
    ^
hint: load("//lib.star", "name") brings in names
Traceback (most recent call last):
  main.star:1:1: in <toplevel>
`},
		{name: "a script with two faults", files: map[string]string{"main.star": "x = null\nfoo()\n"}, want: `
main.star:1:5: undefined: null
    x = null
        ^
hint: write None
main.star:2:1: undefined: foo
    foo()
    ^
`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := project(t, row.files)
			l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: tracePredeclared()})
			_, err := runScript(t.Context(), l, "main.star")
			require.Error(t, err)
			got := strings.ReplaceAll(Render(err, row.options), dir, "DIR")
			got = strings.ReplaceAll(got, dir[:strings.LastIndexByte(dir, '/')], "PARENT")
			require.Equal(t, strings.TrimPrefix(row.want, "\n"), got)
		})
	}
}

func TestRenderOfWhatAHostWrote(t *testing.T) {
	fn := starlark.NewBuiltin("run", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return nil, &hinted{"run: failed\n  stderr: a\tb\x1b[2J\r\n", "see\x07"}
	})
	_, err := starlark.EvalOptions(new(syntax.FileOptions), new(starlark.Thread), "x.star", "run()", starlark.StringDict{"run": fn})
	got := Render(err, TraceOptions{Brief: true, ReadFile: func(string) ([]byte, error) { return []byte("run()\n"), nil }})
	require.Equal(t, "x.star:1:4: run: failed\n    run()\n       ^\n  stderr: a\tb\\x1b[2J\\r\nhint: see\\a\n", got)
}

func TestRenderWithoutPosition(t *testing.T) {
	require.Equal(t, "no\nhint: yes\n", Render(fmt.Errorf("%w", &hinted{"no", "yes"}), TraceOptions{}))
	require.Equal(t, "no\n", Render(errors.New("no"), TraceOptions{}))
}

func TestRenderWithoutTheFile(t *testing.T) {
	_, err := Parse("gone.star", []byte("x = =\n"), Script)
	require.Equal(t, "gone.star:1:5: got '=', want primary expression\n", Render(err, TraceOptions{}))
	got := Render(err, TraceOptions{ReadFile: func(path string) ([]byte, error) { return []byte("x = =\n"), nil }})
	require.Equal(t, "gone.star:1:5: got '=', want primary expression\n    x = =\n        ^\n", got)
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	rows := []struct {
		name, line string
		col        int
		want       string
		wantCol    int
	}{
		{"plain", "abc", 2, "abc", 2},
		{"indented", "\t  abc  ", 5, "abc", 2},
		{"in the indentation", "    abc", 2, "   abc", 1},
		{"behind the end", "abc", 4, "abc", 4},
		{"far behind", "abc", 9, "abc", 0},
		{"a tab within", "a\tb", 3, "a b", 3},
		{"what a terminal must not see", "a\x1b[2Jb", 6, "a\ufffd[2Jb", 6},
		{"runes", "é é", 3, "é é", 3},
		{"long", long, 150, long[100:200], 50},
		{"empty", "", 1, "", 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, col := excerpt(row.line, row.col)
			require.Equal(t, row.want, got)
			require.Equal(t, row.wantCol, col)
		})
	}
}

func TestContext(t *testing.T) {
	thread := new(starlark.Thread)
	require.Equal(t, context.Background(), Context(thread))
	WithContext(thread, t.Context())
	require.Equal(t, t.Context(), Context(thread))
}

func TestCancelWith(t *testing.T) {
	defer goleak.VerifyNone(t)
	f, err := Parse("x.star", []byte("while True: pass\n"), Script)
	require.NoError(t, err)
	prog, err := Compile(f, nil)
	require.NoError(t, err)
	t.Run("ends a thread that executes", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("the time is up"))
		defer cancel()
		thread := new(starlark.Thread)
		release := CancelWith(ctx, thread)
		defer release()
		_, err := prog.Init(thread, nil)
		require.ErrorContains(t, err, "Starlark computation cancelled: the time is up")
	})
	t.Run("lets go of a thread", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		thread := new(starlark.Thread)
		CancelWith(ctx, thread)()
		cancel()
		v, err := starlark.EvalOptions(new(syntax.FileOptions), thread, "x", "1 + 1", nil)
		require.NoError(t, err)
		require.Equal(t, starlark.MakeInt(2), v)
	})
}
