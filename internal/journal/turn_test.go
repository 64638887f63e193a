//go:build unix

package journal

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inTheWay holds the turnstile of the journal at path, as a program that is stopped would.
func inTheWay(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path+"-turn", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, lock(f, unix.LOCK_EX))
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestATurnNobodyWaitsForIsGivenBack(t *testing.T) {
	j := open(t)
	f := inTheWay(t, j.Path())
	require.ErrorIs(t, j.writer.turn.take(nil, time.Millisecond), ErrBusy) // the loop is idle
	require.NoError(t, lock(f, unix.LOCK_UN))
	// The wait left behind gets its turn somewhere among these.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	other := openAt(t, j.Path())
	for i := range 20 {
		require.NoError(t, other.Intend(ctx, record(string(rune('a'+i)))))
	}
	require.NoError(t, j.Intend(ctx, record("z")))
}

func TestWritesThatWaitForTheTurnGoTogether(t *testing.T) {
	j := open(t)
	f := inTheWay(t, j.Path())
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- j.Intend(ctx, record("left")) }()
	done := make(chan error, 20)
	for i := range cap(done) {
		go func() { done <- j.Intend(t.Context(), record(string(rune('a'+i)))) }()
	}
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	require.NoError(t, lock(f, unix.LOCK_UN))
	for range cap(done) {
		require.NoError(t, <-done)
	}
	all, err := j.Jobs(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, cap(done), len(all))
	require.NotContains(t, ids(all), "left")
}

func TestCloseDoesNotWaitForAStoppedProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(t.Context(), path)
	require.NoError(t, err)
	f := inTheWay(t, path)
	waits := make(chan struct{})
	var looks int
	j.writer.patience = time.Millisecond
	j.writer.progress = func() int64 { // the second look is when the first wait was at its end
		if looks++; looks == 2 {
			close(waits)
		}
		return int64(looks)
	}
	done := make(chan error, 1)
	go func() { done <- j.Intend(t.Context(), record("a")) }()
	<-waits
	require.NoError(t, j.Close())
	require.ErrorIs(t, <-done, ErrClosed)
	// The wait that was left behind ends with the program in the way, and does not keep the turn: goleak sees the
	// one, this the other.
	require.NoError(t, f.Close())
	require.NoError(t, openAt(t, path).Intend(t.Context(), record("b")))
}

func TestPatienceEndsWhenNothingMoves(t *testing.T) {
	j := open(t)
	require.NoError(t, j.Intend(t.Context(), record("a")))
	j.writer.patience = 20 * time.Millisecond // the loop is idle
	f := inTheWay(t, j.Path())
	err := j.Intend(t.Context(), record("b"))
	require.ErrorIs(t, err, ErrBusy)
	var typed *Error
	require.ErrorAs(t, err, &typed)
	require.NotEmpty(t, typed.Hint())
	require.NoError(t, lock(f, unix.LOCK_UN))
	require.NoError(t, j.Intend(t.Context(), record("c")))
}

func TestPatienceLastsWhileOthersWrite(t *testing.T) {
	j := open(t)
	require.NoError(t, j.Intend(t.Context(), record("a")))
	var looks int
	j.writer.patience = time.Millisecond
	enough := make(chan struct{})
	j.writer.progress = func() int64 {
		if looks++; looks == 20 {
			close(enough)
		}
		return int64(looks)
	}
	f := inTheWay(t, j.Path())
	done := make(chan error, 1)
	go func() { done <- j.Intend(t.Context(), record("b")) }()
	<-enough
	require.NoError(t, lock(f, unix.LOCK_UN))
	require.NoError(t, <-done)
}

func TestEveryWriteIsProgress(t *testing.T) {
	j := open(t)
	require.NoError(t, j.Intend(t.Context(), record("a")))
	before := changed(j.Path())
	require.NotZero(t, before)
	require.Eventually(t, func() bool { // the clock of the file system is a coarse one
		require.NoError(t, j.Update(t.Context(), "a", record("a").Seen))
		return changed(j.Path()) != before
	}, 5*time.Second, time.Millisecond)
}
