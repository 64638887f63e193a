package journal

import (
	"context"
	"fmt"
)

// application marks the file as a journal, in SQLite's application_id ("strl").
const application = 0x7374726c

// migrations lists, per version of the schema (1 is the first), the statements that lead to it from the one before.
// An entry that was once released is never changed. Times are unix nanoseconds, UTC, 0 for none; durations are
// nanoseconds.
func migrations() []string {
	return []string{`
CREATE TABLE runs (
	id      TEXT NOT NULL PRIMARY KEY,
	script  TEXT NOT NULL,
	args    TEXT NOT NULL, -- JSON array
	targets TEXT NOT NULL, -- JSON array
	vars    TEXT NOT NULL, -- JSON object
	plan    TEXT NOT NULL, -- the caller's, for going on with the run
	pid     INTEGER NOT NULL,
	host    TEXT NOT NULL,
	boot    TEXT NOT NULL,
	started INTEGER NOT NULL,
	ended   INTEGER NOT NULL DEFAULT 0,
	code    INTEGER,       -- NULL until it has ended
	note    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX runs_started ON runs (started);

CREATE TABLE run_files (
	run    TEXT NOT NULL,
	path   TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE steps (
	run     TEXT NOT NULL,
	thread  TEXT NOT NULL,
	seq     INTEGER NOT NULL,
	builtin TEXT NOT NULL,
	digest  TEXT NOT NULL,
	pos     TEXT NOT NULL,
	note    TEXT NOT NULL DEFAULT '',
	outcome TEXT,          -- NULL until it has ended
	PRIMARY KEY (run, thread, seq)
) WITHOUT ROWID;

CREATE TABLE jobs (
	id       TEXT NOT NULL PRIMARY KEY,
	run      TEXT NOT NULL,
	step     TEXT NOT NULL,
	host     TEXT NOT NULL, -- target's name, for looking up
	target   TEXT NOT NULL, -- JSON
	become   TEXT NOT NULL, -- JSON: as which user it runs there, and how one becomes that
	keyed    TEXT NOT NULL, -- the job's key on its host
	keygen   INTEGER NOT NULL,
	base     TEXT NOT NULL,
	name     TEXT NOT NULL,
	cmd      TEXT NOT NULL,
	pos      TEXT NOT NULL,
	ceiling  INTEGER NOT NULL,
	codes    TEXT NOT NULL, -- JSON array of the exit codes that are a success
	created  INTEGER NOT NULL,
	phase    TEXT NOT NULL,
	state    TEXT NOT NULL,
	rc       INTEGER,       -- NULL when there is none
	started  INTEGER NOT NULL,
	ended    INTEGER NOT NULL,
	seen     INTEGER NOT NULL,
	msg      TEXT NOT NULL
);
CREATE INDEX jobs_created ON jobs (created);
CREATE INDEX jobs_run ON jobs (run);
CREATE INDEX jobs_cmd ON jobs (cmd);
CREATE INDEX jobs_unreaped ON jobs (run) WHERE phase IN ('intended', 'started');
`}
}

// migrate brings the schema to the last entry of steps, each step and its version number in one transaction with
// the others. Many programs may do this at once: one does it, the others wait and find it done.
func migrate(ctx context.Context, s *session, steps []string) error {
	var have int
	err := patiently(ctx, func() (err error) {
		// One snapshot for all of the question: another program may be migrating.
		if err = s.run("BEGIN"); err != nil {
			return err
		}
		defer s.rollback()
		have, err = version(s, len(steps))
		return err
	})
	if err != nil {
		return err
	}
	if have == len(steps) {
		return nil
	}
	// The switch to a write-ahead log needs the file for a moment alone, and SQLite does not wait for that by itself
	// in every case. On a file system that cannot have one the journal works without.
	if err := patiently(ctx, func() error { return s.run("PRAGMA journal_mode = WAL") }); err != nil {
		return err
	}
	if err := patiently(ctx, func() error { return s.run("BEGIN IMMEDIATE") }); err != nil {
		return err
	}
	if err := advance(s, steps); err != nil {
		s.rollback()
		return err
	}
	if err := patiently(ctx, func() error { return s.run("COMMIT") }); err != nil {
		s.rollback()
		return err
	}
	return nil
}

// advance takes the steps that are missing, inside a transaction.
func advance(s *session, steps []string) error {
	have, err := version(s, len(steps))
	if err != nil {
		return err
	}
	for i, step := range steps[have:] {
		if err := s.run(step); err != nil {
			return fmt.Errorf("to version %d: %w", have+i+1, err)
		}
	}
	if err := s.run(fmt.Sprintf("PRAGMA application_id = %d", application)); err != nil {
		return err
	}
	return s.run(fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
}

// version is the schema version of the file, 0 for an empty one.
func version(s *session, known int) (int, error) {
	var app, have, objects int
	if err := s.row("PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := s.row("PRAGMA user_version").Scan(&have); err != nil {
		return 0, err
	}
	switch {
	case app != application:
		if err := s.row("SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
			return 0, err
		}
		if app != 0 || have != 0 || objects != 0 {
			return 0, ErrForeign
		}
	case have > known:
		return 0, fmt.Errorf("%w (schema version %d, this one knows %d)", ErrNewer, have, known)
	}
	return have, nil
}
