package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"starling/internal/job"
)

// The kinds of failure a caller may want to tell apart; an *Error wraps one of them, or what the system said.
var (
	ErrNewer    = errors.New("written by a newer starling")
	ErrCorrupt  = errors.New("not a journal, or damaged")
	ErrForeign  = errors.New("a database of another program")
	ErrReadOnly = errors.New("cannot be written")
	ErrFull     = errors.New("the disk is full")
	ErrBusy     = errors.New("another program holds it")
	ErrClosed   = errors.New("closed")
	ErrTaken    = errors.New("the id is taken")
	ErrNoRun    = errors.New("no such run in the journal")
)

// Error is a journal that could not be opened, read or written. Nothing that depends on the write may be started.
type Error struct {
	Path string // of the journal
	Op   string // what was tried: open, intend, update, ...
	Err  error
	Help string // what to do about it, for a person; "" when there is nothing to advise
}

func (e *Error) Error() string { return fmt.Sprintf("journal %s: %s: %v", e.Path, e.Op, e.Err) }

// Hint returns what to do about it.
func (e *Error) Hint() string { return e.Help }

// Unwrap gives access to the kind.
func (e *Error) Unwrap() error { return e.Err }

// AmbiguousError is a prefix that more than one job has.
type AmbiguousError struct {
	Prefix     string
	Candidates []string // the ids, newest job first, at most maxCandidates
	More       bool     // there are others still
}

func (e *AmbiguousError) Error() string {
	more := ""
	if e.More {
		more = ", ..."
	}
	return fmt.Sprintf("job %q: the beginning of several ids: %s%s", e.Prefix, strings.Join(e.Candidates, ", "), more)
}

// refused reports whether err is an answer about the data, with nothing wrong in the journal and nothing written.
func refused(err error) bool {
	return errors.Is(err, ErrTaken) || errors.Is(err, ErrNoRun) || errors.Is(err, job.ErrNoRecord)
}

// wrap turns err into an *Error, or leaves it alone when it is an answer about the data, one already, or nil.
func wrap(path, op string, err error) error {
	var done *Error
	if err == nil || refused(err) || errors.As(err, &done) {
		return err
	}
	err = classify(err)
	return &Error{Path: path, Op: op, Err: err, Help: hint(path, err)}
}

// code is SQLite's extended result code in err, or 0.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// busy reports whether err means that another program was in the way and trying again may help. SQLite answers
// "protocol" when it lost too many races for the index of the write-ahead log.
func busy(err error) bool {
	primary := code(err) & 0xff
	return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_PROTOCOL
}

func classify(err error) error {
	kind := func(k error) error {
		if errors.Is(err, k) {
			return err
		}
		return fmt.Errorf("%w (%v)", k, err)
	}
	switch c := code(err); {
	case c == sqlite3.SQLITE_IOERR_SHMSIZE: // no room for the index of the write-ahead log
		return kind(ErrFull)
	case c&0xff == sqlite3.SQLITE_FULL:
		return kind(ErrFull)
	case c&0xff == sqlite3.SQLITE_NOTADB, c&0xff == sqlite3.SQLITE_CORRUPT:
		return kind(ErrCorrupt)
	case c&0xff == sqlite3.SQLITE_READONLY, c&0xff == sqlite3.SQLITE_PERM:
		return kind(ErrReadOnly)
	case busy(err):
		return kind(ErrBusy)
	}
	return classifyOS(err, kind)
}

func hint(path string, err error) string {
	switch {
	case errors.Is(err, ErrNewer):
		return "use the newest starling of this machine, or name another file with --journal"
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrForeign):
		return fmt.Sprintf("move %s and its -wal and -shm aside; jobs stay on their hosts: starling jobs list --on PATTERN", path)
	case errors.Is(err, ErrReadOnly):
		return fmt.Sprintf("make %s writable for this user, or name another file with --journal", filepath.Dir(path))
	case errors.Is(err, ErrFull):
		return fmt.Sprintf("make room on the file system of %s", filepath.Dir(path))
	case errors.Is(err, ErrBusy):
		return fmt.Sprintf("look for a starling that is stopped: fuser -v %s", path)
	}
	return ""
}
