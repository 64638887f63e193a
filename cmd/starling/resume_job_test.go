package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/journal"
	"starling/internal/sshdtest"
)

// A program is killed while it waits for a command that is a job. The resumed run takes that job up, also when the job
// has made by now what would have kept it from being started, and does not start another.
func TestResumeTakesUpTheJob(t *testing.T) {
	const command = `"echo >begun; while [ ! -e go-on ]; do sleep 0.05; done; echo ran >>ran"`
	for name, call := range map[string]string{
		"that is waited for":       `run(` + command + `, async=60, poll=0.2)`,
		"that creates":             `run(` + command + `, async=60, poll=0.2, creates="begun")`,
		"that removes":             `run("echo >begun; rm there; while [ ! -e go-on ]; do sleep 0.05; done; echo ran >>ran", async=60, poll=0.2, removes="there")`,
		"of an attached command":   `run(` + command + `, key="k")`,
		"of a key, and it creates": `run(` + command + `, key="k", creates="begun")`,
	} {
		t.Run(name, func(t *testing.T) {
			server := sshdtest.Start(t, sshdtest.Options{})
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(server.Home, "there"), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "s.star"), []byte("print("+call+".state)\n"), 0o600))
			p := newProgram(t)
			kill := p.begin(dir, "run", "-F", server.ConfigFile, "--on", "web1", "s.star")
			waitUntil(t, "the job has begun", func() bool { return lines(t, filepath.Join(server.Home, "begun")) == 1 })
			kill()
			require.NoError(t, os.WriteFile(filepath.Join(server.Home, "go-on"), nil, 0o600))
			out, errs, _, code := p.run(0, "resume", p.lastRun())
			require.Zero(t, code, errs)
			require.Equal(t, "succeeded\n", out)
			require.Equal(t, 1, lines(t, filepath.Join(server.Home, "ran")))
		})
	}
}

// The job of a key that another run began: when it is reaped while nobody carries the run out that attached to it, the
// resumed run sees how it ended all the same, and does not begin the next one of the key.
func TestResumeKeepsTheJobOfAKey(t *testing.T) {
	server := sshdtest.Start(t, sshdtest.Options{})
	dir := t.TempDir()
	const command = `"while [ ! -e go-on ]; do sleep 0.05; done; echo ran >>ran", key="k"`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "first.star"), []byte("detach(run("+command+", async=60, poll=0))\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "second.star"), []byte("print('here')\nprint(run("+command+").state)\n"), 0o600))
	p := newProgram(t)
	_, errs, _, code := p.run(0, "run", "-F", server.ConfigFile, "--on", "web1", filepath.Join(dir, "first.star"))
	require.Zero(t, code, errs)
	kill := p.begin(dir, "run", "-F", server.ConfigFile, "--on", "web1", "second.star")
	waitUntil(t, "it has attached", func() bool {
		run := p.lastRun()
		j, err := journal.Open(t.Context(), p.journal)
		require.NoError(t, err)
		defer j.Close()
		steps, err := j.Steps(t.Context(), run)
		require.NoError(t, err)
		return len(steps) > 0 && strings.HasPrefix(steps[len(steps)-1].Note, "k-")
	})
	run := p.lastRun()
	kill()
	require.NoError(t, os.WriteFile(filepath.Join(server.Home, "go-on"), nil, 0o600))
	list, _, _, _ := p.run(0, "jobs", "--all")
	_, errs, _, code = p.run(0, "jobs", "reap", strings.Fields(strings.Split(list, "\n")[1])[0])
	require.Zero(t, code, errs)
	out, errs, _, code := p.run(0, "resume", run)
	require.Zero(t, code, errs)
	require.Equal(t, "succeeded\n", out)
	require.Equal(t, 1, lines(t, filepath.Join(server.Home, "ran")))
}
