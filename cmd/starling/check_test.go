package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree is every file below dir, with its mode and a digest of what is in it.
func tree(t *testing.T, dir string) string {
	var out strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s %s", path, info.Mode())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, " %x", sha256.Sum256(text))
		}
		out.WriteByte('\n')
		return nil
	}))
	return out.String()
}

// A dry run of every example, and of one of each kind of call, leaves its hosts as they were.
func TestCheckChangesNothing(t *testing.T) {
	servers, config := hosts(t, "web1", "web2")
	scripts, err := filepath.Glob("../../examples/*/main.star")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	own := filepath.Join(t.TempDir(), "own.star")
	require.NoError(t, os.WriteFile(own, []byte(`
j = run("touch changed", async=60, poll=0)
async_status(j.jid, retries=3, delay=0.1)
wait([j])
print(async_status(j, cleanup=True).state, repr(output(j)))
first, rest = wait_any([j])
run("touch changed")
run("touch changed", key="k")
run(["touch", "changed"], async=60, poll=1)
print(run("uname -s", check_mode=False).stdout)
reboot()
cancel(j)
detach(run("touch changed", async="forever", poll=0))
print(run("touch changed", creates="/").msg)
if copy(content="changed", dest="changed", mode="0600", backup=True).changed:
    run("touch reloaded")
`), 0o600))
	// Two jobs of another run, one of them under a key: the dry run sees their ends, and leaves them to be reaped.
	begin := filepath.Join(t.TempDir(), "begin.star")
	require.NoError(t, os.WriteFile(begin, []byte(`
for job in (run("echo one", async=60, poll=0), run("echo two", async=60, poll=0, key="k")):
    print(job.jid)
`), 0o600))
	p := newProgram(t)
	ids, errs, _, code := p.run(0, "run", "-F", config, "--on", "web1", begin)
	require.Equal(t, exitUnreaped, code, errs)
	look := filepath.Join(t.TempDir(), "look.star")
	require.NoError(t, os.WriteFile(look, []byte(`
for jid in var("jids").split():
    print(async_status(jid, retries=60, delay=0.2, cleanup=True).stdout, wait(jid).state, output(jid))
    print(cancel(jid).msg)
    detach(jid)
`), 0o600))
	waitUntil(t, "they have ended", func() bool { return len(servers[0].Processes()) == 0 })
	before := tree(t, servers[0].Home) + tree(t, servers[1].Home)
	out, errs, _, code := p.run(0, "run", "-F", config, "--on", "web1", "--check", "--var", "jids="+strings.Join(linesOf(ids), " "), look)
	require.Zero(t, code, errs)
	for _, word := range []string{"one", "two"} {
		require.Contains(t, out, word+" succeeded "+word+"\n\nwould cancel\n")
	}
	require.Equal(t, before, tree(t, servers[0].Home)+tree(t, servers[1].Home))
	list, _, _, _ := p.run(0, "jobs", "list")
	for _, id := range linesOf(ids) {
		require.Contains(t, list, id)
	}
	for _, script := range append(scripts, own) {
		t.Run(filepath.Base(filepath.Dir(script)), func(t *testing.T) {
			args := []string{"run", "-F", config, "-i", "web1,web2", "--check"}
			source, err := os.ReadFile(script)
			require.NoError(t, err)
			if !strings.Contains(string(source), "each(") {
				args = append(args, "--on", "all")
			}
			out, errs, _, code := newProgram(t).run(0, append(args, script)...)
			require.Zero(t, code, "%s%s", out, errs)
			require.Contains(t, errs, "would ")
			require.Equal(t, before, tree(t, servers[0].Home)+tree(t, servers[1].Home))
			require.NoFileExists(t, filepath.Join(servers[0].Home, "rebooting"))
		})
	}
	out, errs, _, _ = newProgram(t).run(0, "run", "-F", config, "--on", "web1", "--check", own)
	require.Contains(t, errs, `would run "touch reloaded"`, "what follows upon a change is said")
	require.Contains(t, errs, "1 host: 1 ok, 1 change, in", "the one command that is run in earnest")
	require.NotContains(t, out, "+changed", "differences are for --diff")
	require.Contains(t, out, "Linux", "what only reads is run")
	require.Contains(t, out, "is there already", "what looks at the host answers truly")
	out, _, _, _ = newProgram(t).run(0, "run", "-F", config, "--on", "web1", "--check", "--diff", own)
	require.Contains(t, out, "--- /dev/null\n+++ changed\n@@ -0,0 +1 @@\n+changed\n")
}
