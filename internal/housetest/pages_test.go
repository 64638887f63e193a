package housetest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/interp"
)

// docs/builtins.md is made from the Specs.
func TestBuiltinsPage(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/builtins.md")
	require.NoError(t, err)
	for _, s := range interp.Specs() {
		if !strings.Contains(string(page), "\n"+strings.TrimSpace(s.Markdown())+"\n") {
			t.Errorf("docs/builtins.md is not up to date (%s): make docs", s.Name)
		}
	}
	require.Equal(t, len(interp.Specs()), strings.Count(string(page), "\n## "), "make docs")
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// What a page points at within the checkout is there.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, root+"/README.md", root+"/CHANGELOG.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %s is not there", page, m[1])
			}
		}
	}
}

// Every example is in the README, and has the output that it is tested for.
func TestExamplesAreListed(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	mains, err := filepath.Glob(root + "/examples/*/main.star")
	require.NoError(t, err)
	require.NotEmpty(t, mains)
	for _, main := range mains {
		require.FileExists(t, filepath.Join(filepath.Dir(main), "output.txt"))
		name := "examples/" + filepath.Base(filepath.Dir(main))
		require.Contains(t, string(readme), name, "the README does not name it")
	}
}

// The page of the events has every kind and every field; that of the environment, every variable that is read.
func TestPagesForPrograms(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/events.md")
	require.NoError(t, err)
	source, err := os.ReadFile(root + "/internal/event/event.go")
	require.NoError(t, err)
	kinds := regexp.MustCompile(`Kind += "([a-z_]+)"|^\t[A-Z][A-Za-z]+ += "([a-z_]+)"`)
	rows := 0
	for line := range strings.Lines(string(source)) {
		if m := kinds.FindStringSubmatch(line); m != nil {
			require.Contains(t, string(page), "\n| `"+m[1]+m[2]+"` |")
			rows++
		}
	}
	for field := range reflect.TypeFor[event.Event]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		require.Contains(t, string(page), "\n| `"+name+"` |")
		rows++
	}
	const heads = 2
	require.Equal(t, heads+rows, strings.Count(string(page), "\n| "), "a row of something that is not there")

	page, err = os.ReadFile(root + "/docs/scripting.md")
	require.NoError(t, err)
	read := regexp.MustCompile(`"(STARLING_[A-Z_]+)"|Getenv\("([A-Z_]+)"\)`)
	found := map[string]bool{}
	for _, room := range []string{"cmd", "internal/transport", "internal/inventory"} {
		require.NoError(t, filepath.WalkDir(root+"/"+room, func(path string, _ os.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range read.FindAllStringSubmatch(string(text), -1) {
				found[m[1]+m[2]] = true
			}
			return err
		}))
	}
	require.Contains(t, found, "NO_COLOR")
	for name := range found {
		require.Contains(t, string(page), "`"+name+"`")
	}
}
