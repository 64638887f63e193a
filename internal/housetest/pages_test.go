package housetest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
