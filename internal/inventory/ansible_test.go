package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// This file holds our answers against those of ansible-inventory: recorded ones in testdata/answers, and the command's
// own where it is installed. To record anew: go test -run TestAnsible -record.

var record = flag.Bool("record", false, "record what ansible-inventory answers")

// answer is what ansible-inventory says of one set of sources.
type answer struct {
	List  any            `json:"list"`
	Graph []string       `json:"graph"`
	Hosts map[string]any `json:"hosts"`
}

func TestAnsible(t *testing.T) {
	cases, err := filepath.Glob("testdata/ansible/*/SOURCES")
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	root, err := os.Getwd()
	require.NoError(t, err)
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			sources := strings.Split(strings.TrimSpace(string(text)), "\n")
			recorded := filepath.Join(root, "testdata/answers", filepath.Base(dir)+".json")
			t.Chdir(dir)
			_, missing := exec.LookPath("ansible-inventory")
			if *record {
				require.NoError(t, missing)
				src, err := json.MarshalIndent(askAnsible(t, root, sources), "", " ")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(recorded, append(src, '\n'), 0o644))
			}
			ours := ask(t, sources)
			src, err := os.ReadFile(recorded)
			require.NoError(t, err)
			var want answer
			require.NoError(t, json.Unmarshal(src, &want))
			same(t, want, ours)
			if missing == nil && !*record && !testing.Short() {
				t.Log("ansible-inventory is here: asked again")
				same(t, askAnsible(t, root, sources), ours)
			}
		})
	}
}

func same(t *testing.T, want, got answer) {
	t.Helper()
	require.Equal(t, normal(t, want.List), normal(t, got.List))
	if want.Graph != nil {
		require.Equal(t, want.Graph, got.Graph)
	}
	for host, values := range want.Hosts {
		require.Equal(t, values, got.Hosts[host], host)
	}
}

// normal leaves out what differs between releases of Ansible and says nothing: groups with nothing in them, hosts
// without variables.
func normal(t *testing.T, list any) any {
	groups, ok := list.(map[string]any)
	require.True(t, ok)
	meta := groups["_meta"].(map[string]any)
	delete(meta, "profile")
	for host, values := range meta["hostvars"].(map[string]any) {
		if len(values.(map[string]any)) == 0 {
			delete(meta["hostvars"].(map[string]any), host)
		}
	}
	for _, g := range groups {
		if children, ok := g.(map[string]any)["children"].([]any); ok {
			g.(map[string]any)["children"] = slices.DeleteFunc(children, func(name any) bool { return groups[name.(string)] == nil })
		}
	}
	return groups
}

func ask(t *testing.T, sources []string) answer {
	inv, err := Load(t.Context(), sources, Options{})
	require.NoError(t, err)
	src, err := inv.JSON()
	require.NoError(t, err)
	out := answer{Hosts: map[string]any{}}
	require.NoError(t, json.Unmarshal(src, &out.List))
	graph, err := inv.Graph("")
	require.NoError(t, err)
	out.Graph = strings.Split(strings.TrimSpace(graph), "\n")
	for _, h := range inv.Hosts() {
		src, err := h.JSON()
		require.NoError(t, err)
		var one any
		require.NoError(t, json.Unmarshal(src, &one))
		out.Hosts[h.Target.Name] = one
	}
	return out
}

func askAnsible(t *testing.T, root string, sources []string) answer {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := func(args ...string) []byte {
		for _, s := range sources {
			args = append(args, "-i", s)
		}
		cmd := exec.CommandContext(ctx, "ansible-inventory", args...)
		cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(root, "testdata/ansible.cfg"), "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s", stderr.String())
		require.NotContains(t, stderr.String(), "Unable to parse", "%s", stderr.String())
		return out
	}
	out := answer{Hosts: map[string]any{}}
	require.NoError(t, json.Unmarshal(run("--list"), &out.List))
	if !*record { // each question takes the command a second, and this one holds the others
		return out
	}
	out.Graph = strings.Split(strings.TrimSpace(string(run("--graph"))), "\n")
	for host := range out.List.(map[string]any)["_meta"].(map[string]any)["hostvars"].(map[string]any) {
		var one any
		require.NoError(t, json.Unmarshal(run("--host", host), &one))
		out.Hosts[host] = one
	}
	return out
}
