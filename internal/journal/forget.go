package journal

import (
	"context"
	"time"
)

// Keep is how long jobs and runs are kept unless somebody says otherwise.
const Keep = 30 * 24 * time.Hour

// Forgotten counts what Forget removed.
type Forgotten struct{ Jobs, Runs int }

// Forget removes the jobs that are reaped, released or refused and of which nothing was heard since before, then the
// runs that began and, if they ended at all, ended before it and have no job left. An unreaped job stays, and its run
// with it, however old they are.
func (j *Journal) Forget(ctx context.Context, before time.Time) (Forgotten, error) {
	var gone Forgotten
	at := stamp(before)
	err := j.write(ctx, "forget", true, func(s *session) (err error) {
		gone = Forgotten{}
		gone.Jobs, err = s.exec(`DELETE FROM jobs
			WHERE NOT (`+unreaped+`) AND created < ?1 AND seen < ?1 AND ended < ?1`, at)
		if err != nil {
			return err
		}
		gone.Runs, err = s.exec(`DELETE FROM runs
			WHERE started < ?1 AND ended < ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.run = runs.id)`, at)
		if err != nil {
			return err
		}
		for _, table := range []string{"run_files", "steps"} {
			if _, err = s.exec("DELETE FROM " + table + " WHERE run NOT IN (SELECT id FROM runs)"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Forgotten{}, err // when ctx ended the writer may still be counting
	}
	return gone, nil
}
