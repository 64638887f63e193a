package job_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// A host whose logind ends what a login leaves behind (its programs are stand-ins): a job is refused, with what to do
// about it, until lingering is on, and then has a scope of its own.
func TestKillUserProcesses(t *testing.T) {
	user := sshdtest.NewAccount(t)
	stubs := t.TempDir()
	require.NoError(t, os.Chmod(stubs, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(stubs), 0o755))
	for name, text := range map[string]string{
		"busctl":      "printf 'b true\\nas 0\\nas 1 \"root\"\\n'",
		"loginctl":    `[ "$1" = show-user ] && [ -e "$HOME/linger" ] && echo Linger=yes`,
		"systemd-run": `[ "$1" = --version ] && exit 0; echo "$@" >>"$HOME/scopes"; while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(stubs, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	}
	b := newBench(t, sshdtest.Options{User: user, SetEnv: map[string]string{"PATH": stubs + ":/usr/local/bin:/usr/bin:/bin"}})
	_, err := b.host.Start(b.ctx, job.Command{Text: "echo ran >>$HOME/counter", Limit: time.Minute})
	var refused *job.StartError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "web1: job "+refused.ID+" was not started: systemd-logind ends this user's processes")
	require.ErrorContains(t, err, "lingering is not allowed to this user")
	require.Contains(t, refused.Hint(), "loginctl enable-linger "+user.Name)
	require.Empty(t, b.engine.Unreaped())
	require.Zero(t, b.lines("counter"))

	b.write("linger")
	engine, host := b.controller(b.server.ConfigFile)
	r, err := host.Start(b.ctx, job.Command{Text: "echo ran >>$HOME/counter", Limit: time.Minute})
	require.NoError(t, err)
	results, err := engine.Wait(b.ctx, []job.Ref{{Host: host, ID: r.ID}}, job.Pace{Every: 100 * time.Millisecond, Early: true})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, results[0].State)
	require.Equal(t, 1, b.lines("counter"))
	scopes, err := os.ReadFile(b.home("scopes"))
	require.NoError(t, err)
	require.Contains(t, string(scopes), "--user --scope --collect --quiet")
}
