package journal

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// most is how many writes one transaction takes.
	most = 256
	// noWait makes SQLite say at once that the file is locked: how to wait is decided here.
	noWait = "PRAGMA busy_timeout = 0"
)

// session is the connection that writes. It is used by one goroutine at a time.
type session struct {
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	forced bool // commits go to the disk
}

// Statements take no caller's context: one that is cut off in the middle leaves a transaction of many callers in
// doubt. They are short, and waiting for locks is bounded by lockWait.
func (s *session) prepared(query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

// exec runs a statement that it keeps prepared, and returns how many rows it changed.
func (s *session) exec(query string, args ...any) (int, error) {
	stmt, err := s.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.Exec(args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// scan reads the one row of a query that it keeps prepared; sql.ErrNoRows when there is none.
func (s *session) scan(query string, args []any, into ...any) error {
	stmt, err := s.prepared(query)
	if err != nil {
		return err
	}
	return stmt.QueryRow(args...).Scan(into...)
}

// run executes statements once, without keeping them.
func (s *session) run(statements string) error {
	_, err := s.conn.ExecContext(context.Background(), statements)
	return err
}

func (s *session) row(query string) *sql.Row {
	return s.conn.QueryRowContext(context.Background(), query)
}

// rollback drops the transaction. SQLite has done so already after some failures, and then says that there is none.
func (s *session) rollback() { _ = s.run("ROLLBACK") }

// force chooses whether the next commits go to the disk (FULL) or only to the operating system (NORMAL: in order,
// never torn, but the last ones may be missing after a power loss).
func (s *session) force(on bool) error {
	if s.forced == on {
		return nil
	}
	level := "NORMAL"
	if on {
		level = "FULL"
	}
	err := s.run("PRAGMA synchronous = " + level)
	if err == nil {
		s.forced = on
	}
	return err
}

func (s *session) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// write is one caller's change, on its way through the writer.
type write struct {
	apply   func(*session) error // may run twice, each time from the start; wholly undone when it fails
	durable bool
	left    <-chan struct{} // closed when the caller no longer waits
	done    chan error      // takes one answer without blocking
}

// writer owns the session, in one goroutine, and commits together what is asked together: a commit that goes to the
// disk costs the same for one intent as for fifty.
type writer struct {
	session  *session
	turn     *turnstile
	progress func() int64 // another number after every write of any program
	patience time.Duration
	queue    chan *write
	stop     chan struct{} // closed by close
	ended    chan error    // what closing the session said
}

func newWriter(s *session, turn *turnstile, progress func() int64) *writer {
	w := &writer{session: s, turn: turn, progress: progress, patience: patience,
		queue: make(chan *write), stop: make(chan struct{}), ended: make(chan error, 1)}
	go w.loop()
	return w
}

// close ends the loop, after the transaction under way, and waits for it. It must be called once.
func (w *writer) close() error {
	close(w.stop)
	return <-w.ended
}

// do hands apply to the loop and waits for its commit.
func (w *writer) do(ctx context.Context, durable bool, apply func(*session) error) error {
	item := &write{apply: apply, durable: durable, left: ctx.Done(), done: make(chan error, 1)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case w.queue <- item:
	case <-w.stop:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-item.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *writer) loop() {
	for {
		select {
		case <-w.stop:
			w.ended <- errors.Join(w.session.close(), w.turn.close())
			return
		case <-w.turn.late():
			w.turn.release()
		case first := <-w.queue:
			w.serve(first)
		}
	}
}

// serve waits until no other program writes, and then writes first and all that have come up behind it meanwhile. As
// long as the file changes the queue moves, however slow the machine is: patience is for programs that are stopped.
func (w *writer) serve(first *write) {
	before := w.progress()
	err := w.turn.take(w.stop, w.patience)
	for errors.Is(err, ErrBusy) {
		now := w.progress()
		if now == before {
			break
		}
		before = now
		err = w.turn.take(w.stop, w.patience)
	}
	batch := w.collect(first)
	if err != nil {
		answer(batch, err)
		return
	}
	w.commit(batch)
	w.turn.release()
}

// collect takes what else waits now.
func (w *writer) collect(first *write) []*write {
	batch := []*write{first}
	for len(batch) < most {
		select {
		case next := <-w.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commit writes the batch in one transaction. When that fails each write is tried alone, so that none fails for
// another's sake.
func (w *writer) commit(batch []*write) {
	batch, err := w.enter(batch)
	if err != nil {
		answer(batch, err)
		return
	}
	if len(batch) == 0 {
		return
	}
	answers, err := apply(w.session, batch)
	switch err = w.leave(err); {
	case err == nil:
		for i, item := range batch {
			item.done <- answers[i]
		}
	case len(batch) == 1:
		answer(batch, err)
	default:
		for _, item := range batch {
			w.commit([]*write{item})
		}
	}
}

// enter begins the transaction and returns those of the batch that are still waited for. It waits as long as
// somebody writes who did not come through the turnstile.
func (w *writer) enter(batch []*write) ([]*write, error) {
	deadline := time.Now().Add(w.patience)
	for try := 0; ; try++ {
		batch = present(batch)
		if len(batch) == 0 {
			return nil, nil
		}
		err := w.begin(batch)
		if err == nil || !busy(err) || time.Now().After(deadline) {
			return batch, err
		}
		select {
		case <-w.stop:
			return batch, ErrClosed
		case <-time.After(pause(try)):
		}
	}
}

// begin begins a transaction whose commit is forced to the disk when one of the batch asks for that.
func (w *writer) begin(batch []*write) error {
	durable := false
	for _, item := range batch {
		durable = durable || item.durable
	}
	if err := w.session.force(durable); err != nil {
		return err
	}
	return w.session.run("BEGIN IMMEDIATE")
}

// leave ends the transaction: it commits when err is nil and that succeeds, else takes everything back. Only a file
// without a write-ahead log can be busy here, with readers.
func (w *writer) leave(err error) error {
	deadline := time.Now().Add(w.patience)
	for try := 0; err == nil; try++ {
		err = w.session.run("COMMIT")
		if err == nil {
			return nil
		}
		if !busy(err) || time.Now().After(deadline) {
			break
		}
		select {
		case <-w.stop:
		case <-time.After(pause(try)):
			err = nil
		}
	}
	w.session.rollback()
	return err
}

// apply runs every write of the batch and returns their answers, or the first failure of the journal itself.
func apply(s *session, batch []*write) ([]error, error) {
	answers := make([]error, len(batch))
	for i, item := range batch {
		answers[i] = item.apply(s)
		if answers[i] != nil && !refused(answers[i]) {
			return nil, answers[i]
		}
	}
	return answers, nil
}

// present drops the writes that nobody waits for any more; nothing of them has been written.
func present(batch []*write) []*write {
	kept := batch[:0]
	for _, item := range batch {
		select {
		case <-item.left:
		default:
			kept = append(kept, item)
		}
	}
	return kept
}

func answer(batch []*write, err error) {
	for _, item := range batch {
		item.done <- err
	}
}

// pause is how long to wait before the next try: longer with each, up to 32 ms, and never the same in two programs,
// so that none of many waits much longer than the others.
func pause(try int) time.Duration {
	return time.Millisecond + rand.N(time.Millisecond<<min(try, 5))
}

// patiently calls f until it succeeds, fails for another reason than another program's being in the way, patience is
// at its end, or ctx is.
func patiently(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(patience)
	for try := 0; ; try++ {
		err := f()
		if err == nil || !busy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause(try)):
		}
	}
}
