package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Run is one call of a script, or of one command on many hosts.
type Run struct {
	ID      string
	Script  string            // its path; "" for a command
	Args    []string          // the program's arguments, for saying it again
	Targets []string          // names of the hosts it was to act on
	Vars    map[string]string // --var; secrets are for the caller to leave out
	Plan    string            // what the caller needs to go on with the run, in a form of its own
	PID     int               // of the controller, on Host since Boot
	Host    string            // the controller's host name
	Boot    string            // its boot id; "" when not known
	Started time.Time
	Ended   time.Time // zero until it ended; a run that was killed has none
	Code    int       // exit code; meaningful when Ended is set
	Note    string    // how it ended, in a sentence
	Files   []File    // what it was read from; only BeginRun takes them and FindRun gives them
}

// File is one file of a script as it was when the run began.
type File struct {
	Path   string
	SHA256 string // hexadecimal
}

// NewRunID makes an id: fourteen lower-case letters and digits, a letter first, later ones sorting after earlier ones
// (to the millisecond, until the year 3084).
func NewRunID() string { return runID(time.Now()) }

func runID(now time.Time) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz" // in ASCII order, without those that look like others
	id := [14]byte{0: 'r'}
	ms := now.UnixMilli()
	for i := 9; i > 0; i-- {
		id[i] = digits[ms&31]
		ms >>= 5
	}
	_, _ = rand.Read(id[10:]) // never fails
	for i := 10; i < len(id); i++ {
		id[i] = digits[id[i]&31]
	}
	return string(id[:])
}

// BeginRun writes a run down; when it returns nil the run is on the disk. Its end is not taken. A zero Started is
// now. ErrTaken when there is a run with this id.
func (j *Journal) BeginRun(ctx context.Context, r Run) error {
	if r.ID == "" {
		return errors.New("journal: a run without an id")
	}
	if r.Started.IsZero() {
		r.Started = time.Now()
	}
	var texts [3]string
	for i, v := range []any{r.Args, r.Targets, r.Vars} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("run %s: %w", r.ID, err)
		}
		texts[i] = string(text)
	}
	return j.write(ctx, "begin run", true, func(s *session) error {
		n, err := s.exec(`INSERT INTO runs (id, script, args, targets, vars, plan, pid, host, boot, started)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Script, texts[0], texts[1], texts[2], r.Plan, r.PID, r.Host, r.Boot, stamp(r.Started))
		if err == nil && n == 0 {
			err = fmt.Errorf("run %s: %w", r.ID, ErrTaken)
		}
		if err != nil {
			return err
		}
		return putFiles(s, r.ID, r.Files)
	})
}

// AddFile adds a file to those a run was read from.
func (j *Journal) AddFile(ctx context.Context, run string, f File) error {
	return j.write(ctx, "add file", false, func(s *session) error { return putFiles(s, run, []File{f}) })
}

func putFiles(s *session, run string, files []File) error {
	for _, f := range files {
		_, err := s.exec(`INSERT INTO run_files (run, path, sha256) VALUES (?, ?, ?)
			ON CONFLICT (run, path) DO UPDATE SET sha256 = excluded.sha256`, run, f.Path, f.SHA256)
		if err != nil {
			return err
		}
	}
	return nil
}

// ResumeRun writes down that a run is gone on with, by the process pid.
func (j *Journal) ResumeRun(ctx context.Context, id string, pid int) error {
	return j.write(ctx, "resume run", true, func(s *session) error {
		n, err := s.exec("UPDATE runs SET ended = 0, code = NULL, note = '', pid = ? WHERE id = ?", pid, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("run %s: %w", id, ErrNoRun)
		}
		return err
	})
}

// EndRun writes down that a run ended now, with which exit code and how. Of several ends the last one stays. ErrNoRun
// when there is no such run.
func (j *Journal) EndRun(ctx context.Context, id string, code int, note string) error {
	now := stamp(time.Now())
	return j.write(ctx, "end run", true, func(s *session) error {
		n, err := s.exec("UPDATE runs SET ended = ?, code = ?, note = ? WHERE id = ?", now, code, note, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("run %s: %w", id, ErrNoRun)
		}
		return err
	})
}

// Runs returns the last runs, newest first, without their files; a limit of 0 or less is all of them.
func (j *Journal) Runs(ctx context.Context, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = -1
	}
	return j.runs(ctx, "list runs", "ORDER BY started DESC, rowid DESC LIMIT ?", limit)
}

// FindRun returns the run with this id and its files, or ErrNoRun.
func (j *Journal) FindRun(ctx context.Context, id string) (Run, error) {
	found, err := j.runs(ctx, "find run", "WHERE id = ?", id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("run %s: %w", id, ErrNoRun)
	}
	if err != nil {
		return Run{}, err
	}
	r := found[0]
	err = j.read(ctx, "find run", func(db *sql.DB) error {
		r.Files = nil
		rows, err := db.QueryContext(ctx, "SELECT path, sha256 FROM run_files WHERE run = ? ORDER BY path", id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f File
			if err := rows.Scan(&f.Path, &f.SHA256); err != nil {
				return err
			}
			r.Files = append(r.Files, f)
		}
		return rows.Err()
	})
	return r, err
}

// runs reads the runs that clause chooses.
func (j *Journal) runs(ctx context.Context, op, clause string, args ...any) ([]Run, error) {
	var found []Run
	err := j.read(ctx, op, func(db *sql.DB) error {
		found = nil
		rows, err := db.QueryContext(ctx, `SELECT id, script, args, targets, vars, plan, pid, host, boot, started, ended,
			coalesce(code, 0), note FROM runs `+clause, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRun(rows)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found, err
}

func scanRun(rows *sql.Rows) (Run, error) {
	var r Run
	var texts [3][]byte
	var started, ended int64
	err := rows.Scan(&r.ID, &r.Script, &texts[0], &texts[1], &texts[2], &r.Plan, &r.PID, &r.Host, &r.Boot, &started, &ended,
		&r.Code, &r.Note)
	if err != nil {
		return r, err
	}
	for i, into := range []any{&r.Args, &r.Targets, &r.Vars} {
		if err := json.Unmarshal(texts[i], into); err != nil {
			return r, fmt.Errorf("run %s: %w", r.ID, err)
		}
	}
	r.Started, r.Ended = moment(started), moment(ended)
	return r, nil
}
