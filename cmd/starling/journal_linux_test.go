package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"starling/internal/sshdtest"
)

// The journal's disk gets full while a script starts job after job: each that was started is on record, and nothing is
// started any more, also by the next program. Nor is it once the disk can't be written at all.
func TestJournalOnAFullDisk(t *testing.T) {
	server := sshdtest.Start(t, sshdtest.Options{})
	disk, script := t.TempDir(), filepath.Join(t.TempDir(), "x.star")
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	require.NoError(t, os.WriteFile(script, []byte(`
for i in range(1000):
    wait(run("echo %d >>ran; : %s" % (i, "x" * 3000), async=60, poll=0))
`), 0o600))
	p := newProgram(t)
	p.journal = filepath.Join(disk, "journal.db")
	_, errs, _, code := p.run(0, "run", "-F", server.ConfigFile, "--on", "web1", script)
	require.Contains(t, []int{exitFailed, exitUnreaped}, code)
	require.Contains(t, errs, "the disk is full")
	require.Contains(t, errs, "hint: make room on the file system of "+disk)
	waitUntil(t, "all has ended on the host", func() bool { return len(server.Processes()) == 0 })
	ran := lines(t, filepath.Join(server.Home, "ran"))
	require.Positive(t, ran)
	require.Less(t, ran, 1000)

	again := func(says string) {
		_, errs, _, code := p.run(0, "run", "-F", server.ConfigFile, "--on", "web1", script)
		require.NotZero(t, code)
		require.Contains(t, errs, says)
		require.Equal(t, ran, lines(t, filepath.Join(server.Home, "ran")))
	}
	again("the disk is full")
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"))
	again("cannot be written")
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	list, errs, _, code := p.run(0, "jobs", "--all", "--json")
	require.Zero(t, code, errs)
	require.Len(t, linesOf(list), ran)
}
