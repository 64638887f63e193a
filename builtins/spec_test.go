package builtins_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/syntax"

	"starling/internal/sandbox"
	"starling/interp"
)

func TestSpecs(t *testing.T) {
	for _, s := range interp.Specs() {
		require.NoError(t, s.Validate(func(src string) error {
			_, err := interp.Parse("example.star", []byte(src), interp.Script)
			return err
		}))
	}
}

// Every example of the documentation does what it is there for, and leaves no job behind.
func TestExamples(t *testing.T) {
	hosts, err := sandbox.Start(t.Context(), 2, sandbox.Options{Dir: t.TempDir(), Downtime: 100 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hosts.Close()) })
	b := newBench(t, hosts.Hosts())
	for _, s := range interp.Specs() {
		t.Run(s.Name, func(t *testing.T) {
			if s.Name != "reboot" { // which the others would notice; it comes before they go on
				t.Parallel()
			}
			on := []string{"sandbox1"}
			if strings.Contains(s.Example, "each(") {
				on = nil
			}
			_, unreaped, err := b.run(t, t.Context(), "example.star", s.Example, on...)
			if err != nil {
				t.Fatal(interp.Render(err, interp.TraceOptions{}))
			}
			require.Empty(t, unreaped)
		})
	}
}

// A parameter is tested when a file of testdata gives it by keyword. A new one fails here until it has a line there.
func TestEveryParameterIsGivenByKeyword(t *testing.T) {
	for _, s := range interp.Specs() {
		source, err := os.ReadFile("testdata/" + s.Name + ".star")
		require.NoError(t, err, "a builtin has a file of its own in testdata")
		given := map[string]bool{}
		for _, chunk := range chunksOf(string(source)) {
			file, err := interp.Parse(s.Name, []byte(chunk.source), interp.Script)
			require.NoError(t, err)
			fails, _ := chunk.failure(t)
			syntax.Walk(file, func(n syntax.Node) bool {
				if n == nil {
					return true // the end of a node
				}
				// A call that fails proves nothing of its parameters.
				if start, _ := n.Span(); fails == 0 || int(start.Line) != fails-chunk.line+1 {
					for _, name := range keywords(n, s.Name) {
						given[name] = true
					}
				}
				return true
			})
		}
		for _, p := range s.Params {
			// What a variadic builtin passes on may have any name, its own parameters' names too: those go by position.
			if !s.Variadic {
				require.True(t, given[p.Name], "testdata/%s.star never gives %s by keyword", s.Name, p.Name)
			}
		}
	}
}

// keywords returns the names of the keyword arguments when n is a call of the builtin.
func keywords(n syntax.Node, builtin string) (names []string) {
	call, ok := n.(*syntax.CallExpr)
	if !ok {
		return nil
	}
	if fn, ok := call.Fn.(*syntax.Ident); !ok || fn.Name != builtin {
		return nil
	}
	for _, arg := range call.Args {
		if pair, ok := arg.(*syntax.BinaryExpr); ok && pair.Op == syntax.EQ {
			names = append(names, pair.X.(*syntax.Ident).Name)
		}
	}
	return names
}
