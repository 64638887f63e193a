package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/ui"
	"starling/internal/wire"
)

// tightShare is the share of its ceiling above which a job's duration is worth a warning.
const tightShare = 0.8

// durations tells how long the jobs of a command took, and asks the journal once about each command.
type durations struct {
	journal *journal.Journal // nil: nothing is known
	known   map[string]journal.Stats
}

// of returns zeros for a command of which nothing is known.
func (d *durations) of(ctx context.Context, cmd string) journal.Stats {
	stats, ok := d.known[cmd]
	if ok || d.journal == nil || cmd == "" {
		return stats
	}
	if found, err := d.journal.Stats(ctx, cmd); err == nil && len(found) > 0 {
		stats = found[0]
	}
	if d.known == nil {
		d.known = map[string]journal.Stats{}
	}
	d.known[cmd] = stats
	return stats
}

// headroom warns of jobs that came close to their ceilings, or were killed by them although earlier ones took longer.
func (s *session) headroom(ctx context.Context, events event.Sink) {
	past := durations{journal: s.journal}
	for _, r := range s.engine.Ledger() {
		took := r.Seen.Ended.Sub(r.Seen.Started)
		if !tight(r, took) {
			continue
		}
		stats := past.of(ctx, r.Cmd)
		if msg := tightness(r, took, stats); msg != "" {
			events(event.Event{Time: time.Now(), Kind: event.Warning, Host: r.Target.Name, Job: r.ID, Pos: r.Pos, Msg: msg,
				Hint: fmt.Sprintf("async=%d would leave room", int(roomy(stats, r.Limit).Seconds()))})
		}
	}
}

// tight reports whether a job came close to its ceiling, or to its end by it.
func tight(r job.Record, took time.Duration) bool {
	switch {
	case r.Limit == 0 || r.Seen.Ended.IsZero():
		return false
	case r.Seen.State == wire.Succeeded || r.Seen.State == wire.Failed:
		return took > time.Duration(tightShare*float64(r.Limit))
	}
	return r.Seen.State == wire.TimedOut
}

// tightness says how a job that is tight stands to its ceiling, when that is worth saying.
func tightness(r job.Record, took time.Duration, stats journal.Stats) string {
	what := fmt.Sprintf("job %s, %q,", r.ID, short(r.Cmd))
	seen := fmt.Sprintf("seen so far: %d that took up to %s, 95 of 100 no more than %s", stats.Count, ui.Duration(stats.Max), ui.Duration(stats.P95))
	switch {
	case r.Seen.State != wire.TimedOut:
		return fmt.Sprintf("%s took %s of its ceiling of %s; %s", what, ui.Duration(took), ui.Duration(r.Limit), seen)
	case stats.Max > r.Limit:
		return fmt.Sprintf("%s was killed at its ceiling of %s, and earlier ones took longer; %s", what, ui.Duration(r.Limit), seen)
	}
	return ""
}

// roomy is a ceiling with room for twice what is usual and a half more than the worst.
func roomy(stats journal.Stats, limit time.Duration) time.Duration {
	d := max(2*stats.P95, stats.Max*3/2)
	if stats.Count == 0 {
		d = 2 * limit
	}
	return (d + time.Minute - 1).Truncate(time.Minute)
}

func (r *root) statsCommand() *cobra.Command {
	var perHost bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show how long the jobs of each command took, and their ceilings",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := r.open(cmd.Context(), 0)
			if err != nil {
				return err
			}
			defer s.close()
			ask := s.journal.StatsByHost
			if !perHost {
				ask = func(ctx context.Context) ([]journal.Stats, error) { return s.journal.Stats(ctx, "") }
			}
			all, err := ask(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(r.io.out, 0, 0, 2, ' ', 0)
			host := func(name string) string {
				if !perHost {
					return ""
				}
				return name + "\t"
			}
			fmt.Fprintf(w, "%sCOUNT\tMEDIAN\tP95\tMAX\tCEILING\tKILLED\tCOMMAND\n", host("HOST"))
			for _, c := range all {
				ceiling := "-"
				if c.Ceiling > 0 {
					ceiling = ui.Duration(c.Ceiling)
				}
				fmt.Fprintf(w, "%s%d\t%s\t%s\t%s\t%s\t%d\t%s\n", host(c.Host), c.Count, ui.Duration(c.Median), ui.Duration(c.P95), ui.Duration(c.Max), ceiling, c.Killed, ui.Safe(short(c.Cmd)))
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&perHost, "per-host", false, "on each host by itself")
	return cmd
}
