package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"starling/internal/job"
)

// maxCandidates is how many ids an AmbiguousError names.
const maxCandidates = 8

// columns are those of a job.Record, in the order of scanRecord.
const columns = `id, run, step, target, become, keyed, keygen, base, name, cmd, pos, ceiling, codes, created,
	phase, state, rc, started, ended, seen, msg`

// unreaped are the phases in which somebody still owes a look at the job's end; the partial index of the schema is
// on the same words.
const unreaped = `phase IN ('intended', 'started')`

// Intend writes a job down; when it returns nil the job is on the disk. A zero Created is now, an empty phase is
// job.Intended. ErrTaken when there is a job with this id; one that was refused is none, and gives way.
func (j *Journal) Intend(ctx context.Context, r job.Record) error {
	if r.ID == "" {
		return errors.New("journal: a job without an id")
	}
	target, err := json.Marshal(r.Target)
	if err != nil {
		return fmt.Errorf("job %s: %w", r.ID, err)
	}
	become, err := json.Marshal(r.Become)
	if err != nil {
		return fmt.Errorf("job %s: %w", r.ID, err)
	}
	codes, err := json.Marshal(r.OKCodes)
	if err != nil {
		return fmt.Errorf("job %s: %w", r.ID, err)
	}
	if r.Created.IsZero() {
		r.Created = time.Now()
	}
	if r.Seen.Phase == "" {
		r.Seen.Phase = job.Intended
	}
	return j.write(ctx, "intend", true, func(s *session) error {
		if _, err := s.exec("DELETE FROM jobs WHERE id = ? AND phase = ?", r.ID, string(job.Refused)); err != nil {
			return err
		}
		n, err := s.exec(`INSERT INTO jobs (`+columns+`, host)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Run, r.Step, string(target), string(become), r.Key, r.KeyGen, r.Base, r.Name, r.Cmd, r.Pos, int64(r.Limit), string(codes), stamp(r.Created),
			string(r.Seen.Phase), string(r.Seen.State), code64(r.Seen), stamp(r.Seen.Started), stamp(r.Seen.Ended),
			stamp(r.Seen.At), r.Seen.Msg, r.Target.Name)
		if err == nil && n == 0 {
			err = fmt.Errorf("job %s: %w", r.ID, ErrTaken)
		}
		return err
	})
}

// Update replaces what is known of a job, as job.Seen.Then does. job.ErrNoRecord when there is no such job.
//
// An update that moves a job out of sight (reaped, released, refused) is on the disk when Update returns; the others
// may be lost in a power loss, and the next look finds them again.
func (j *Journal) Update(ctx context.Context, id string, seen job.Seen) error {
	durable := seen.Phase != job.Intended && seen.Phase != job.Started
	return j.write(ctx, "update", durable, func(s *session) error {
		var was job.Seen
		err := s.scan("SELECT phase, state FROM jobs WHERE id = ?", []any{id}, &was.Phase, &was.State)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("job %s: %w", id, job.ErrNoRecord)
		}
		if err != nil {
			return err
		}
		now := was.Then(seen)
		if now.State != seen.State {
			_, err = s.exec("UPDATE jobs SET phase = ? WHERE id = ?", string(now.Phase), id)
			return err
		}
		_, err = s.exec(`UPDATE jobs SET phase = ?, state = ?, rc = ?, started = ?, ended = ?, seen = ?, msg = ?
			WHERE id = ?`, string(now.Phase), string(now.State), code64(now), stamp(now.Started), stamp(now.Ended),
			stamp(now.At), now.Msg, id)
		return err
	})
}

// Find returns the job with this id, or job.ErrNoRecord.
func (j *Journal) Find(ctx context.Context, id string) (job.Record, error) {
	found, err := j.records(ctx, "find", `WHERE id = ?`, id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("job %s: %w", id, job.ErrNoRecord)
	}
	if err != nil {
		return job.Record{}, err
	}
	return found[0], nil
}

// FindPrefix returns the job with this id, else the only one whose id begins so. job.ErrNoRecord when there is none
// or the prefix is empty, *AmbiguousError when there are several.
func (j *Journal) FindPrefix(ctx context.Context, prefix string) (job.Record, error) {
	none := fmt.Errorf("job %q: %w", prefix, job.ErrNoRecord)
	if prefix == "" {
		return job.Record{}, none
	}
	// No id holds the byte FF, so all that begin with the prefix are between these two.
	found, err := j.records(ctx, "find", `WHERE id >= ? AND id < ? ORDER BY id = ? DESC, created DESC, rowid DESC LIMIT ?`,
		prefix, prefix+"\xff", prefix, maxCandidates+1)
	switch {
	case err != nil:
		return job.Record{}, err
	case len(found) == 0:
		return job.Record{}, none
	case len(found) == 1 || found[0].ID == prefix:
		return found[0], nil
	}
	ambiguous := &AmbiguousError{Prefix: prefix, More: len(found) > maxCandidates}
	for _, r := range found[:min(len(found), maxCandidates)] {
		ambiguous.Candidates = append(ambiguous.Candidates, r.ID)
	}
	return job.Record{}, ambiguous
}

// Filter chooses jobs; its zero value is all of them.
type Filter struct {
	Run      string    // started by this run; "" for any
	Host     string    // on the host of this name; "" for any
	Unreaped bool      // only those whose end nobody has seen and nobody has released
	Since    time.Time // intended at this time or later; zero for any
	Limit    int       // at most so many; 0 or less for all
}

// Jobs returns the jobs that f chooses, newest first.
func (j *Journal) Jobs(ctx context.Context, f Filter) ([]job.Record, error) {
	where, args := []string{"1"}, []any{}
	add := func(clause string, value any) {
		where, args = append(where, clause), append(args, value)
	}
	if f.Run != "" {
		add("run = ?", f.Run)
	}
	if f.Host != "" {
		add("host = ?", f.Host)
	}
	if f.Unreaped {
		where = append(where, unreaped)
	}
	if !f.Since.IsZero() {
		add("created >= ?", stamp(f.Since))
	}
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	return j.records(ctx, "list jobs", "WHERE "+strings.Join(where, " AND ")+
		" ORDER BY created DESC, rowid DESC LIMIT ?", append(args, limit)...)
}

// Unreaped returns the unreaped jobs of a run, or of all runs when run is "", in the order in which they were
// intended. A job that was intended and never acknowledged is among them: its host may have it.
func (j *Journal) Unreaped(ctx context.Context, run string) ([]job.Record, error) {
	clause, args := "WHERE "+unreaped, []any{}
	if run != "" {
		clause, args = clause+" AND run = ?", append(args, run)
	}
	return j.records(ctx, "list jobs", clause+" ORDER BY created, rowid", args...)
}

// records reads the jobs that clause chooses.
func (j *Journal) records(ctx context.Context, op, clause string, args ...any) ([]job.Record, error) {
	var found []job.Record
	err := j.read(ctx, op, func(db *sql.DB) error {
		found = nil
		rows, err := db.QueryContext(ctx, "SELECT "+columns+" FROM jobs "+clause, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRecord(rows)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found, err
}

func scanRecord(rows *sql.Rows) (job.Record, error) {
	var r job.Record
	var target, become, codes []byte
	var limit, created, started, ended, seen int64
	var rc sql.NullInt64
	err := rows.Scan(&r.ID, &r.Run, &r.Step, &target, &become, &r.Key, &r.KeyGen, &r.Base, &r.Name, &r.Cmd, &r.Pos, &limit, &codes, &created,
		&r.Seen.Phase, &r.Seen.State, &rc, &started, &ended, &seen, &r.Seen.Msg)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(target, &r.Target); err != nil {
		return r, fmt.Errorf("job %s: target: %w", r.ID, err)
	}
	if err := json.Unmarshal(become, &r.Become); err != nil {
		return r, fmt.Errorf("job %s: become: %w", r.ID, err)
	}
	if err := json.Unmarshal(codes, &r.OKCodes); err != nil {
		return r, fmt.Errorf("job %s: exit codes: %w", r.ID, err)
	}
	r.Limit, r.Created = time.Duration(limit), moment(created)
	r.Seen.RC, r.Seen.HasRC = int(rc.Int64), rc.Valid
	r.Seen.Started, r.Seen.Ended, r.Seen.At = moment(started), moment(ended), moment(seen)
	return r, nil
}

// code64 is the exit code as a column holds it: NULL when there is none.
func code64(s job.Seen) sql.NullInt64 { return sql.NullInt64{Int64: int64(s.RC), Valid: s.HasRC} }

// stamp is t as a column holds it: 0 for the zero time.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the time that stamp made ns of, in UTC.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
