package star_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/internal/inventory"
	"starling/internal/inventory/star"
	"starling/internal/transport"
)

// eval runs a program as it is; the real one parses as scripts are parsed.
func eval(_ context.Context, path string, src []byte, predeclared starlark.StringDict) error {
	_, err := starlark.ExecFileOptions(&syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}, &starlark.Thread{}, path, src, predeclared)
	return err
}

func load(t *testing.T, src string) (*inventory.Inventory, error) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("inventory.star", []byte(src), 0o644))
	return inventory.Load(t.Context(), []string{"inventory.star"}, inventory.Options{Starlark: star.Reader(eval)})
}

// The same fleet as in ../testdata/ansible/ini-groups, and so the same as Ansible's answer.
const fleet = `
host("bastion.example.net", groups="frontend")
host("relay.example.net", port=2222, vars={"rack": "a1"})
group("frontend")
for n in range(1, 7, 2):
    host("www%02d.example.net" % n if n > 9 else "www0%d.example.net" % n, groups=["frontend"])
for name in expand("edge-[a:c].example.net"):
    host(name, groups=["frontend"], vars={"http_port": 8080, "tags": ["blue", "green"]})
group("storage", hosts=["db-[0:2]"])
host("fd00::17", port=2022, groups=["storage"])
host("fd00::18", groups=["storage"])
group("berlin", children=["frontend", "storage"], vars={"ntp": "ntp.berlin.example.net", "halon": False, "timeout": 30})
host("db-[1:2]", groups=["oslo"], vars={"rack": "b 7"})
group("europe", children=["oslo", "berlin"], vars={"region": "eu"})
`

func TestSameAsINI(t *testing.T) {
	ini, err := inventory.Load(t.Context(), []string{filepath.Join("..", "testdata", "ansible", "ini-groups", "hosts")}, inventory.Options{})
	require.NoError(t, err)
	ours, err := load(t, fleet)
	require.NoError(t, err)
	require.Len(t, ours.Hosts(), len(ini.Hosts()))
	for _, want := range ini.Hosts() {
		got, ok := ours.Host(want.Target.Name)
		require.True(t, ok, want.Target.Name)
		require.Equal(t, want.Groups, got.Groups)
		require.Equal(t, want.Target, got.Target)
		wantVars, err := json.Marshal(want.Vars)
		require.NoError(t, err)
		gotVars, err := json.Marshal(got.Vars)
		require.NoError(t, err)
		require.JSONEq(t, string(wantVars), string(gotVars))
	}
}

func TestHowToReach(t *testing.T) {
	inv, err := load(t, `
def server(name):
    host(name, addr="10.0.0.1", port=2222, user="deploy", identity_file="~/.ssh/k", jump="me@gate:22",
        become=True, become_user="app", become_method="su", vars={"n": 5, "f": 1.5, "none": None, "t": (1, {"a": []})})

server("web1")
host("me@web2")
`)
	require.NoError(t, err)
	h, ok := inv.Host("web1")
	require.True(t, ok)
	require.NoError(t, h.Problem)
	require.Equal(t, transport.Target{Name: "web1", Addr: "10.0.0.1", Port: 2222, User: "deploy", IdentityFile: "~/.ssh/k", Jump: "me@gate:22"}, h.Target)
	require.Equal(t, inventory.Become{Enabled: true, User: "app", Method: "su"}, h.Become)
	require.Equal(t, int64(5), h.Vars["n"])
	require.Equal(t, []any{int64(1), map[string]any{"a": []any{}}}, h.Vars["t"])
	require.Nil(t, h.Vars["none"])
	require.Equal(t, "inventory.star:3", h.VarSource["n"])
	require.Equal(t, []string{"ungrouped"}, h.Groups)
	h, _ = inv.Host("me@web2")
	require.Equal(t, transport.Target{Name: "me@web2", Addr: "web2", User: "me"}, h.Target)
}

func TestErrors(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"a loop", "group('a', children=['b'])\ngroup('b', children=['a'])", "inventory.star:2: group a cannot be a child of b: it holds it"},
		{"a bad name", "host('a b')", `inventory.star:1: "a b" is no name for a host`},
		{"a bad group", "host('a', groups=[''])", "inventory.star:1: a group without a name"},
		{"one address of many", "host('a[1:2]', addr='x')", "host: addr is one address, and a[1:2] is 2 hosts"},
		{"a bad range", "expand('a[2:1]')", `expand: "a[2:1]": the range [2:1] is empty: it ends before it begins`},
		{"a near miss", "host('a', adr='x')", `host: unexpected keyword argument "adr" (did you mean addr?)`},
		{"a port", "host('a', port=70000)", "host: for parameter port: 70000 is no port"},
		{"a jump", "host('a', jump='b -o x')", `host: for parameter jump: "b -o x" is no [user@]host[:port]`},
		{"become", "host('a', become='yes')", "host: for parameter become: got string, want bool"},
		{"a variable", "host('a', vars={'x': len})", "host: for parameter vars: x: got builtin_function_or_method, want string, int, float, bool, None, list or dict"},
		{"a key", "group('a', vars={1: 2})", "group: for parameter vars: got a key of type int, want string"},
		{"an int", "host('a', vars={'x': 1 << 70})", "host: for parameter vars: x: 1180591620717411303424 is too large a number"},
		{"no number", "host('a', vars={'x': float('nan')})", "host: for parameter vars: x: nan is no number that a variable can hold"},
		{"itself", "d = {}\nd['d'] = d\nhost('a', vars=d)", "nested more than 50 deep"},
		{"groups", "host('a', groups=[1])", "host: for parameter groups: got int in the list, want a name"},
		{"a priority", "group('a', vars={'ansible_group_priority': 'x'})", "inventory.star:1: ansible_group_priority: x is no whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.src)
			require.ErrorContains(t, err, tt.want)
			require.Regexp(t, `^inventory.star:[1-3]: `, err.Error(), "where it is")
		})
	}
}
