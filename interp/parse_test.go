package interp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// chunk is one program of a golden file, padded so that its lines keep their numbers.
type chunk struct {
	src  []byte
	want map[int]string // by line: the expression the error must match
}

var expectation = regexp.MustCompile(`### ("(?:[^"\\]|\\.)*")\s*$`)

// readChunks splits a golden file at lines of three dashes.
func readChunks(t testing.TB, path string) []chunk {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var chunks []chunk
	var src bytes.Buffer
	want := map[int]string{}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if line == "---" {
			chunks = append(chunks, chunk{bytes.Clone(src.Bytes()), want})
			src.Reset()
			src.WriteString(strings.Repeat("\n", i+1))
			want = map[int]string{}
			continue
		}
		if m := expectation.FindStringSubmatch(line); m != nil {
			text, err := strconv.Unquote(m[1])
			require.NoError(t, err, "%s:%d", path, i+1)
			want[i+1] = text
		}
		src.WriteString(line + "\n")
	}
	return append(chunks, chunk{bytes.Clone(src.Bytes()), want})
}

func TestGolden(t *testing.T) {
	for _, path := range []string{"testdata/async.star", "testdata/dialect.star", "testdata/library.star"} {
		kind := Script
		if filepath.Base(path) == "library.star" {
			kind = Library
		}
		for i, c := range readChunks(t, path) {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(path), i+1), func(t *testing.T) {
				got := failures(execute(path, c.src, kind))
				for line, want := range c.want {
					require.Regexp(t, want, got[line], "%s:%d", path, line)
					delete(got, line)
				}
				require.Empty(t, got)
			})
		}
	}
}

// execute runs a source with the builtins of the golden files.
func execute(path string, src []byte, kind Kind) error {
	f, err := Parse(path, src, kind)
	if err != nil {
		return err
	}
	predeclared := starlark.StringDict{
		"eq": starlark.NewBuiltin("eq", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			if ok, err := starlark.Equal(args[0], args[1]); err != nil || !ok {
				return nil, fmt.Errorf("%v is not %v", args[0], args[1])
			}
			return starlark.None, nil
		}),
		"call": starlark.NewBuiltin("call", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			d := starlark.NewDict(len(kwargs))
			for _, kv := range kwargs {
				if err := d.SetKey(kv[0], kv[1]); err != nil {
					return nil, err
				}
			}
			return d, nil
		}),
	}
	prog, err := Compile(f, predeclared)
	if err != nil {
		return err
	}
	_, err = prog.Init(&starlark.Thread{Name: path}, predeclared)
	return err
}

// failures returns the messages of an error, with their hints, by line.
func failures(err error) map[int]string {
	got := map[int]string{}
	var list SyntaxErrors
	var one *SyntaxError
	var eval *starlark.EvalError
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			got[int(e.Pos.Line)] = e.Msg + " hint: " + e.Hint()
		}
	case errors.As(err, &one):
		got[int(one.Pos.Line)] = one.Msg + " hint: " + one.Hint()
	case errors.As(err, &eval):
		tr := unwind(err)
		got[int(tr.position().Line)] = eval.Msg
	case err != nil:
		got[0] = err.Error()
	}
	return got
}

// dump writes a tree with all names, positions and literals.
func dump(f *syntax.File) string {
	var b strings.Builder
	comments := func(all []syntax.Comment) {
		for _, c := range all {
			fmt.Fprintf(&b, "    # %s %s\n", c.Start, c.Text)
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			b.WriteString("end\n")
			return true
		}
		start, end := n.Span()
		fmt.Fprintf(&b, "%T %s-%s", n, start, end)
		switch n := n.(type) {
		case *syntax.Ident:
			fmt.Fprintf(&b, " %s %s", n.NamePos, n.Name)
		case *syntax.Literal:
			fmt.Fprintf(&b, " %s", n.Raw)
		case *syntax.BinaryExpr:
			fmt.Fprintf(&b, " %s %s", n.OpPos, n.Op)
		case *syntax.AssignStmt:
			fmt.Fprintf(&b, " %s %s", n.OpPos, n.Op)
		case *syntax.CallExpr:
			fmt.Fprintf(&b, " %s %s", n.Lparen, n.Rparen)
		}
		b.WriteString("\n")
		if c := n.Comments(); c != nil {
			comments(c.Before)
			comments(c.Suffix)
			comments(c.After)
		}
		return true
	})
	return b.String()
}

// other replaces async by a name that the parser knows nothing about, strings and comments included, in a way that
// can be undone in a dump.
func other(src []byte) ([]byte, bool) {
	if bytes.Contains(src, []byte("synz")) {
		return nil, false
	}
	return bytes.ReplaceAll(src, []byte("async"), []byte("asynz")), true
}

func undo(dump string) string { return strings.ReplaceAll(dump, "synz", "sync") }

var parseSeeds = []string{
	"run('x', async=1800, poll=0)\n",
	"def f(async=0, *, my_async=1, **kw): return async\nx.async.async_status(async)\n",
	"f = lambda async: async\n[async for async in x if async]\n",
	"x = 'async' + \"async\\\"async\" + r'async\\'async' + b'async' + rb'async'\nasync = 1\n",
	"'''async\n'async' \\''' async''' + async\n\"\"\"\"async\"\"\"\nasync\n",
	"# async\nasync # async\n# 'async\nasync\n",
	"load('x', 'async', async='aSyn0', b=\"async\")\n",
	"load('x', '\\x610000')\nasync\n",
	"x = 'a\\\nasync' + async\n",
	"async\r\nasync\rasync\n",
	"1async\n0xasync\n1.async\n.5async\nx.async\n1e5async\n0b1async\n",
	"asyncé\néasync\nasync٣\n",
	"if async:\n\tasync\nelse: async\n",
	"async\x00async 'async\n",
	"'async\nasync\n",
	"{**async}\n{'async': async}\nf(*async, **async)\n",
	"async \\\n async\n",
	"ééé = async; async\n",
	"async def f(): pass\n",
	"x = [\n  async, # async\n]\n",
	"load('x', async)\n", "a0000 = async\na0001 = async\n",
	"a = 1\n", "", "\n", "\xff", "def f():\n  pass\n",
}

func FuzzParse(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		plain, ok := other(src)
		if !ok {
			return
		}
		got, err := Parse("f", bytes.Clone(src), Script)
		want, wantErr := Script.options().Parse("f", plain, syntax.RetainComments)
		if wantErr != nil {
			var e *SyntaxError
			require.ErrorAs(t, err, &e)
			require.Equal(t, wantErr.(syntax.Error).Pos.String(), e.Pos.String())
			if !bytes.Contains(src, []byte(`\`)) {
				// Behind a number, as in 1e5async, it stays the reserved word that it is: wrong all the same.
				msg := strings.Replace(e.Msg, "got async", "got identifier", 1)
				require.Equal(t, undo(wantErr.(syntax.Error).Msg), msg)
			}
			return
		}
		require.NoError(t, err)
		require.Equal(t, undo(dump(want)), dump(got))
	})
}

// lineReader returns a readline for text.
func lineReader(text []byte) func() ([]byte, error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return func() ([]byte, error) {
		if len(lines) == 0 || len(lines[0]) == 0 {
			return nil, io.EOF
		}
		line := lines[0]
		lines = lines[1:]
		return line, nil
	}
}

func FuzzParseCompound(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		plain, ok := other(src)
		if !ok || bytes.Contains(src, []byte("a0000")) {
			return
		}
		got, err := ParseCompound("f", lineReader(src))
		want, wantErr := REPL.options().ParseCompoundStmt("f", lineReader(plain))
		if wantErr != nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, undo(dump(want)), dump(got))
	})
}

func TestParseCompound(t *testing.T) {
	t.Run("reads one statement and no further", func(t *testing.T) {
		next := lineReader([]byte("def f(async):\n  '''async\n  '''\n  return async\n\nf(async=1)\n"))
		f, err := ParseCompound("<stdin>", next)
		require.NoError(t, err)
		require.Equal(t, "async", f.Stmts[0].(*syntax.DefStmt).Params[0].(*syntax.Ident).Name)
		f, err = ParseCompound("<stdin>", next)
		require.NoError(t, err)
		require.IsType(t, &syntax.ExprStmt{}, f.Stmts[0])
	})
	t.Run("the error of readline comes back", func(t *testing.T) {
		_, err := ParseCompound("<stdin>", lineReader([]byte("f(\n")))
		require.Equal(t, io.EOF, err)
	})
	t.Run("a syntax error is one", func(t *testing.T) {
		_, err := ParseCompound("<stdin>", lineReader([]byte("load(\"x\", async)\n")))
		var e *SyntaxError
		require.ErrorAs(t, err, &e)
		require.Equal(t, `load operand must be "async" or async="originalname" (want '=' after async)`, e.Msg)
	})
	t.Run("load binds for the lines to come", func(t *testing.T) {
		f, err := ParseCompound("<stdin>", lineReader([]byte("load('x', 'y')\n")))
		require.NoError(t, err)
		require.True(t, f.Options.LoadBindsGlobally)
	})
}

func TestSyntaxErrorNeverShowsTheStandIn(t *testing.T) {
	for _, src := range []string{"load('x', async)\n", "load('x', async=async)\n", "async async\n", "f(async=1, async=2)\n",
		"a0000 = 1\nload('x', async)\n", "def f(async, async): pass\n"} {
		err := execute("x.star", []byte(src), Script)
		require.Error(t, err, src)
		require.Contains(t, err.Error()+" async", "async")
		require.NotRegexp(t, "a000[1-9]|load operand must be \"a0000", err.Error())
	}
}

// Every piece of script in the page about the language must be one.
func TestLanguagePage(t *testing.T) {
	page, err := os.ReadFile("../docs/language.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```python\n(.*?)```").FindAllSubmatch(page, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		f, err := Parse("language.md", block[1], Script)
		require.NoError(t, err, string(block[1]))
		_, err = Compile(f, starlark.StringDict{"run": starlark.None, "wait": starlark.None, "attempt": starlark.None, "restart": starlark.None})
		require.NoError(t, err, string(block[1]))
	}
}

func TestStandInDoesNotOccur(t *testing.T) {
	require.Equal(t, "a0000", standIn(nil))
	require.Equal(t, "a0002", standIn([]byte("a0000 'a0001'")))
}

func TestCompileReportsAll(t *testing.T) {
	f, err := Parse("x.star", []byte("foo()\nbar(true)\nwiat()\nlenn()\nwait_or()\n"), Script)
	require.NoError(t, err)
	_, err = Compile(f, starlark.StringDict{"wait": starlark.None})
	var all SyntaxErrors
	require.ErrorAs(t, err, &all)
	require.Len(t, all, 6)
	require.Equal(t, "x.star:1:1: undefined: foo (and 5 more)", err.Error())
	var one *SyntaxError
	require.ErrorAs(t, err, &one)
	for i, hint := range []string{"", "", "write True", "did you mean wait?", "did you mean len?", "did you mean wait?"} {
		require.Equal(t, hint, all[i].Hint(), all[i].Msg)
	}
}

func BenchmarkParse(b *testing.B) {
	src := bytes.Repeat([]byte("r = run(\"make -j8 all\", async=1800, poll=0, name=\"build it\")  # takes long\n"), 500)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := Parse("x.star", src, Script); err != nil {
			b.Fatal(err)
		}
	}
}
