package journal

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"starling/internal/wire"
)

// Stats is how long the jobs of one command took, of those that came to an end of their own.
type Stats struct {
	Cmd     string
	Host    string // "" for all hosts together
	Count   int    // of jobs that ended by themselves, well or badly
	Median  time.Duration
	P95     time.Duration
	Max     time.Duration
	Ceiling time.Duration // of the newest job; zero for none
	Killed  int           // of jobs that their ceiling ended
}

// statsKeep is how many of a command's newest jobs count: what it did long ago says little.
const statsKeep = 1000

// Stats returns how long the jobs of cmd took; of all commands, the ones with most jobs first, for "".
func (j *Journal) Stats(ctx context.Context, cmd string) ([]Stats, error) {
	return j.stats(ctx, cmd, func(string) string { return "" })
}

// StatsByHost returns how long the jobs of each command took on each host.
func (j *Journal) StatsByHost(ctx context.Context) ([]Stats, error) {
	return j.stats(ctx, "", func(host string) string { return host })
}

// stats counts jobs of one command together whose hosts are the same to of.
func (j *Journal) stats(ctx context.Context, cmd string, of func(host string) string) ([]Stats, error) {
	type kind struct{ cmd, host string }
	clause, args := "", []any{}
	if cmd != "" {
		clause, args = "AND cmd = ?", append(args, cmd)
	}
	byKind := map[kind]*samples{}
	err := j.read(ctx, "read durations", func(db *sql.DB) error {
		clear(byKind)
		rows, err := db.QueryContext(ctx, `SELECT cmd, host, state, ended - started, ceiling FROM jobs
			WHERE started > 0 AND ended >= started AND state <> '' `+clause+` ORDER BY created DESC`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k kind
			var state string
			var took, ceiling int64
			if err := rows.Scan(&k.cmd, &k.host, &state, &took, &ceiling); err != nil {
				return err
			}
			k.host = of(k.host)
			s := byKind[k]
			if s == nil {
				s = &samples{ceiling: time.Duration(ceiling)}
				byKind[k] = s
			}
			s.add(wire.State(state), time.Duration(took))
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	out := make([]Stats, 0, len(byKind))
	for k, s := range byKind {
		if s.killed > 0 || len(s.took) > 0 {
			one := s.stats(k.cmd)
			one.Host = k.host
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b Stats) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cmd, b.Cmd), cmp.Compare(a.Host, b.Host))
	})
	return out, nil
}

// samples are the durations of one command, newest first.
type samples struct {
	took    []time.Duration
	killed  int
	ceiling time.Duration
}

func (s *samples) add(state wire.State, took time.Duration) {
	switch {
	case state == wire.TimedOut:
		s.killed++
	case (state == wire.Succeeded || state == wire.Failed) && len(s.took) < statsKeep:
		s.took = append(s.took, took)
	}
}

func (s *samples) stats(cmd string) Stats {
	out := Stats{Cmd: cmd, Count: len(s.took), Ceiling: s.ceiling, Killed: s.killed}
	if len(s.took) == 0 {
		return out
	}
	slices.Sort(s.took)
	out.Median, out.P95, out.Max = s.percentile(50), s.percentile(95), s.took[len(s.took)-1]
	return out
}

// percentile is the smallest duration that at least p of a hundred jobs did not exceed (the nearest rank).
func (s *samples) percentile(p int) time.Duration {
	rank := (len(s.took)*p + 99) / 100
	return s.took[max(rank, 1)-1]
}
