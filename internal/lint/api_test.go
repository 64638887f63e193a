package lint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
	"starling/internal/lint"
	"starling/interp"
)

// source lints a project that is one file.
func source(t *testing.T, text string) []lint.Finding {
	t.Helper()
	o := options()
	o.ReadFile = inMemory(text)
	found, err := lint.File("main.star", o)
	require.NoError(t, err)
	return found
}

// The position is that of the expression at fault, in code points.
func TestPositions(t *testing.T) {
	rows := []struct{ name, text, at string }{
		{"the call that starts the job", `é = [run("x", async=60, poll=0)]`, "1:6 unreaped"},
		{"the call of the helper", "def f():\n    return run('x', async=9, poll=0)\nif True:\n    print(f())", "4:11 unreaped"},
		{"through attempt", "print(attempt(run, 'x', async=9, poll=0))", "1:7 unreaped"},
		{"the keyword", `run("x", é=3)`, "1:10 unknown-keyword"},
		{"the keyword of a dict", "run('x', **{\n  'colour': 3})", "2:3 unknown-keyword"},
		{"the value", `run("x", name= 3)`, "1:16 wrong-type"},
		{"the item", `run(["x", (3)])`, "1:11 wrong-type"},
		{"the item behind one that is not known", `run(["x", str(1), 3])`, "1:19 wrong-type"},
		{"the argument too many", `run("x", 3, 4)`, "1:10 wrong-type"},
		{"the call without an argument", `x = [wait()]`, "1:6 wrong-type"},
		{"the poll", `run("x", poll=3)`, "1:10 poll-without-async"},
		{"the retries", "wait(async_status(run('x', async=60, poll=0), delay=1, retries=3))", "1:56 gives-up-early"},
		{"the delay", "r = async_status('j', delay=1)\nprint(r)", "1:23 retries-without-reap"},
		{"the look", "j = run('x', async=60, poll=0)\n(async_status(j))", "2:2 retries-without-reap"},
		{"the ceiling", `run("make world", async=60)`, "1:19 no-headroom"},
		{"the each", `x = [1, each("a", len)]`, "1:9 each-at-top-level"},
		{"the call that leads to each", "def f():\n    return each('a', len)\ndef g():\n    return [f(), 1]\ng()", "5:1 each-at-top-level"},
		{"the name", `print(1, nme)`, "1:10 undefined"},
		{"the operand", `run("a" + "b" + var("x") + "c")`, "1:17 shell-string-from-variable"},
		{"the operand of a format", `run("a %s %s" % (1, var("x")))`, "1:21 shell-string-from-variable"},
		{"the command", `run(cmd="reboot")`, "1:9 hand-rolled-reboot"},
		{"the string of a command that goes on", "run(\n  'nohup x ' +\n  'y')", "2:3 nohup"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, f := range source(t, row.text) {
				got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Col, f.Rule))
			}
			require.Equal(t, []string{row.at}, got)
		})
	}
}

func TestMessages(t *testing.T) {
	rows := []struct{ name, text, msg, hint string }{
		{"a near keyword", `run("x", asinc=3)`, `run: unexpected keyword argument "asinc"`, "did you mean async?"},
		{"a keyword that can't be", `copy(content="x", dest="y", async=3)`, `copy: unexpected keyword argument "async"`, "the bytes come from this program and can't outlive it; get_url and script run on the host itself"},
		{"a near name", "wiat([])", "undefined: wiat", "did you mean wait?"},
		{"the resolver's own proposal", "total = 1\nprint(totl)", "undefined: totl", "did you mean total?"},
		{"headroom", `run("make world", async=60)`, "run: async is 1m, and the 95th percentile of 12 runs of this command is 55s", "async=110 leaves as much again"},
		{"patience", "async_status(run('x', async='1h30m', poll=0), retries=9)",
			"async_status: gives up after 45s, and the job of line 1 may run for 1h30m", "retries × delay should cover async, or use wait(job)"},
		{"by position", "run('x', 3)", "run: got 2 positional arguments, want at most 1", "give async by name"},
		{"no such choice", "output('j', stream='stdot')", `output: for parameter stream: got "stdot", want one of stdout, stderr (did you mean stdout?)`,
			"`starling doc output` shows what output takes"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			found := source(t, row.text)
			require.Len(t, found, 1)
			require.Equal(t, row.msg, found[0].Msg)
			require.Equal(t, row.hint, found[0].Hint)
		})
	}
}

func TestPatienceOfHelpers(t *testing.T) {
	const helper = "def reap(job):\n    return async_status(job, retries=60, delay=1)\n"
	start := func(limits ...int) string {
		text := helper
		for _, n := range limits {
			text += fmt.Sprintf("reap(run('x', async=%d, poll=0))\n", n)
		}
		return text
	}
	require.Empty(t, source(t, start()))
	require.Empty(t, source(t, start(60)))
	require.Len(t, source(t, start(61)), 1)
	require.Empty(t, source(t, start(600, 60)), "which of them comes here is not known")
}

func TestKeys(t *testing.T) {
	o := options()
	for i := range o.Specs {
		if s := &o.Specs[i]; s.Name == "run" && !hasParam(s, "key") {
			s.Params = append(s.Params, spec.Param{Name: "key", Type: spec.String, Default: `""`})
		}
	}
	rows := []struct {
		name, text string
		want       int
	}{
		{"nobody attaches", "run('x', async=60, poll=0, key='a')", 1},
		{"another key", "run('x', async=60, poll=0, key='a')\nrun('x', async=60, key='b')", 1},
		{"the same key", "run('x', async=60, poll=0, key='a')\nrun('x', async=60, key='a')", 0},
		{"a key that is not known", "run('x', async=60, poll=0, key='a')\nrun('x', async=60, key=var('k'))", 0},
		{"two that leave it", "run('x', async=60, poll=0, key='a')\nrun('x', async=60, poll=0, key='a')", 2},
		{"two of which one is waited for", "run('x', async=60, poll=0, key='a')\nwait(run('x', async=60, poll=0, key='a'))", 0},
		{"two of different keys", "run('x', async=60, poll=0, key='a')\nwait(run('x', async=60, poll=0, key='b'))", 1},
		{"one that is waited for under a key that is not known", "run('x', async=60, poll=0, key='a')\nwait(run('x', async=60, poll=0, key=var('k')))", 0},
		{"through a function", "def f():\n    return run('x', async=60, poll=0, key='a')\nf()\nwait(f())", 0},
		{"that a function returns to nobody", "def f():\n    return run('x', async=60, poll=0, key='a')\nf()\nf()", 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			o.ReadFile = inMemory(row.text)
			found, err := lint.File("main.star", o)
			require.NoError(t, err)
			require.Len(t, found, row.want)
		})
	}
}

func hasParam(s *spec.Spec, name string) bool {
	for _, p := range s.Params {
		if p.Name == name {
			return true
		}
	}
	return false
}

func TestFindingForms(t *testing.T) {
	found := source(t, `run("x", asinc=3)`)
	require.Len(t, found, 1)
	require.Equal(t, `main.star:1:10: error: run: unexpected keyword argument "asinc" [unknown-keyword]`, found[0].String())
	text, err := json.Marshal(found)
	require.NoError(t, err)
	require.JSONEq(t, `[{"rule": "unknown-keyword", "path": "main.star", "line": 1, "col": 10, "severity": "error",
		"msg": "run: unexpected keyword argument \"asinc\"", "hint": "did you mean async?"}]`, string(text))
}

// What is asked for twice, or asked for and loaded, is read and reported once.
func TestFiles(t *testing.T) {
	o := options()
	reads := map[string]int{}
	files := inMemory("# main.star\nload('lib.star', 'f')\nf()\n# lib.star\ndef f():\n    run('reboot')\nrun('x')\n")
	o.ReadFile = func(path string) ([]byte, error) {
		reads[path]++
		return files(path)
	}
	found, err := lint.Files([]string{"main.star", "./lib.star", "main.star"}, o)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"main.star": 1, "lib.star": 1}, reads)
	require.Len(t, found, 2)
	require.Equal(t, lint.HandRolledReboot, found[0].Rule)
	require.Equal(t, lint.HostEffect, found[1].Rule)

	found, err = lint.Files([]string{"lib.star", "main.star"}, o)
	require.NoError(t, err)
	require.Len(t, found, 2, "a library also when it is named first")

	found, err = lint.File("lib.star", o)
	require.NoError(t, err)
	require.Len(t, found, 1, "on its own it may be a script")
}

// A file that can't be read, parsed or resolved is an error, and the others are linted all the same.
func TestErrors(t *testing.T) {
	o := options()
	o.ReadFile = inMemory("# bad.star\nx = 1 +\n# worse.star\nbreak\nrun('x', colour=1)\n# good.star\nload('bad.star', 'x')\nrun('reboot')\nprint(x)\n")
	found, err := lint.Files([]string{"good.star", "gone.star", "bad.star", "worse.star"}, o)
	require.Len(t, found, 2)
	require.Equal(t, "good.star", found[0].Path)
	require.Equal(t, "worse.star", found[1].Path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var syntaxErr *interp.SyntaxError
	require.ErrorAs(t, err, &syntaxErr)
	require.Equal(t, "bad.star:1:8", syntaxErr.Pos.String())
	var resolveErr resolve.Error
	require.ErrorAs(t, err, &resolveErr)
	require.Equal(t, "worse.star:1:1: break not in a loop", resolveErr.Error())
	require.Equal(t, 3, strings.Count(err.Error(), "\n")+1, "%v", err)

	o.ReadFile = inMemory("# main.star\nload('lib.star', 'x')\nx2 = x\nx2 = 1\n# lib.star\nx = 1\nx = 2\n")
	found, err = lint.File("main.star", o)
	require.Empty(t, found)
	require.ErrorContains(t, err, "lib.star:2:1: cannot reassign global x", "a library binds a name once")
}

func TestLoads(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	write("p/lib/a.star", "load('./b.star', 'g')\ndef f():\n    return g()\n")
	write("p/lib/b.star", "load('//main.star', 'x')\ndef g():\n    return x\n")
	write("outside.star", "x = 1\n")
	o := options()
	o.Root = filepath.Join(dir, "p")

	path := write("p/main.star", "load('lib/a.star', 'f')\nload('//lib/b.star', 'g')\nx = [f, g]\n")
	found, err := lint.File(path, o)
	require.NoError(t, err)
	require.Empty(t, found, "a cycle is followed once")

	path = write("p/main.star", "load('../outside.star', 'x')\nload('@std', 'y')\nload('/etc/x', 'z')\nprint(x, y, z)\n")
	found, err = lint.File(path, o)
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Contains(t, found[0].Msg, "outside of the project")

	o.Root = ""
	found, err = lint.File(path, o)
	require.NoError(t, err)
	require.Len(t, found, 2, "without a project nothing is outside of it")

	o.ReadFile = func(string) ([]byte, error) { return nil, errors.New("the disk is on fire") }
	_, err = lint.File(path, o)
	require.EqualError(t, err, "the disk is on fire")
}

// Names and effects are as the caller says.
func TestVocabulary(t *testing.T) {
	o := options()
	o.ReadFile = inMemory("# main.star\nload('lib.star', 'x')\nprint(x, group, math)\n# lib.star\nx = run('x')\ny = host()\n")
	o.Names = []string{"group"}
	o.Effect = func(name string) bool { return name == "host" }
	found, err := lint.File("main.star", o)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, "undefined: math", found[0].Msg)
	require.Equal(t, lint.HostEffect, found[1].Rule)
	require.Equal(t, 2, found[1].Line)
}

// What grows without bound is given up, and quickly.
func TestBounds(t *testing.T) {
	deep := "def main():\n"
	for i := range 60 {
		deep += strings.Repeat(" ", i+1) + fmt.Sprintf("for a%d in [a%d]:\n", i, max(0, i-1))
	}
	deep += strings.Repeat(" ", 61) + "run('x', async=60, poll=0)\n"
	doubled := "a0 = 'x'\n"
	for i := range 60 {
		doubled += fmt.Sprintf("a%d = a%d + a%d\n", i+1, i, i)
	}
	chain := "def f0():\n    return run('x', async=60, poll=0)\n"
	for i := range 3000 {
		chain += fmt.Sprintf("def f%d():\n    return [f%d(), f%d()]\n", i+1, i, i)
	}
	nested := "run(" + strings.Repeat("'%s' % (", 60) + "var('x')" + strings.Repeat(",)", 60) + ")"
	rows := []struct {
		name, text string
		want       int
	}{
		{"loops", deep, 1},
		{"constants", doubled + "run(a60)\n", 0},
		{"functions", chain + "wait(f3000())\n", 0},
		{"formats", nested, 1},
		{"a long sum", "x = " + strings.Repeat("1 + ", 20000) + "1\nrun('x', timeout=x)", 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { require.Len(t, source(t, row.text), row.want) })
	}
}

// Lint never panics, and reports nothing outside of the source, whatever parses.
func FuzzLint(f *testing.F) {
	for _, path := range corpus(f) {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add("def f(*, a=run('x', async=1, poll=0), **b): return [b for b in a if b][a:b:f]\nf(*[f], **{'a': 1})")
	f.Add("x = lambda *a: a\n(x, [y]) = x(1)\ny[0].z = x\nx |= {1: y}\nwhile x: continue")
	f.Add("run('a $(b \"c` ${d' 'e\\\\' % 3, **{run: 1}, **dict(a=1))")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := interp.Parse("main.star", []byte(text), interp.Script); err != nil {
			return
		}
		o := options()
		o.ReadFile = func(path string) ([]byte, error) {
			if path != "main.star" {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		}
		o.Parse = func(path string, src []byte) (*syntax.File, error) { return interp.Parse(path, src, interp.Script) }
		found, _ := lint.File("main.star", o)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, one := range found {
			if one.Line < 1 || one.Col < 1 || one.Line > lines {
				t.Fatalf("%v is outside of the source", one)
			}
		}
	})
}
