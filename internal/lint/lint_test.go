package lint_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
	"starling/internal/lint"
	"starling/interp"
)

// options are those the command line uses, with a journal that knows one command.
func options() lint.Options {
	specs := interp.Specs()
	if !slices.ContainsFunc(specs, func(s spec.Spec) bool { return s.Name == "quote" }) {
		specs = append(specs, spec.Spec{Name: "quote", Params: []spec.Param{{Name: "text", Type: spec.String, Required: true, Positional: true}}})
	}
	return lint.Options{
		Specs: specs,
		Parse: func(path string, src []byte) (*syntax.File, error) { return interp.Parse(path, src, interp.Script) },
		History: func(cmd string) (time.Duration, int, bool) {
			return 55 * time.Second, 12, cmd == "make world" || cmd == "backup --all '/srv data'"
		},
	}
}

// marks are what a file of the corpus says must be found: "### rule" on the line, several divided by commas.
var marks = regexp.MustCompile(`### ([a-z, -]+)$`)

func expected(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var want []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if m := marks.FindStringSubmatch(lines.Text()); m != nil {
			for _, rule := range strings.Split(m[1], ",") {
				rule = strings.TrimSpace(rule)
				require.Contains(t, lint.Rules(), lint.Rule(rule), "%s:%d", path, n)
				want = append(want, fmt.Sprintf("%s:%d %s", path, n, rule))
			}
		}
	}
	require.NoError(t, lines.Err())
	return want
}

// The corpus: a script per file; files in the folder lib are only loaded.
func TestCorpus(t *testing.T) {
	paths := corpus(t)
	innocent := 0
	seen := map[lint.Rule]bool{}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".star"), func(t *testing.T) {
			o := options()
			o.Root = "testdata"
			found, err := lint.File(path, o)
			require.NoError(t, err)
			var got []string
			read := map[string]bool{path: true}
			for _, f := range found {
				got = append(got, fmt.Sprintf("%s:%d %s", f.Path, f.Line, f.Rule))
				seen[f.Rule] = true
				read[f.Path] = true
			}
			var want []string
			for p := range read {
				want = append(want, expected(t, p)...)
			}
			require.ElementsMatch(t, want, got, "%v", found)
			if len(want) == 0 {
				innocent++
			}
		})
	}
	require.GreaterOrEqual(t, len(paths), 60)
	require.GreaterOrEqual(t, 2*innocent, len(paths), "as many look right as look wrong")
	for _, rule := range lint.Rules() {
		require.True(t, seen[rule], "no script of the corpus has %s", rule)
	}
}

func corpus(t testing.TB) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "lib" || d.Name() == "fuzz") {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".star" {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

// Nothing is said of the scripts that the project shows to its users.
func TestExamplesAreClean(t *testing.T) {
	var paths []string
	require.NoError(t, filepath.WalkDir("../../examples", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".star" && d.Name() != "inventory.star" {
			paths = append(paths, path)
		}
		return err
	}))
	require.NotEmpty(t, paths)
	for _, path := range paths {
		found, err := lint.File(path, options())
		require.NoError(t, err)
		require.Empty(t, found)
	}
	for _, s := range interp.Specs() {
		o := options()
		o.ReadFile = func(string) ([]byte, error) { return []byte(s.Example), nil }
		found, err := lint.File("example", o)
		require.NoError(t, err, s.Name)
		require.Empty(t, found, s.Name)
	}
}
