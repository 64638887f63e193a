package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// Many programs at once start jobs into one journal: none fails or warns, and all jobs are there, started once and reaped.
func TestManyProgramsOneJournal(t *testing.T) {
	programs := 16
	if os.Getenv("STARLING_SOAK") != "" {
		programs = 200
	}
	server := sshdtest.Start(t, sshdtest.Options{})
	script := filepath.Join(t.TempDir(), "x.star")
	require.NoError(t, os.WriteFile(script, []byte("wait(run('echo ran >>ran', async=600, poll=0))\n"), 0o600))
	p := newProgram(t)
	failed := make(chan string, programs)
	var all sync.WaitGroup
	for range programs {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), p.path, "run", "-F", server.ConfigFile, "--on", "web1", script)
			cmd.Env = append(os.Environ(), "STARLING_JOURNAL="+p.journal)
			if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("warning")) {
				failed <- fmt.Sprintf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	close(failed)
	for f := range failed {
		t.Error(f)
	}
	require.Equal(t, programs, lines(t, filepath.Join(server.Home, "ran")))
	for query, want := range map[string]int{"jobs --all": programs, "jobs": 0} {
		list, errs, _, code := p.run(0, append(strings.Fields(query), "--json", "-n", "0")...)
		require.Zero(t, code, errs)
		require.Len(t, linesOf(list), want, query)
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
