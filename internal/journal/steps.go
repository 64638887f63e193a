package journal

import (
	"context"
	"database/sql"
)

// Step is one call of a run's script, as it is kept for going on with the run. What the fields mean is their writer's;
// Run, Thread and Seq together are unique.
type Step struct {
	Run     string
	Thread  string
	Seq     int
	Builtin string
	Digest  string
	Pos     string
	Note    string
	Outcome []byte // nil: it has not ended, as far as is known
}

// BeginStep writes down that a step begins; with durable it is on the disk when BeginStep returns, else it survives
// the end of the program. A step that is there already stays as it is.
func (j *Journal) BeginStep(ctx context.Context, s Step, durable bool) error {
	return j.write(ctx, "begin step", durable, func(x *session) error {
		_, err := x.exec(`INSERT INTO steps (run, thread, seq, builtin, digest, pos) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (run, thread, seq) DO NOTHING`, s.Run, s.Thread, s.Seq, s.Builtin, s.Digest, s.Pos)
		return err
	})
}

// EndStep writes down what came of a step.
func (j *Journal) EndStep(ctx context.Context, run, thread string, seq int, outcome []byte) error {
	return j.write(ctx, "end step", false, func(x *session) error {
		_, err := x.exec("UPDATE steps SET outcome = ? WHERE run = ? AND thread = ? AND seq = ?", string(outcome), run, thread, seq)
		return err
	})
}

// NoteStep keeps a note with a step; it is on the disk when NoteStep returns.
func (j *Journal) NoteStep(ctx context.Context, run, thread string, seq int, note string) error {
	return j.write(ctx, "note step", true, func(x *session) error {
		_, err := x.exec("UPDATE steps SET note = ? WHERE run = ? AND thread = ? AND seq = ?", note, run, thread, seq)
		return err
	})
}

// Steps returns all steps of a run.
func (j *Journal) Steps(ctx context.Context, run string) ([]Step, error) {
	var found []Step
	err := j.read(ctx, "list steps", func(db *sql.DB) error {
		found = nil
		rows, err := db.QueryContext(ctx, "SELECT thread, seq, builtin, digest, pos, note, outcome FROM steps WHERE run = ?", run)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s := Step{Run: run}
			var outcome sql.NullString
			if err := rows.Scan(&s.Thread, &s.Seq, &s.Builtin, &s.Digest, &s.Pos, &s.Note, &outcome); err != nil {
				return err
			}
			if outcome.Valid {
				s.Outcome = []byte(outcome.String)
			}
			found = append(found, s)
		}
		return rows.Err()
	})
	return found, err
}
