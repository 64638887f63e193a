package inventory

import (
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
)

func TestConnection(t *testing.T) {
	tests := []struct {
		name, line string
		want       transport.Target
		become     Become
		warnings   []string
	}{
		{name: "nothing", line: "w"},
		{name: "address, port and user", line: "w ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy",
			want: transport.Target{Addr: "10.0.0.1", Port: 2222, User: "deploy"}},
		{name: "the old names", line: "w ansible_ssh_host=h ansible_ssh_port='22' ansible_ssh_user=1000", want: transport.Target{Addr: "h", Port: 22, User: "1000"}},
		{name: "a port with the name", line: "w:2200", want: transport.Target{Port: 2200}},
		{name: "a user in the name", line: "me@w", want: transport.Target{Name: "me@w", Addr: "w", User: "me"}},
		{name: "a key", line: "w ansible_ssh_private_key_file=~/.ssh/k", want: transport.Target{IdentityFile: "~/.ssh/k"}},
		{name: "-J", line: "w ansible_ssh_common_args='-J a@b:22,c'", want: transport.Target{Jump: "a@b:22,c"}},
		{name: "-J in one", line: "w ansible_ssh_common_args=-Jb", want: transport.Target{Jump: "b"}},
		{name: "-o ProxyJump", line: "w ansible_ssh_common_args='-o ProxyJump=b'", want: transport.Target{Jump: "b"}},
		{name: "-oproxyjump", line: `w ansible_ssh_extra_args='-o"proxyjump b"'`, want: transport.Target{Jump: "b"}},
		{name: "a jump written out", line: `w ansible_ssh_common_args='-o ProxyCommand="ssh -p 2022 -W %h:%p -q a@b"'`, want: transport.Target{Jump: "a@b:2022"}},
		{name: "other arguments", line: "w ansible_ssh_common_args='-C -o StrictHostKeyChecking=no -J b'", want: transport.Target{Jump: "b"}, warnings: []string{
			"h:1: ansible_ssh_common_args is followed for ProxyJump only; passed over: -C",
			"h:1: ansible_ssh_common_args is followed for ProxyJump only; passed over: -o StrictHostKeyChecking=no"}},
		{name: "become", line: "w ansible_become=yes ansible_become_user=app ansible_become_method=ansible.builtin.su", become: Become{true, "app", "su"}},
		{name: "no become", line: "w ansible_become=False", become: Become{}},
		{name: "ssh by name", line: "w ansible_connection=ansible.builtin.ssh"},
		{name: "a template elsewhere", line: `w other="{{ x }}"`},
		{name: "a password", line: "w ansible_become_pass=x", warnings: []string{"h:1: ansible_become_pass is not used: passwords are not taken from inventories"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Name == "" {
				tt.want.Name = "w"
			}
			h, warnings := one(t, tt.line)
			require.NoError(t, h.Problem)
			require.Equal(t, tt.want, h.Target)
			require.Equal(t, tt.become, h.Become)
			require.Equal(t, tt.warnings, warnings)
		})
	}
}

func one(t *testing.T, line string) (Host, []string) {
	t.Helper()
	tree := newTree()
	require.NoError(t, readINI(tree, "h", []byte(line)))
	tree.reconcile()
	inv := newInventory(tree, "")
	return inv.hosts[0], inv.warnings
}

func TestProblems(t *testing.T) {
	tests := []struct{ line, want string }{
		{"w ansible_connection=local", "w: h:1: ansible_connection is local, and hosts are reached over ssh only"},
		{`w ansible_host="{{ ip }}"`, "w: h:1: ansible_host is a template, which is not evaluated here: {{ ip }}"},
		{"w ansible_port=x", "w: h:1: ansible_port is no port: x"},
		{"w ansible_port=0", "w: h:1: ansible_port is no port: 0"},
		{"w ansible_user=[1]", "w: h:1: ansible_user is no text: [1]"},
		{"w ansible_become=perhaps", "w: h:1: ansible_become is neither yes nor no: perhaps"},
		{"w ansible_become_method=runas", "w: h:1: ansible_become_method is runas; there are sudo, doas and su"},
		{"w ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'", "w: h:1: ansible_ssh_common_args has a ProxyCommand, which can't be followed here: say -o ProxyJump=host, or put it into ssh_config: nc %h %p"},
		{"w ansible_ssh_common_args=-J", "w: h:1: ansible_ssh_common_args ends in -J"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			h, _ := one(t, tt.line)
			require.EqualError(t, h.Problem, tt.want)
			err := Usable([]Host{{}, h})
			require.EqualError(t, err, tt.want)
			var host *HostError
			require.ErrorAs(t, err, &host)
		})
	}
	require.NoError(t, Usable([]Host{{}}))
}
