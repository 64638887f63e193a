package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestINIErrors(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"no section", "[web\n", `hosts:1: "[web": a [ without its ]`},
		{"spaces in a section", "a\n[my group]\n", `hosts:2: [my group] is no section: it is written [group], [group:vars] or [group:children], without spaces`},
		{"an unknown kind", "[web:hots]\n", `hosts:1: section [web:hots]: there are :vars, :children and :hosts`},
		{"vars alone", "a\n[web:vars]\nx=1\n", `hosts:2: [web:vars] without a section [web]`},
		{"a child alone", "[all2:children]\nweb\n", `hosts:2: [all2:children] names web, and there is no section [web]`},
		{"the first of two", "[q:children]\nz\na\n", `hosts:2: [q:children] names z, and there is no section [z]`},
		{"a loop", "[a:children]\nb\n[b:children]\na\n", `hosts:4: group a cannot be a child of b: it holds it`},
		{"itself", "[a]\n[a:children]\na\n", `hosts:3: group a cannot be a child of a: it holds it`},
		{"all as a child", "[a]\n[a:children]\nall\n", `hosts:3: group a cannot hold the group all: it is in it`},
		{"spaces around =", "web a = 1\n", `hosts:1: "a": a variable of a host is written name=value, without spaces around the =`},
		{"an open quote", "web a='1\n", `hosts:1: a quote without its end`},
		{"a variable without =", "[w]\n[w:vars]\nx 1\n", `hosts:3: "x 1": a variable of a group is written name=value`},
		{"a port too large", "web:70000\n", `hosts:1: "web:70000": 70000 is no port`},
		{"no port", "web:\n", `hosts:1: "web:" ends in a : without a port`},
		{"a wide range", "web[1:2000000]\n", `hosts:1: "web[1:2000000]": the range [1:2000000] is too wide`},
		{"many ranges", "web[1:999][1:999]\n", `hosts:1: "[1:999]": the range [1:999] is too wide`},
		{"a range backwards", "web[5:1]\n", `hosts:1: "web[5:1]": the range [5:1] is empty: it ends before it begins`},
		{"a ragged range", "web[01:5]\n", `hosts:1: "web[01:5]": the range [01:5] needs as many digits at its end as at its begin`},
		{"no step", "web[1:5:0]\n", `hosts:1: "web[1:5:0]": the range [1:5:0] has no usable step`},
		{"YAML", "---\nall:\n", `hosts:1: --- begins a YAML document, and this file is read as INI; name it .yaml`},
		{"a priority that is none", "[w]\n[w:vars]\nansible_group_priority=high\n", `hosts:3: ansible_group_priority: high is no whole number`},
		{"an option as a host", "-oProxyCommand=x\n", `hosts:1: "-oProxyCommand=x" is no name for a host`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := readINI(newTree(), "hosts", []byte(tt.src))
			require.EqualError(t, err, tt.want)
			var source *SourceError
			require.ErrorAs(t, err, &source)
		})
	}
}

func TestSourceOfVariables(t *testing.T) {
	dir := files(t, map[string]string{
		"hosts":              "[web]\nw1 a=1\n[web:vars]\nb=2\na=2\n",
		"group_vars/all.yml": "x: 1\nc: 3\n",
		"host_vars/w1.yml":   "\nd: 4\n",
	})
	t.Chdir(dir)
	inv, err := Load(t.Context(), []string{"hosts"}, Options{})
	require.NoError(t, err)
	h, ok := inv.Host("w1")
	require.True(t, ok)
	require.Equal(t, map[string]string{
		"a": "hosts:2", "b": "hosts:4 (group web)", "x": "group_vars/all.yml:1 (group all)", "c": "group_vars/all.yml:2 (group all)", "d": "host_vars/w1.yml:2",
	}, h.VarSource)
	require.Equal(t, []string{"web"}, h.Groups)
}

// files writes files below a new folder; one whose text begins with #! may be executed.
func files(t testing.TB, texts map[string]string) string {
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
	}
	return dir
}

// FuzzINI: any text is an inventory whose every host can be found again, or a SourceError.
func FuzzINI(f *testing.F) {
	for _, name := range []string{"ini-groups", "ini-values", "ini-order", "precedence", "connection"} {
		src, err := os.ReadFile("testdata/ansible/" + name + "/hosts")
		require.NoError(f, err)
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		tree := newTree()
		if err := readINI(tree, "hosts", []byte(src)); err != nil {
			var source *SourceError
			require.True(t, errors.As(err, &source), "%v", err)
			require.Positive(t, source.Line)
			return
		}
		tree.reconcile()
		inv := newInventory(tree, "")
		require.Len(t, inv.hosts, len(tree.hosts))
		for _, h := range inv.Hosts() {
			_, found := inv.Host(h.Target.Name)
			require.True(t, found)
			require.NotEmpty(t, h.Groups)
		}
		_, err := inv.JSON()
		require.NoError(t, err)
	})
}
