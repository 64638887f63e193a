package interp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.uber.org/goleak"
)

// project writes files into a new folder and makes that the current one. A file of which the content begins with "->"
// is a symbolic link.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if len(text) > 2 && text[:2] == "->" {
			require.NoError(t, os.Symlink(text[2:], path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	t.Chdir(dir)
	return dir
}

// builtin makes a builtin without arguments.
func builtin(name string, fn func(*starlark.Thread) error) starlark.StringDict {
	return starlark.StringDict{name: starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, fn(thread)
	})}
}

// runScript executes the script of a loader in a new thread.
func runScript(ctx context.Context, l *Loader, script string) (starlark.StringDict, error) {
	prog, err := l.Program(script, nil)
	if err != nil {
		return nil, err
	}
	thread := &starlark.Thread{Name: script, Load: l.Load}
	WithContext(thread, ctx)
	release := CancelWith(ctx, thread)
	defer release()
	return prog.Init(thread, l.config.Predeclared)
}

func newLoader(t *testing.T, config LoaderConfig) *Loader {
	t.Helper()
	l, err := NewLoader(config)
	require.NoError(t, err)
	return l
}

func TestLoad(t *testing.T) {
	rows := []struct {
		name   string
		files  map[string]string
		script string
		want   string // the value of got, else
		err    string // what the error says
		hint   string
	}{
		{name: "beside the script", script: "main.star",
			files: map[string]string{"main.star": `load("lib.star", got="x"); out = got`, "lib.star": `x = "lib"`}, want: "lib"},
		{name: "relative to the file that loads", script: "main.star",
			files: map[string]string{"main.star": `load("a/lib.star", got="y"); out = got`, "a/lib.star": `load("./x.star", "x"); y = x`,
				"a/x.star": `x = "a"`, "x.star": `x = "root"`}, want: "a"},
		{name: "a parent folder in the project", script: "a/main.star",
			files: map[string]string{".starling": "", "a/main.star": `load("../lib.star", got="x"); out = got`, "lib.star": `x = "up"`}, want: "up"},
		{name: "from the root", script: "a/b/main.star",
			files: map[string]string{"inventory.star": "", "a/b/main.star": `load("//lib/x.star", got="x"); out = got`, "lib/x.star": `x = "root"`}, want: "root"},
		{name: "the script's folder is the root without a mark", script: "a/main.star",
			files: map[string]string{"a/main.star": `load("//x.star", got="x"); out = got`, "a/x.star": `x = "a"`, "x.star": `x = "up"`}, want: "a"},
		{name: "the word async as a name", script: "main.star",
			files: map[string]string{"main.star": `load("lib.star", got="async"); out = got`, "lib.star": `async = "yes"`}, want: "yes"},
		{name: "a link inside of the project", script: "main.star",
			files: map[string]string{"main.star": `load("link.star", got="x"); out = got`, "link.star": "->lib/x.star", "lib/x.star": `load("y.star", "y"); x = y`, "lib/y.star": `y = "there"`}, want: "there"},
		{name: "no such file", script: "main.star",
			files: map[string]string{"main.star": "x = 1\nload(\"gone.star\", \"x\")"}, err: "cannot load gone.star: no such file: .*/gone.star"},
		{name: "a file that is at the root", script: "a/main.star",
			files: map[string]string{".starling": "", "a/main.star": `load("lib/x.star", "x")`, "lib/x.star": ""},
			err:   "no such file: .*/a/lib/x.star", hint: `load("//lib/x.star", ...)`},
		{name: "out of the project", script: "p/main.star",
			files: map[string]string{"p/.starling": "", "p/main.star": `load("../x.star", "x")`, "x.star": ""},
			err:   "/x.star is outside of the project /.*/p$", hint: "an empty .starling further up"},
		{name: "out of the project from the root", script: "p/main.star",
			files: map[string]string{"p/.starling": "", "p/main.star": `load("//../x.star", "x")`, "x.star": ""}, err: "is outside of the project"},
		{name: "out of the project over a link", script: "p/main.star",
			files: map[string]string{"p/.starling": "", "p/main.star": `load("l/x.star", "x")`, "p/l": "->../q", "q/x.star": ""},
			err:   "/q/x.star is outside of the project"},
		{name: "an absolute path", script: "main.star", files: map[string]string{"main.star": `load("/etc/x.star", "x")`},
			err: "an absolute path", hint: "begin with //"},
		{name: "a repository", script: "main.star", files: map[string]string{"main.star": `load("@std//x.star", "x")`}, err: "no named repositories"},
		{name: "nothing", script: "main.star", files: map[string]string{"main.star": `load("", "x")`}, err: "not a path"},
		{name: "a NUL byte", script: "main.star", files: map[string]string{"main.star": `load("a\0b", "x")`}, err: "not a path"},
		{name: "a folder", script: "main.star", files: map[string]string{"main.star": `load("lib", "x")`, "lib/x.star": ""}, err: "/lib is not a file"},
		{name: "a name that is not there", script: "main.star",
			files: map[string]string{"main.star": `load("lib.star", "y")`, "lib.star": "x = 1"}, err: "name y not found in module lib.star"},
		{name: "a module with a fault", script: "main.star",
			files: map[string]string{"main.star": `load("lib.star", "y")`, "lib.star": "x = 1 +"}, err: "lib.star:1:8: got end of file"},
		{name: "a global name bound twice", script: "main.star",
			files: map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "x = 1\nx = 2"}, err: "lib.star:2:1: cannot reassign global x"},
		{name: "itself", script: "main.star", files: map[string]string{"main.star": `load("main.star", "x")`},
			err: "cycle of loads: main.star -> main.star$", hint: "a module of its own"},
		{name: "a module that loads itself", script: "main.star",
			files: map[string]string{"main.star": `load("a.star", "x")`, "a.star": `load("a.star", "x")`}, err: "cycle of loads: a.star -> a.star$"},
		{name: "a cycle over the script", script: "s/main.star",
			files: map[string]string{".starling": "", "s/main.star": `load("a.star", "x")`, "s/a.star": `load("b.star", "x")`, "s/b.star": `load("main.star", "x")`},
			err:   "cycle of loads: s/main.star -> s/a.star -> s/b.star -> s/main.star$"},
		{name: "a cycle of modules", script: "main.star",
			files: map[string]string{"main.star": `load("a.star", "x")`, "a.star": `load("b.star", "x")`, "b.star": `load("lib/c.star", "x")`, "lib/c.star": `load("../a.star", "x")`},
			err:   "cycle of loads: a.star -> b.star -> lib/c.star -> a.star$"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			project(t, row.files)
			l := newLoader(t, LoaderConfig{Script: row.script})
			globals, err := runScript(t.Context(), l, row.script)
			if row.err == "" {
				require.NoError(t, err)
				require.Equal(t, starlark.String(row.want), globals["out"])
				return
			}
			require.Error(t, err)
			require.Regexp(t, row.err, err.Error())
			require.Contains(t, Render(err, TraceOptions{}), row.hint)
		})
	}
}

func TestLoadPositionsAreAsTheUserGaveThem(t *testing.T) {
	dir := project(t, map[string]string{".starling": "", "s/main.star": `load("//lib/a.star", "x")`, "lib/a.star": "\nfail(\"no\")"})
	rows := []struct{ name, cwd, script, want string }{
		{"from the root", ".", "s/main.star", "lib/a.star:2:5: "},
		{"from the script's folder", "s", "main.star", "../lib/a.star:2:5: "},
		{"absolute", ".", filepath.Join(dir, "s/main.star"), filepath.Join(dir, "lib/a.star") + ":2:5: "},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(filepath.Join(dir, row.cwd))
			_, err := runScript(t.Context(), newLoader(t, LoaderConfig{Script: row.script}), row.script)
			require.Equal(t, row.want, Render(err, TraceOptions{})[:len(row.want)])
		})
	}
}

func TestLoadOncePerModule(t *testing.T) {
	defer goleak.VerifyNone(t)
	project(t, map[string]string{
		"main.star": "load(\"a.star\", \"a\")\nload(\"b.star\", \"b\")\nsame = a == b\nout = a\n",
		"a.star":    "load(\"lib.star\", \"x\")\na = x\n",
		"b.star":    "load(\"link.star\", \"x\")\nb = x\n",
		"lib.star":  "count()\nx = [1]\n",
		"link.star": "->lib.star",
	})
	var loads atomic.Int64
	l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: builtin("count", func(thread *starlark.Thread) error {
		if path, ok := Loading(thread); !ok || path != "lib.star" {
			return fmt.Errorf("loading %q", path)
		}
		loads.Add(1)
		return nil
	})})
	const threads = 50
	outs := make([]starlark.Value, threads)
	errs := make([]error, threads)
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			globals, err := runScript(t.Context(), l, "main.star")
			outs[i], errs[i] = globals["out"], err
		})
	}
	wg.Wait()
	for i := range threads {
		require.NoError(t, errs[i])
		require.Same(t, outs[0], outs[i])
	}
	require.EqualValues(t, 1, loads.Load())
	require.ErrorContains(t, outs[0].(*starlark.List).Append(starlark.None), "frozen")
}

func TestLoadCycleOfTwoThreads(t *testing.T) {
	defer goleak.VerifyNone(t)
	project(t, map[string]string{
		"a.star": "meet()\nload(\"b.star\", \"b\")\na = b\n",
		"b.star": "meet()\nload(\"a.star\", \"a\")\nb = a\n",
		"1.star": "load(\"a.star\", \"a\")\n",
		"2.star": "load(\"b.star\", \"b\")\n",
	})
	var both sync.WaitGroup
	both.Add(2)
	l := newLoader(t, LoaderConfig{Predeclared: builtin("meet", func(*starlark.Thread) error {
		both.Done()
		both.Wait()
		return nil
	})})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = runScript(ctx, l, fmt.Sprintf("%d.star", i+1)) })
	}
	wg.Wait()
	for _, err := range errs {
		var cycle *CycleError
		require.ErrorAs(t, err, &cycle)
		require.Len(t, cycle.Chain, 3)
	}
}

func TestLoadCalledOff(t *testing.T) {
	defer goleak.VerifyNone(t)
	project(t, map[string]string{
		"main.star": "load(\"lib.star\", \"x\")\nout = x\n",
		"lib.star":  "hold()\nx = 1\n",
	})
	held := make(chan struct{})
	var first atomic.Bool
	l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: builtin("hold", func(thread *starlark.Thread) error {
		if first.CompareAndSwap(false, true) {
			close(held)
			<-Context(thread).Done()
			return Context(thread).Err()
		}
		return nil
	})})
	loader, callOff := context.WithCancel(t.Context())
	defer callOff()
	impatient, giveUp := context.WithCancel(t.Context())
	errs := make([]error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { _, errs[0] = runScript(loader, l, "main.star") })
	<-held
	// One that waits for the load gives up, and is not held by it.
	waiting := new(starlark.Thread)
	WithContext(waiting, impatient)
	giveUp()
	_, err := l.Load(waiting, "lib.star")
	require.EqualError(t, err, "load of lib.star called off: context canceled")
	// Another one waits on; when the load is called off, it loads the module itself.
	wg.Go(func() { _, errs[1] = runScript(t.Context(), l, "main.star") })
	callOff()
	wg.Wait()
	require.ErrorContains(t, errs[0], "context canceled")
	require.NoError(t, errs[1])
}

func TestLoadEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	project(t, map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "begin()\nwhile True: pass\n"})
	ctx, cancel := context.WithCancel(t.Context())
	l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: builtin("begin", func(*starlark.Thread) error { cancel(); return nil })})
	_, err := runScript(ctx, l, "main.star")
	require.ErrorContains(t, err, "computation cancelled: context canceled")
}

func TestLoadFailureIsKept(t *testing.T) {
	project(t, map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "count()\nfail(\"no\")\n"})
	loads := 0
	l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: builtin("count", func(*starlark.Thread) error { loads++; return nil })})
	for range 2 {
		_, err := runScript(t.Context(), l, "main.star")
		require.ErrorContains(t, err, "fail: no")
	}
	require.Equal(t, 1, loads)
}

func TestLoadPanicReleasesTheOthers(t *testing.T) {
	project(t, map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "boom()\n"})
	l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: builtin("boom", func(*starlark.Thread) error { panic("boom") })})
	require.Panics(t, func() { _, _ = runScript(t.Context(), l, "main.star") })
	_, err := runScript(t.Context(), l, "main.star")
	require.ErrorContains(t, err, "internal error")
}

func TestLoadThread(t *testing.T) {
	project(t, map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "x = 1\nprint(x)\nseen()\n"})
	type key struct{}
	var printed []string
	var names []string
	predeclared := builtin("seen", func(thread *starlark.Thread) error {
		if Context(thread).Value(key{}) != "value" {
			return errors.New("the context is another one")
		}
		names = append(names, thread.Name)
		return nil
	})
	rows := []struct {
		name string
		hook func(parent *starlark.Thread, name string) *starlark.Thread
	}{
		{"by itself", nil},
		{"by the hook", func(parent *starlark.Thread, name string) *starlark.Thread {
			thread := &starlark.Thread{Name: "hook " + name, Print: parent.Print}
			WithContext(thread, Context(parent))
			return thread
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			l := newLoader(t, LoaderConfig{Script: "main.star", Predeclared: predeclared, NewThread: row.hook})
			prog, err := l.Program("main.star", nil)
			require.NoError(t, err)
			thread := &starlark.Thread{Load: l.Load, Print: func(_ *starlark.Thread, msg string) { printed = append(printed, msg) }}
			WithContext(thread, context.WithValue(t.Context(), key{}, "value"))
			_, err = prog.Init(thread, predeclared)
			require.NoError(t, err)
			_, loading := Loading(thread)
			require.False(t, loading)
		})
	}
	require.Equal(t, []string{"1", "1"}, printed)
	require.Equal(t, []string{"load lib.star", "hook load lib.star"}, names)
}

// Every file that is read is told, with the SHA-256 of what was read.
func TestRead(t *testing.T) {
	dir := project(t, map[string]string{"main.star": `load("lib.star", "x")`, "lib.star": "x = 1\n", "unused.star": ""})
	read := map[string]string{}
	l := newLoader(t, LoaderConfig{Script: "main.star", Read: func(path, sum string) error { read[path] = sum; return nil }})
	_, err := runScript(t.Context(), l, "main.star")
	require.NoError(t, err)
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return hex.EncodeToString(s[:])
	}
	require.Equal(t, map[string]string{
		filepath.Join(dir, "main.star"): sum(`load("lib.star", "x")`),
		filepath.Join(dir, "lib.star"):  sum("x = 1\n"),
	}, read)
	require.Equal(t, dir, l.Root())
}

func TestScriptOfStandardInput(t *testing.T) {
	project(t, map[string]string{"lib.star": "x = 1\n"})
	l := newLoader(t, LoaderConfig{Script: "<stdin>"})
	prog, err := l.Program("<stdin>", []byte("load(\"lib.star\", \"x\")\nout = x\n"))
	require.NoError(t, err)
	globals, err := prog.Init(&starlark.Thread{Load: l.Load}, nil)
	require.NoError(t, err)
	require.Equal(t, starlark.MakeInt(1), globals["out"])
}
