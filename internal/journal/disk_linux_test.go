package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// small mounts a file system of its own, of so many bytes.
func small(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := small(t, 1<<20)
	path := filepath.Join(dir, "journal.db")
	j, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { _ = j.Close() }()
	acknowledged := 0
	var failure error
	for i := 0; failure == nil; i++ {
		r := record(fmt.Sprint("j", i))
		r.Cmd = strings.Repeat("x", 2000)
		if failure = j.Intend(t.Context(), r); failure == nil {
			acknowledged++
		}
		require.Less(t, i, 1000, "the disk never got full")
	}
	require.ErrorIs(t, failure, ErrFull)
	var typed *Error
	require.ErrorAs(t, failure, &typed)
	require.Equal(t, "intend", typed.Op)
	require.NotEmpty(t, typed.Hint())
	all, err := j.Jobs(t.Context(), Filter{})
	require.NoError(t, err, "what was written can still be read")
	require.Equal(t, acknowledged, len(all))

	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	require.NoError(t, j.Intend(t.Context(), record("again")), "room was made")
}

func TestFullDiskFromTheStart(t *testing.T) {
	for _, room := range []int{0, 4096, 8192, 16384, 40960} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			dir := small(t, 1<<20)
			filler, err := os.Create(filepath.Join(dir, "filler"))
			require.NoError(t, err)
			_, err = filler.Write(make([]byte, 1<<20-room))
			require.NoError(t, err)
			require.NoError(t, filler.Close())
			path := filepath.Join(dir, "journal.db")
			j, err := Open(t.Context(), path)
			if err == nil {
				_ = j.Close()
			}
			require.ErrorIs(t, err, ErrFull)

			require.NoError(t, os.Remove(filler.Name()))
			require.NoError(t, openAt(t, path).Intend(t.Context(), record("a")), "what was left behind can be used")
		})
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := small(t, 4<<20)
	path := filepath.Join(dir, "journal.db")
	j, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	refusal(t, path, ErrReadOnly)
	refusal(t, filepath.Join(dir, "sub", "journal.db"), ErrReadOnly)
}

func TestReadOnlyForThisUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	dir, err := os.MkdirTemp("", "journal")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "journal.db")
	require.NoError(t, openAt(t, path).Close())
	done := make(chan error)
	go func() {
		// This thread becomes another user, alone, and ends with the goroutine, as it is never unlocked.
		runtime.LockOSThread()
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
			done <- e
			return
		}
		_, err := Open(context.Background(), path)
		_, inside := Open(context.Background(), filepath.Join(dir, "sub", "journal.db"))
		done <- errors.Join(err, inside)
	}()
	both, ok := (<-done).(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, both.Unwrap(), 2)
	for _, err := range both.Unwrap() {
		require.ErrorIs(t, err, ErrReadOnly)
		require.ErrorContains(t, err, "permission denied")
	}
}
