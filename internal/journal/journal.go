// Package journal keeps runs and jobs in one SQLite file, where they outlive the program: an intent that was
// acknowledged is there after kill -9 and after a power loss, and any number of programs may write at the same time.
// It is the job.Recorder of the command line. It asks no host, decides nothing about a job beyond the order of its
// phases, keeps no output and no secrets (who calls it leaves them out), and does not choose where the file is.
package journal

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"modernc.org/sqlite"

	"starling/internal/job"
)

const (
	// patience is how long a write or a read waits for other programs, none of which gets anything done meanwhile,
	// before it fails with ErrBusy: one of them must be stopped.
	patience = time.Minute
	// readers is how many reads of one program may run side by side.
	readers = 4
)

// Journal is one open journal. Its methods may be called from many goroutines at once; writes that wait together are
// committed together.
type Journal struct {
	path   string
	db     *sql.DB
	writer *writer

	closing sync.Once
	closed  error
}

var _ job.Recorder = (*Journal)(nil)

// Open opens the journal at path and makes it when there is none: missing folders with mode 0700, the file with 0600
// (an existing file that others could read is narrowed to that). A file of an older version is brought up to date
// first. Every failure is an *Error: ErrNewer, ErrCorrupt, ErrForeign, ErrReadOnly, ErrFull, ErrBusy, or what the
// operating system said.
func Open(ctx context.Context, path string) (*Journal, error) {
	path, err := prepare(path)
	if err != nil {
		return nil, wrap(path, "open", err)
	}
	connector, err := sqlite.NewConnector(address(path))
	if err != nil {
		return nil, wrap(path, "open", err)
	}
	j := &Journal{path: path, db: sql.OpenDB(connector)}
	j.db.SetMaxOpenConns(readers + 1)
	if err := j.begin(ctx); err != nil {
		return nil, wrap(path, "open", errors.Join(err, j.db.Close()))
	}
	return j, nil
}

// begin brings the schema up to date on the connection that will write, and starts the writer on it.
func (j *Journal) begin(ctx context.Context) error {
	var conn *sql.Conn
	err := patiently(ctx, func() (err error) {
		conn, err = j.db.Conn(ctx)
		return err
	})
	if err != nil {
		return err
	}
	s := &session{conn: conn, stmts: map[string]*sql.Stmt{}, forced: true}
	if err := s.run(noWait); err != nil {
		return errors.Join(err, s.close())
	}
	if err := migrate(ctx, s, migrations()); err != nil {
		return errors.Join(err, s.close())
	}
	turn, err := newTurnstile(j.path + "-turn")
	if err != nil {
		return errors.Join(err, s.close())
	}
	j.writer = newWriter(s, turn, func() int64 { return changed(j.path) })
	return nil
}

// Close waits for the write under way, if any, and closes the file. Writes still waiting for their turn fail with
// ErrClosed. It may be called again, and says the same again.
func (j *Journal) Close() error {
	j.closing.Do(func() {
		j.closed = wrap(j.path, "close", errors.Join(j.writer.close(), j.db.Close()))
	})
	return j.closed
}

// Path is the absolute path of the file.
func (j *Journal) Path() string { return j.path }

// write runs apply in a transaction, perhaps together with others', and returns when it is committed. When ctx ends
// first, what became of it is not known. A durable write is on the disk then; one that is not survives the end of
// the program, but perhaps not a power loss.
func (j *Journal) write(ctx context.Context, op string, durable bool, apply func(*session) error) error {
	return wrap(j.path, op, j.writer.do(ctx, durable, apply))
}

// read runs query, again when another program is in the way.
func (j *Journal) read(ctx context.Context, op string, query func(*sql.DB) error) error {
	return wrap(j.path, op, patiently(ctx, func() error { return query(j.db) }))
}
