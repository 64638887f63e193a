package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"starling/internal/journal"
	"starling/internal/sshdtest"
)

// With a journal that can't be used nothing is started, and no host is asked.
func TestBrokenJournal(t *testing.T) {
	server := sshdtest.Start(t, sshdtest.Options{})
	script := filepath.Join(t.TempDir(), "x.star")
	require.NoError(t, os.WriteFile(script, []byte("wait(run('touch changed', async=60, poll=0))\n"), 0o600))
	for name, row := range map[string]struct {
		spoil func(t *testing.T, path string)
		says  string
	}{
		"damaged": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no journal ", 1000)), 0o600))
		}, "not a journal, or damaged"},
		"of a newer version": {func(t *testing.T, path string) {
			j, err := journal.Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, j.Close())
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			defer db.Close()
			_, err = db.ExecContext(t.Context(), "PRAGMA user_version = 99")
			require.NoError(t, err)
		}, "written by a newer starling"},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			row.spoil(t, p.journal)
			for _, args := range [][]string{{"run", script, "--on", "web1"}, {"exec", "web1", "-B", "60", "--", "touch", "changed"}, {"jobs", "--on", "web1"}} {
				_, errs, _, code := p.run(0, append([]string{args[0], "-F", server.ConfigFile}, args[1:]...)...)
				require.Equal(t, exitFailed, code)
				require.Contains(t, errs, "starling: error: journal "+p.journal+": open: "+row.says)
			}
			require.NoFileExists(t, filepath.Join(server.Home, "changed"))
			require.Zero(t, server.Accepted())
		})
	}
}

// What an inventory says of passwords reaches neither a script nor the journal.
func TestScriptsAreToldNoPasswords(t *testing.T) {
	p, dir := newProgram(t), t.TempDir()
	inventory, script := filepath.Join(dir, "hosts.ini"), filepath.Join(dir, "x.star")
	require.NoError(t, os.WriteFile(inventory, []byte("web1 ansible_become_password=hidden-7 ansible_ssh_pass=hidden-7 size=3\n"), 0o600))
	require.NoError(t, os.WriteFile(script, []byte("def main():\n    print(hosts()[0].vars)\n    each(\"all\", lambda h: print(h.vars))\n"), 0o600))
	out, errs, _, code := p.run(0, "run", "-i", inventory, script)
	require.Zero(t, code, errs)
	require.Equal(t, "{\"size\": 3}\nweb1 | {\"size\": 3}\n", out)
	kept, err := filepath.Glob(p.journal + "*")
	require.NoError(t, err)
	for _, path := range kept {
		if text, err := os.ReadFile(path); err == nil {
			require.NotContains(t, string(text), "hidden-7", path)
		}
	}
}
