package inventory

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSourceErrors(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ",") + "]\n"
	}
	tests := []struct{ name, file, src, want string }{
		{"broken YAML", "h.yml", "all:\n  hosts: [\n", "h.yml:2: YAML: did not find expected node content"},
		{"a list at the top", "h.yml", "- a\n", "h.yml:1: a mapping (name: value) is wanted at the top, got a list"},
		{"empty YAML", "h.yml", "---\n", "h.yml: the inventory is empty"},
		{"two documents", "h.yml", "a:\n---\nb:\n", "h.yml:2: a second document; one file holds one"},
		{"a list of hosts", "h.yml", "web:\n  hosts:\n  - a\n", "h.yml:3: hosts of group web: names with a colon after each are wanted, got a list"},
		{"variables that are none", "h.yml", "web:\n  hosts:\n    a: 5\n", `h.yml:3: host a: variables (name: value) are wanted below it, got "5"`},
		{"a group that is none", "h.yml", "web: x\n", `h.yml:1: group web: hosts, children and vars are wanted below it, got "x"`},
		{"a host that is a number", "h.yml", "web:\n  hosts:\n    10:\n", "h.yml:3: the name of a host is 10, which YAML takes for no text; put it in quotes"},
		{"a group that is a bool", "h.yml", "on:\n  hosts:\n", "h.yml:1: the name of a group is on, which YAML takes for no text; put it in quotes"},
		{"a loop", "h.yml", "a: {children: {b: {children: {a: }}}}\n", "h.yml:1: group b cannot be a child of a: it holds it"},
		{"a plugin", "h.yml", "plugin: amazon.aws.ec2\n", "h.yml:1: the configuration of Ansible's inventory plugin amazon.aws.ec2, which is not run here"},
		{"an unknown tag", "h.yml", "all: {vars: {a: !thing 5}}\n", "h.yml:1: YAML: the tag !thing is not known here"},
		{"an alias to itself", "h.yml", "all: {vars: {a: &a [*a]}}\n", "h.yml:1: YAML: a list that holds itself"},
		{"a merge of a text", "h.yml", "all: {vars: {<<: x}}\n", `h.yml:1: YAML: << takes a mapping, got "x"`},
		{"a flood of aliases", "group_vars/all.yml", laughs, "group_vars/all.yml:1: YAML: too large once its aliases are followed"},
		{"a list of variables", "group_vars/all", "- a\n", "group_vars/all:1: a mapping (name: value) is wanted at the top, got a list"},
		{"TOML", "h.toml", "[web]\n", "h.toml: inventories in TOML are not read"},
		{"Starlark without a reader", "h.star", "host('a')\n", "h.star: Starlark inventories are not read here"},
		{"vault", "h", "$ANSIBLE_VAULT;1.1;AES256\n", "h: encrypted by ansible-vault, which is not read here"},
		{"binary", "h", "\x7fELF\x00", "h: a binary file that may not be executed is no inventory"},
		{"nothing", "other", "", "h: inventory: no such file or directory"},
		{"a list of a bad name", "other", "", `a b,: "a b" is no name for a host`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			texts := map[string]string{tt.file: tt.src}
			source := tt.file
			switch {
			case strings.HasPrefix(tt.file, "group_vars"):
				texts["h"], source = "a\n", "h"
			case strings.Contains(tt.want, ",:"):
				source = "a b,"
			case tt.file == "other":
				source = "h"
			}
			t.Chdir(files(t, texts))
			_, err := Load(t.Context(), []string{source}, Options{})
			require.EqualError(t, err, tt.want)
			var wrong *SourceError
			require.ErrorAs(t, err, &wrong)
		})
	}
}

func TestScripts(t *testing.T) {
	t.Chdir(files(t, map[string]string{
		"bad":   "#!/bin/sh\necho line one >&2\necho no such account >&2\nexit 3\n",
		"text":  "#!/bin/sh\necho hello\n",
		"more":  "#!/bin/sh\necho '{} {}'\n",
		"group": "#!/bin/sh\necho '{\"web\": 5}'\n",
		"hang":  "#!/bin/sh\nsleep 1000 & echo $! >child; sleep 1000\n",
		"vars":  "#!/bin/sh\ncase $1 in --list) echo '{\"w\": [\"a\"]}';; *) echo '[]';; esac\n",
		"plain": "#!/usr/bin/env inventory\na\n",
	}))
	require.NoError(t, os.Chmod("plain", 0o644))
	tests := []struct{ source, want string }{
		{"bad", "bad: --list: exit status 3\n  line one\n  no such account"},
		{"text", "text: --list: the answer is no JSON object"},
		{"more", "more: --list: more text after the JSON object"},
		{"group", "group: --list: group web: an object or a list is wanted, got 5"},
		{"hang", "hang: --list: no answer within 2s"},
		{"vars", "vars: --list: the variables of host a: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"plain", "plain:1: begins with #! and may not be executed"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			o := Options{}
			if tt.source == "hang" {
				o.Timeout = 2 * time.Second
			}
			_, err := Load(t.Context(), []string{tt.source}, o)
			require.EqualError(t, err, tt.want)
		})
	}
	text, err := os.ReadFile("child")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(text)), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 5*time.Millisecond, "what the executable has started ends with it")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Load(ctx, []string{"hang"}, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWarnings(t *testing.T) {
	t.Chdir(files(t, map[string]string{
		"inv/h.yml":                "web:\n  hosts:\n    a:\n  port: {x: 1}\na:\n  hosts:\n    b: {ansible_password: x}\n",
		"inv/ssh":                  "[web:vars]\nansible_ssh_common_args=-C -q\n[web]\na1\na2\n",
		"inv/more.ini":             "b\n",
		"inv/group_vars/web/v.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
	}))
	inv, err := Load(t.Context(), []string{"inv"}, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{
		"inv/h.yml:4: group web: port is passed over; below a group stand hosts, children and vars",
		"inv/more.ini: passed over: in a folder, a name that ends in .ini is none of an inventory, as in Ansible; take the ending away",
		"inv/group_vars/web/v.yml:1: passed over: it is encrypted by ansible-vault, which is not read here",
		"inv/ssh:2 (group web): ansible_ssh_common_args is followed for ProxyJump only; passed over: -C",
		"inv/ssh:2 (group web): ansible_ssh_common_args is followed for ProxyJump only; passed over: -q",
		"inv/h.yml:7: ansible_password is not used: passwords are not taken from inventories",
		"a is a host and a group; in a pattern it is the host",
	}, inv.Warnings())
}

// What an inventory prints as JSON is an inventory that says the same.
func TestJSONIsAnInventory(t *testing.T) {
	for _, dir := range []string{"ini-groups/hosts", "ini-values/hosts", "yaml-groups/hosts.yml", "yaml-values/hosts.yaml", "connection/hosts"} {
		first, err := Load(t.Context(), []string{filepath.Join("testdata/ansible", dir)}, Options{})
		require.NoError(t, err)
		src, err := first.JSON()
		require.NoError(t, err)
		again, err := Load(t.Context(), []string{filepath.Join(files(t, map[string]string{"x.json": string(src)}), "x.json")}, Options{})
		require.NoError(t, err)
		require.Len(t, again.Hosts(), len(first.Hosts()))
		for _, h := range first.Hosts() {
			other, ok := again.Host(h.Target.Name)
			require.True(t, ok)
			require.Equal(t, h.Groups, other.Groups)
			require.Equal(t, h.Target, other.Target)
			require.Equal(t, h.Vars, other.Vars)
		}
	}
}

func TestGroupVarsStayInTheirFolder(t *testing.T) {
	t.Chdir(files(t, map[string]string{"inv/h": "../secret\n..\na/b\n", "inv/host_vars/a/b.yml": "in: 1\n", "inv/secret.yml": "a: 1\n", "inv/q.yml": "a: 1\n"}))
	inv, err := Load(t.Context(), []string{"inv/h"}, Options{})
	require.NoError(t, err)
	for _, h := range inv.Hosts() {
		require.NotContains(t, h.Vars, "a", h.Target.Name)
	}
	h, _ := inv.Host("a/b")
	require.Equal(t, int64(1), h.Vars["in"])
}

func TestFind(t *testing.T) {
	dir := files(t, map[string]string{"inventory.ini": "a\n"})
	require.Equal(t, []string{filepath.Join(dir, "inventory.ini")}, Find(dir, ""))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "inventory.star"), nil, 0o644))
	require.Equal(t, []string{filepath.Join(dir, "inventory.star")}, Find(dir, ""))
	require.Equal(t, []string{"x", "y,"}, Find(dir, "x"+string(os.PathListSeparator)+"y,"))
	require.Nil(t, Find(t.TempDir(), ""))
}

// A list of many names is longer than a file's name can be.
func TestLongList(t *testing.T) {
	var names []string
	for n := range 500 {
		names = append(names, fmt.Sprintf("host%d", n))
	}
	inv, err := Load(t.Context(), []string{strings.Join(names, ",") + ","}, Options{})
	require.NoError(t, err)
	require.Len(t, inv.Hosts(), len(names))
}
