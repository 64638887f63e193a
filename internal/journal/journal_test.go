package journal

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/wire"
)

func TestMain(m *testing.M) {
	if child := os.Getenv("JOURNAL_TEST_CHILD"); child != "" {
		os.Exit(runChild(child))
	}
	goleak.VerifyTestMain(m)
}

// open opens a new journal for one test.
func open(t *testing.T) *Journal {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "journal.db"))
}

func openAt(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// raw runs statements on the file behind the journal's back.
func raw(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func record(id string) job.Record {
	return job.Record{ID: id, Run: "r1", Target: transport.Target{Name: "web1"}, Cmd: "true",
		Created: time.Unix(1_700_000_000, 5).UTC(), Seen: job.Seen{Phase: job.Intended}}
}

func ids(records []job.Record) []string {
	names := make([]string, 0, len(records))
	for _, r := range records {
		names = append(names, r.ID)
	}
	return names
}

func TestFolderAndFileAreTheOwnersAlone(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "state", "star ling?#%41", "journal.db")
	j := openAt(t, path)
	require.Equal(t, path, j.Path())
	require.NoError(t, j.Intend(t.Context(), record("a")))
	for name, want := range map[string]os.FileMode{
		filepath.Join(top, "state"): os.ModeDir | 0o700, filepath.Dir(path): os.ModeDir | 0o700,
		path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + "-turn": 0o600,
	} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), name)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 4, "nothing else is left in the folder")
}

func TestAnOpenFileIsNarrowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	require.NoError(t, openAt(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o644))
	openAt(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestWhatIsWrittenIsThereAfterClosing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	full := job.Record{
		ID: "j1", Run: "r1", Base: "/home/u/.starling", Name: "build", Cmd: "make -j4 \x00\xff 'x'", Pos: "a.star:3:4",
		Target:  transport.Target{Name: "web1", Addr: "::1", Port: 2222, User: "u", ConfigFile: "/etc/s"},
		Become:  wire.Become{Method: "doas", User: "db"},
		Limit:   90 * time.Second,
		Created: time.Unix(1_700_000_000, 123_456_789).UTC(),
		Seen: job.Seen{Phase: job.Reaped, State: wire.Failed, RC: 0, HasRC: true, Msg: "m",
			Started: time.Unix(1_700_000_001, 1).UTC(), Ended: time.Unix(1_700_000_002, 2).UTC(),
			At: time.Unix(1_700_000_003, 3).UTC()},
	}
	j := openAt(t, path)
	require.NoError(t, j.Intend(t.Context(), full))
	require.NoError(t, j.Intend(t.Context(), record("bare")))
	require.NoError(t, j.Close())
	require.NoError(t, j.Close(), "again")
	require.ErrorIs(t, j.Intend(t.Context(), record("late")), ErrClosed)

	j = openAt(t, path)
	got, err := j.Find(t.Context(), "j1")
	require.NoError(t, err)
	require.Equal(t, full, got)
	got, err = j.Find(t.Context(), "bare")
	require.NoError(t, err)
	require.Equal(t, record("bare"), got)
	_, err = j.Find(t.Context(), "late")
	require.ErrorIs(t, err, job.ErrNoRecord)
}

func TestIntendFillsInAndRefuses(t *testing.T) {
	j := open(t)
	before := time.Now()
	require.NoError(t, j.Intend(t.Context(), job.Record{ID: "a"}))
	got, err := j.Find(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, job.Intended, got.Seen.Phase)
	require.WithinRange(t, got.Created, before, time.Now())

	require.ErrorIs(t, j.Intend(t.Context(), record("a")), ErrTaken)
	require.Error(t, j.Intend(t.Context(), record("")))
	again, err := j.Find(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, got, again)

	require.NoError(t, j.Update(t.Context(), "a", job.Seen{Phase: job.Refused}))
	require.NoError(t, j.Intend(t.Context(), record("a")), "a job that was refused is none")
	again, err = j.Find(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, record("a"), again)
}

func TestUpdateMovesForwardOnly(t *testing.T) {
	phases := []job.Phase{job.Intended, job.Refused, job.Started, job.Released, job.Reaped}
	j := open(t)
	for i, from := range phases {
		for k, to := range phases {
			t.Run(fmt.Sprintf("%s then %s", from, to), func(t *testing.T) {
				r := record(fmt.Sprintf("j%d%d", i, k))
				r.Seen = job.Seen{Phase: from, State: wire.Running, Msg: "old"}
				require.NoError(t, j.Intend(t.Context(), r))
				require.NoError(t, j.Update(t.Context(), r.ID, job.Seen{Phase: to, State: wire.Unknown, Msg: "new"}))
				got, err := j.Find(t.Context(), r.ID)
				require.NoError(t, err)
				require.Equal(t, job.Seen{Phase: phases[max(i, k)], State: wire.Unknown, Msg: "new"}, got.Seen)
			})
		}
	}
	require.ErrorIs(t, j.Update(t.Context(), "nobody", job.Seen{}), job.ErrNoRecord)
}

func TestAnEndIsNotOverwritten(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	end := job.Seen{Phase: job.Started, State: wire.Failed, RC: 3, HasRC: true, Started: at(1), Ended: at(2), At: at(3), Msg: "end"}
	for name, row := range map[string]struct {
		update job.Seen
		keeps  bool
	}{
		"running":   {job.Seen{Phase: job.Reaped, State: wire.Running, At: at(9)}, true},
		"unknown":   {job.Seen{Phase: job.Reaped, State: wire.Unknown, At: at(9)}, true},
		"orphaned":  {job.Seen{Phase: job.Reaped, State: wire.Orphaned, At: at(9)}, true},
		"no answer": {job.Seen{Phase: job.Reaped}, true},
		"lost":      {job.Seen{Phase: job.Reaped, State: wire.Lost, At: at(9)}, false},
		"succeeded": {job.Seen{Phase: job.Reaped, State: wire.Succeeded, HasRC: true, At: at(9)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t)
			require.NoError(t, j.Intend(t.Context(), record("a")))
			require.NoError(t, j.Update(t.Context(), "a", end))
			require.NoError(t, j.Update(t.Context(), "a", row.update))
			want := row.update
			if row.keeps {
				want = end
				want.Phase = job.Reaped
			}
			got, err := j.Find(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, want, got.Seen)
		})
	}
}

func TestFindPrefix(t *testing.T) {
	j := open(t)
	for i, id := range []string{"abc", "abcd", "abx", "b_1", "b%2", "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"} {
		r := record(id)
		r.Created = r.Created.Add(time.Duration(i) * time.Second)
		require.NoError(t, j.Intend(t.Context(), r))
	}
	for name, row := range map[string]struct {
		prefix, id string
		candidates []string
		more       bool
	}{
		"whole id wins over longer ones": {prefix: "abc", id: "abc"},
		"the only one":                   {prefix: "abx", id: "abx"},
		"beginning of one":               {prefix: "abcd", id: "abcd"},
		"no pattern":                     {prefix: "b_", id: "b_1"},
		"no pattern either":              {prefix: "b%", id: "b%2"},
		"several, newest first":          {prefix: "ab", candidates: []string{"abx", "abcd", "abc"}},
		"too many to name":               {prefix: "m", candidates: []string{"m8", "m7", "m6", "m5", "m4", "m3", "m2", "m1"}, more: true},
		"none":                           {prefix: "z"},
		"none that long":                 {prefix: "abcde"},
		"empty":                          {prefix: ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := j.FindPrefix(t.Context(), row.prefix)
			switch {
			case row.id != "":
				require.NoError(t, err)
				require.Equal(t, row.id, got.ID)
			case row.candidates != nil:
				var ambiguous *AmbiguousError
				require.ErrorAs(t, err, &ambiguous)
				require.Equal(t, AmbiguousError{row.prefix, row.candidates, row.more}, *ambiguous)
				require.ErrorContains(t, err, row.candidates[0]+", "+row.candidates[1])
			default:
				require.ErrorIs(t, err, job.ErrNoRecord)
			}
		})
	}
}

func TestJobsAreFiltered(t *testing.T) {
	j := open(t)
	base := time.Unix(1_700_000_000, 0)
	for i, row := range []struct {
		run, host string
		phase     job.Phase
	}{
		{"r1", "web1", job.Intended}, {"r1", "web2", job.Started}, {"r1", "web1", job.Reaped},
		{"r2", "web1", job.Released}, {"r2", "web2", job.Refused}, {"r2", "web1", job.Started},
	} {
		r := record(fmt.Sprint("j", i))
		r.Run, r.Target.Name, r.Seen.Phase, r.Created = row.run, row.host, row.phase, base.Add(time.Duration(i/2)*time.Second)
		require.NoError(t, j.Intend(t.Context(), r))
	}
	for name, row := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all, newest first":  {Filter{}, []string{"j5", "j4", "j3", "j2", "j1", "j0"}},
		"of a run":           {Filter{Run: "r1"}, []string{"j2", "j1", "j0"}},
		"of a host":          {Filter{Host: "web2"}, []string{"j4", "j1"}},
		"unreaped":           {Filter{Unreaped: true}, []string{"j5", "j1", "j0"}},
		"since":              {Filter{Since: base.Add(time.Second)}, []string{"j5", "j4", "j3", "j2"}},
		"limit":              {Filter{Limit: 2}, []string{"j5", "j4"}},
		"everything at once": {Filter{Run: "r2", Host: "web1", Unreaped: true, Since: base, Limit: 1}, []string{"j5"}},
		"none":               {Filter{Run: "r3"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := j.Jobs(t.Context(), row.filter)
			require.NoError(t, err)
			require.Equal(t, row.want, ids(got))
		})
	}
	for run, want := range map[string][]string{"r1": {"j0", "j1"}, "r2": {"j5"}, "": {"j0", "j1", "j5"}, "r3": {}} {
		got, err := j.Unreaped(t.Context(), run)
		require.NoError(t, err)
		require.Equal(t, want, ids(got), run)
	}
}

func TestRuns(t *testing.T) {
	j := open(t)
	first := Run{ID: "ra", Script: "/x/a.star", Args: []string{"run", "a.star"}, Targets: []string{"web1", "web2"},
		Vars: map[string]string{"v": "1"}, PID: 42, Host: "here", Boot: "b-1", Started: time.Unix(1_700_000_000, 7).UTC(),
		Files: []File{{"/x/a.star", "00"}, {"/x/lib.star", "11"}}}
	require.NoError(t, j.BeginRun(t.Context(), first))
	require.ErrorIs(t, j.BeginRun(t.Context(), first), ErrTaken)
	require.Error(t, j.BeginRun(t.Context(), Run{}))
	require.NoError(t, j.BeginRun(t.Context(), Run{ID: "rb"}))

	got, err := j.FindRun(t.Context(), "ra")
	require.NoError(t, err)
	require.Equal(t, first, got)

	require.NoError(t, j.EndRun(t.Context(), "ra", 3, "1 job unreaped"))
	require.ErrorIs(t, j.EndRun(t.Context(), "rz", 0, ""), ErrNoRun)
	_, err = j.FindRun(t.Context(), "rz")
	require.ErrorIs(t, err, ErrNoRun)

	runs, err := j.Runs(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, "rb", runs[0].ID)
	require.True(t, runs[0].Ended.IsZero())
	require.Equal(t, "ra", runs[1].ID)
	require.Equal(t, 3, runs[1].Code)
	require.Equal(t, "1 job unreaped", runs[1].Note)
	require.False(t, runs[1].Ended.IsZero())
	runs, err = j.Runs(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, runs, 1)
}

func TestRunIDsSort(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	last := ""
	for range 2000 {
		id := runID(now)
		require.Regexp(t, `^r[0-9a-z]{13}$`, id)
		require.Greater(t, id, last)
		last, now = id, now.Add(time.Millisecond)
	}
	require.NotEqual(t, NewRunID(), NewRunID())
	require.Less(t, last, runID(time.Date(3080, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestForgetKeepsWhatIsOwed(t *testing.T) {
	j := open(t)
	limit := time.Unix(1_700_000_000, 0)
	old, young := limit.Add(-time.Hour), limit.Add(time.Hour)
	for _, r := range []Run{{ID: "empty", Started: old}, {ID: "open", Started: old, Files: []File{{"b", "2"}}},
		{ID: "done", Started: old, Files: []File{{"a", "1"}}}, {ID: "new", Started: young}} {
		require.NoError(t, j.BeginRun(t.Context(), r))
	}
	for _, row := range []struct {
		id, run       string
		phase         job.Phase
		created, seen time.Time
	}{
		{"old-intended", "open", job.Intended, old, old},
		{"old-started", "open", job.Started, old, old},
		{"old-reaped", "done", job.Reaped, old, old},
		{"old-released", "done", job.Released, old, old},
		{"old-refused", "done", job.Refused, old, time.Time{}},
		{"late-reaped", "new", job.Reaped, old, young},
		{"young-reaped", "new", job.Reaped, young, young},
	} {
		r := record(row.id)
		r.Run, r.Created, r.Seen = row.run, row.created, job.Seen{Phase: row.phase, At: row.seen}
		require.NoError(t, j.Intend(t.Context(), r))
	}
	gone, err := j.Forget(t.Context(), limit)
	require.NoError(t, err)
	require.Equal(t, Forgotten{Jobs: 3, Runs: 2}, gone)
	left, err := j.Jobs(t.Context(), Filter{})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"old-intended", "old-started", "late-reaped", "young-reaped"}, ids(left))
	kept, err := j.FindRun(t.Context(), "open")
	require.NoError(t, err)
	require.Len(t, kept.Files, 1)
	var files int
	require.NoError(t, j.db.QueryRowContext(t.Context(), "SELECT count(*) FROM run_files").Scan(&files))
	require.Equal(t, 1, files)

	gone, err = j.Forget(t.Context(), limit)
	require.NoError(t, err)
	require.Zero(t, gone)
}

func TestWhatMustReachTheDiskIsForcedThere(t *testing.T) {
	const normal, full = 1, 2 // as PRAGMA synchronous answers
	j := open(t)
	for _, row := range []struct {
		name   string
		change func() error
		want   int
	}{
		{"intend", func() error { return j.Intend(t.Context(), record("a")) }, full},
		{"a look", func() error { return j.Update(t.Context(), "a", job.Seen{Phase: job.Started}) }, normal},
		{"reap", func() error { return j.Update(t.Context(), "a", job.Seen{Phase: job.Reaped}) }, full},
		{"another look", func() error { return j.Update(t.Context(), "a", job.Seen{Phase: job.Started}) }, normal},
		{"begin run", func() error { return j.BeginRun(t.Context(), Run{ID: "r"}) }, full},
	} {
		require.NoError(t, row.change(), row.name)
		// The writer is idle now, and the answers it gave order this after it.
		var mode int
		require.NoError(t, j.writer.session.row("PRAGMA synchronous").Scan(&mode))
		require.Equal(t, row.want, mode, row.name)
	}
}

func TestACancelledCallerLeaves(t *testing.T) {
	j := open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("enough"))
	err := j.Intend(ctx, record("a"))
	require.ErrorContains(t, err, "enough")
	_, err = j.Jobs(ctx, Filter{})
	require.Error(t, err)
	_, err = j.Find(t.Context(), "a")
	require.ErrorIs(t, err, job.ErrNoRecord)
}
