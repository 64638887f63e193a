package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
)

// refusal opens path, which must fail as kind, with advice, and leave the file as it is.
func refusal(t *testing.T, path string, kind error) *Error {
	t.Helper()
	before, _ := os.ReadFile(path)
	j, err := Open(t.Context(), path)
	require.Nil(t, j)
	require.ErrorIs(t, err, kind)
	var typed *Error
	require.ErrorAs(t, err, &typed)
	require.Equal(t, "open", typed.Op)
	require.Equal(t, path, typed.Path)
	require.NotEmpty(t, typed.Hint())
	require.NotContains(t, err.Error(), "\n")
	after, _ := os.ReadFile(path)
	require.True(t, bytes.Equal(before, after))
	return typed
}

func TestFilesThatAreNoJournal(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(t *testing.T, path string)
		kind  error
		says  string
	}{
		"newer": {func(t *testing.T, path string) {
			raw(t, path, "PRAGMA user_version = 99")
		}, ErrNewer, "schema version 99, this one knows 1"},
		"header overwritten": {func(t *testing.T, path string) {
			overwrite(t, path, 0, 64)
		}, ErrCorrupt, "not a journal, or damaged"},
		"schema overwritten": {func(t *testing.T, path string) {
			overwrite(t, path, 100, 200)
		}, ErrCorrupt, "not a journal, or damaged"},
		"text": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("hello\n"), 0o600))
		}, ErrCorrupt, "not a journal, or damaged"},
		"cut short": {func(t *testing.T, path string) {
			require.NoError(t, os.Truncate(path, 1000))
		}, ErrCorrupt, "not a journal, or damaged"},
		"of another program": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			raw(t, path, "CREATE TABLE jobs (x)")
			require.NoError(t, os.Chmod(path, 0o600))
		}, ErrForeign, "a database of another program"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			require.NoError(t, openAt(t, path).Close())
			row.spoil(t, path)
			require.ErrorContains(t, refusal(t, path, row.kind), row.says)
		})
	}
}

// overwrite puts n bytes that mean nothing at offset from.
func overwrite(t *testing.T, path string, from int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, n), from)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestPlacesThatHoldNoFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, path := range map[string]string{"a folder": dir, "below a file": filepath.Join(file, "journal.db"),
		"below a file, deeper": filepath.Join(file, "sub", "journal.db")} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), path)
			var typed *Error
			require.ErrorAs(t, err, &typed)
			require.Equal(t, path, typed.Path)
		})
	}
}

func TestDamageFoundLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path)
	for i := range 300 {
		require.NoError(t, j.Intend(t.Context(), record(fmt.Sprint("j", i))))
	}
	require.NoError(t, j.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	overwrite(t, path, 8192, int(info.Size())-8192) // the schema, on the first pages, stays whole
	j = openAt(t, path)
	_, err = j.Jobs(t.Context(), Filter{})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, j.Intend(t.Context(), record("new")), ErrCorrupt)
}

func TestMigrationsAreTakenOneAfterAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path)
	require.NoError(t, j.Intend(t.Context(), record("a")))
	require.NoError(t, j.Close())

	later := append(migrations(), "CREATE TABLE extra (run TEXT)", "ALTER TABLE extra ADD COLUMN name TEXT")
	at := func(steps []string) error {
		db, err := sql.Open("sqlite", address(path))
		require.NoError(t, err)
		defer db.Close()
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		s := &session{conn: conn, stmts: map[string]*sql.Stmt{}}
		defer s.close()
		return migrate(t.Context(), s, steps)
	}
	require.ErrorContains(t, at(append(later, "CREATE NONSENSE")), "to version 4")
	require.NoError(t, openAt(t, path).Close(), "a step that failed took the others back")
	require.NoError(t, at(later))
	require.NoError(t, at(later), "nothing left to do")
	raw(t, path, "INSERT INTO extra (run, name) SELECT id, cmd FROM jobs")
	refusal(t, path, ErrNewer)
}

func TestAnotherProgramInTheMiddleOfAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path)
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)

	// A caller that does not want to wait any longer leaves, and what it wanted is not written.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no more"))
	defer cancel()
	require.ErrorContains(t, j.Intend(ctx, record("impatient")), "no more")

	// Reading goes on meanwhile.
	_, err = j.Jobs(t.Context(), Filter{})
	require.NoError(t, err)

	// One that waits gets its turn.
	done := make(chan error, 1)
	go func() { done <- j.Intend(t.Context(), record("patient")) }()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
	all, err := j.Jobs(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, []string{"patient"}, ids(all))
}

func TestCloseDoesNotWaitForAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path)
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	done := make(chan error, 1)
	go func() { done <- j.Intend(t.Context(), record("a")) }()
	require.NoError(t, j.Close())
	require.ErrorIs(t, <-done, ErrClosed)
}

func TestOneBadWriteDoesNotSpoilItsBatch(t *testing.T) {
	j := open(t)
	bad := errors.New("of no known kind")
	item := func(apply func(*session) error) *write {
		return &write{apply: apply, done: make(chan error, 1)}
	}
	insert := func(id string) func(*session) error {
		return func(s *session) error {
			_, err := s.exec("INSERT INTO run_files VALUES (?, '', '')", id)
			return err
		}
	}
	batch := []*write{item(insert("a")), item(func(s *session) error {
		if err := insert("half")(s); err != nil {
			return err
		}
		return bad
	}), item(func(s *session) error { return job.ErrNoRecord }), item(insert("b"))}
	j.writer.commit(batch) // the loop is idle
	require.NoError(t, <-batch[0].done)
	require.ErrorIs(t, <-batch[1].done, bad)
	require.ErrorIs(t, <-batch[2].done, job.ErrNoRecord)
	require.NoError(t, <-batch[3].done)
	var written string
	require.NoError(t, j.db.QueryRowContext(t.Context(), "SELECT group_concat(run) FROM run_files").Scan(&written))
	require.Equal(t, "a,b", written)
}
