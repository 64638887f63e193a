package lint_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/lint"
)

var (
	section  = regexp.MustCompile(`(?m)^## ([a-z-]+)$`)
	block    = regexp.MustCompile("(?ms)^(Bad|Good)[^\n]*:\n\n```python\n(.*?)^```$")
	fileName = regexp.MustCompile(`(?m)^# (\S+\.star)\n`)
)

// inMemory returns a ReadFile for the files of an example: one, or several that begin with a comment with their name.
func inMemory(text string) func(string) ([]byte, error) {
	files := map[string]string{"main.star": text}
	if names := fileName.FindAllStringSubmatchIndex(text, -1); names != nil {
		for i, at := range names {
			end := len(text)
			if i+1 < len(names) {
				end = names[i+1][0]
			}
			files[text[at[2]:at[3]]] = text[at[1]:end]
		}
	}
	return func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
}

// Each rule has a section in the documentation with an example that it catches, by itself and alone, and one that it
// has nothing to say about.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/lint.md")
	require.NoError(t, err)
	page := string(text)
	heads := section.FindAllStringSubmatchIndex(page, -1)
	var documented []lint.Rule
	for i, at := range heads {
		rule, end := lint.Rule(page[at[2]:at[3]]), len(page)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		if !slices.Contains(lint.Rules(), rule) {
			continue
		}
		documented = append(documented, rule)
		t.Run(string(rule), func(t *testing.T) {
			body := page[at[1]:end]
			word := map[lint.Severity]string{lint.Error: "Error.", lint.Warning: "Warning."}[rule.Severity()]
			require.True(t, strings.HasPrefix(strings.TrimSpace(body), word), "the section begins with its severity")
			blocks := block.FindAllStringSubmatch(body, -1)
			require.Len(t, blocks, 2)
			for _, b := range blocks {
				o := options()
				o.ReadFile = inMemory(b[2])
				found, err := lint.File("main.star", o)
				require.NoError(t, err)
				if b[1] == "Good" {
					require.Empty(t, found)
					continue
				}
				require.Len(t, found, 1, "%v", found)
				require.Equal(t, rule, found[0].Rule)
				require.Equal(t, rule.Severity(), found[0].Severity)
				require.NotEmpty(t, found[0].Msg)
			}
		})
	}
	require.Equal(t, lint.Rules(), documented)
}

// The page shows how to switch rules off with an example that is clean for that reason alone.
func TestDocumentedComments(t *testing.T) {
	text, err := os.ReadFile("../../docs/lint.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "## Switching a rule off\n\n```python\n")
	require.True(t, found)
	example, _, _ := strings.Cut(rest, "```")
	o := options()
	o.ReadFile = inMemory(example)
	findings, err := lint.File("main.star", o)
	require.NoError(t, err)
	require.Empty(t, findings)
	o.ReadFile = inMemory(strings.ReplaceAll(example, "# lint:", "# hint:"))
	findings, err = lint.File("main.star", o)
	require.NoError(t, err)
	require.Len(t, findings, 3)
}
