package builtins_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"starling/interp"
)

// patience bounds each chunk.
const patience = 60 * time.Second

// The files of testdata are scripts, divided by lines that begin with ---, and run on a real sshd: on web1, on the
// hosts that the line names (`--- web1 web2`), or without a current host (`--- none`). A chunk must run to its end, or
// fail on the line that ends with `### "regexp"`, with a message that matches. eq(a, b) is at hand.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.star")
	require.NoError(t, err)
	b := newBench(t, newHosts(t))
	for _, path := range files {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		t.Run(filepath.Base(path), func(t *testing.T) {
			if filepath.Base(path) != "reboot.star" { // which the others would notice; it comes before they go on
				t.Parallel()
			}
			for _, c := range chunksOf(string(source)) {
				t.Run(strconv.Itoa(c.line), func(t *testing.T) { b.golden(t, path, c) })
			}
		})
	}
}

func (b *bench) golden(t *testing.T, path string, c chunk) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The blank lines keep the chunk's own lines where they are in the file; the one before it has room for the load.
	source := strings.Repeat("\n", c.line-2) + `load("lib/eq.star", "eq")` + "\n" + c.source
	_, _, err := b.run(t, ctx, path, source, c.on...)
	line, form := c.failure(t)
	switch {
	case line == 0 && err != nil:
		t.Fatal(interp.Render(err, interp.TraceOptions{}))
	case line == 0:
		return
	case err == nil:
		t.Fatalf("line %d: no error, want %s", line, form)
	}
	require.Regexp(t, form, interp.Message(first(err)))
	require.Equal(t, line, lineOf(err), "%v", err)
}

// first returns the error of the first host.
func first(err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && len(joined.Unwrap()) > 0 {
		return joined.Unwrap()[0]
	}
	return err
}

// lineOf returns the line of the outermost script on which err came about.
func lineOf(err error) int {
	var eval *starlark.EvalError
	if !errors.As(err, &eval) {
		return 0
	}
	for i := range eval.CallStack {
		if pos := eval.CallStack.At(i).Pos; pos.Line > 0 {
			return int(pos.Line)
		}
	}
	return 0
}

// chunk is a script within a file.
type chunk struct {
	line   int // its first line, from 2
	on     []string
	source string
}

func chunksOf(text string) (chunks []chunk) {
	for i, line := range strings.Split(text, "\n") {
		if names, ok := strings.CutPrefix(line, "---"); ok {
			on := strings.Fields(names)
			switch {
			case len(on) == 0:
				on = []string{"web1"}
			case on[0] == "none":
				on = nil
			}
			chunks = append(chunks, chunk{line: i + 2, on: on})
			continue
		}
		if len(chunks) > 0 {
			chunks[len(chunks)-1].source += line + "\n"
		}
	}
	return chunks
}

var failing = regexp.MustCompile(`### (".*")$`)

// failure returns the line of the file that must fail, and how; 0 for none.
func (c *chunk) failure(t *testing.T) (line int, form string) {
	for i, text := range strings.Split(c.source, "\n") {
		if m := failing.FindStringSubmatch(text); m != nil {
			form, err := strconv.Unquote(m[1])
			require.NoError(t, err)
			return c.line + i, form
		}
	}
	return 0, ""
}
