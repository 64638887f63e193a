package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/ui"
	"starling/internal/wire"
)

// jobsFlags are the flags of starling jobs and starling jobs list.
type jobsFlags struct {
	on    string
	all   bool
	json  bool
	limit int
}

func (r *root) jobsCommand() *cobra.Command {
	var f jobsFlags
	list := func(cmd *cobra.Command, _ []string) error {
		if err := named(cmd.Flags(), "on"); err != nil {
			return err
		}
		return r.listJobs(cmd.Context(), f)
	}
	flags := func(cmd *cobra.Command) *cobra.Command {
		cmd.Flags().StringVar(&f.on, "on", "", "ask the hosts of `PATTERN` themselves: jobs that another controller started show too")
		r.become.userFlags(cmd.Flags())
		cmd.Flags().BoolVarP(&f.all, "all", "a", false, "reaped and refused ones too")
		cmd.Flags().BoolVar(&f.json, "json", false, "one JSON object per line")
		cmd.Flags().IntVarP(&f.limit, "last", "n", 50, "the newest `N` jobs; 0 is all")
		return cmd
	}
	jobs := flags(&cobra.Command{
		Use:   "jobs",
		Short: "List, show, read, reap and cancel the jobs that were ever started",
		Long: `Jobs are known from the journal, whichever run started them and however that run ended. A job id may be
shortened to a beginning that only one job has.`,
		Args: knownCommand,
		RunE: list,
	})
	r.become.passFlags(jobs.PersistentFlags())
	jobs.AddCommand(
		flags(&cobra.Command{Use: "list", Short: "List jobs that nobody has reaped (--all: all)", Args: exactly(0, "no arguments"), RunE: list}),
		r.showCommand(), r.logsCommand(), r.reapCommand(), r.cancelCommand(), r.detachCommand(), r.cleanCommand(), r.statsCommand())
	return jobs
}

func (r *root) listJobs(ctx context.Context, f jobsFlags) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	if f.on != "" {
		return r.listHosts(ctx, s, f)
	}
	records, err := s.journal.Jobs(ctx, journal.Filter{Unreaped: !f.all, Limit: f.limit})
	if err != nil {
		return err
	}
	rows := make([]jobRow, len(records))
	for i := range records {
		rows[i] = rowOf(&records[i])
	}
	if err := r.printRows(rows, f.json); err != nil || f.json || len(rows) > 0 {
		return err
	}
	if f.all {
		fmt.Fprintln(r.io.err, "the journal knows of no job")
	} else {
		fmt.Fprintln(r.io.err, "no job is waiting to be reaped; starling jobs --all lists the others")
	}
	return nil
}

// listHosts lists what the hosts themselves know, the journal's words added where it has some.
func (r *root) listHosts(ctx context.Context, s *session, f jobsFlags) error {
	targets, err := s.targets(ctx, f.on, "")
	if err != nil {
		return err
	}
	s.start(job.Config{})
	var rows []jobRow
	var errs []error
	for _, t := range targets {
		results, err := s.as(s.host(t)).List(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, result := range results {
			record, _ := s.journal.Find(ctx, result.ID)
			row := rowOf(&record)
			row.ID, row.Host, row.State, row.RC, row.Started, row.Msg = result.ID, t.Name, string(result.State), nil, result.Started, result.Msg
			if result.HasRC {
				row.RC = &result.RC
			}
			row.Elapsed = result.Elapsed.Seconds()
			if f.all || !result.Ended() || record.Seen.Phase != job.Reaped {
				rows = append(rows, row)
			}
		}
	}
	if err := r.printRows(rows, f.json); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// jobRow is one job in a list; its JSON is documented in docs/scripting.md.
type jobRow struct {
	ID      string    `json:"job"`
	Host    string    `json:"host"`
	Phase   job.Phase `json:"phase,omitempty"` // "" for a job of another controller
	State   string    `json:"state"`
	RC      *int      `json:"rc,omitempty"`
	User    string    `json:"user,omitempty"` // that it runs as, when it is not the one that logs in
	Name    string    `json:"name,omitempty"`
	Cmd     string    `json:"cmd,omitempty"`
	Pos     string    `json:"pos,omitempty"`
	Run     string    `json:"run,omitempty"`
	Limit   float64   `json:"limit,omitempty"` // seconds
	Created time.Time `json:"created,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Elapsed float64   `json:"elapsed,omitempty"` // seconds
	Msg     string    `json:"msg,omitempty"`
}

func rowOf(record *job.Record) jobRow {
	row := jobRow{ID: record.ID, Host: record.Target.Name, User: record.Become.User, Phase: record.Seen.Phase, State: string(record.Seen.State), Name: record.Name,
		Cmd: record.Cmd, Pos: record.Pos, Run: record.Run, Limit: record.Limit.Seconds(), Created: record.Created, Started: record.Seen.Started, Msg: record.Seen.Msg}
	if row.State == "" {
		row.State = string(wire.Unknown)
	}
	if record.Seen.HasRC {
		row.RC = &record.Seen.RC
	}
	if !record.Seen.Ended.IsZero() {
		row.Elapsed = record.Seen.Ended.Sub(record.Seen.Started).Seconds()
	}
	return row
}

func (r *root) printRows(rows []jobRow, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(r.io.out)
		for _, row := range rows {
			if err := encoder.Encode(row); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(r.io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tHOST\tSTATE\tSTARTED\tWHERE\tCOMMAND")
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.ID, row.Host, row.standing(), row.when(), row.Pos, ui.Safe(short(row.what())))
	}
	return w.Flush()
}

// standing is how the job was last seen, in one word or two.
func (row *jobRow) standing() string {
	text := row.State
	if row.RC != nil && *row.RC != 0 {
		text += fmt.Sprintf(" rc=%d", *row.RC)
	}
	if row.Phase == job.Intended && row.State == string(wire.Unknown) {
		text = "in doubt"
	}
	if row.Phase == job.Refused {
		text = "not started"
	}
	if row.Phase == job.Released {
		text += ", detached"
	}
	return text
}

func (row *jobRow) when() string {
	at := row.Started
	if at.IsZero() {
		at = row.Created
	}
	if at.IsZero() {
		return "-"
	}
	return ui.Duration(time.Since(at).Truncate(time.Second)) + " ago"
}

func (row *jobRow) what() string {
	if row.Name != "" {
		return row.Name
	}
	return row.Cmd
}

func short(text string) string {
	const most = 60
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// onFlag says which host to ask for jobs that are not in the journal.
func (r *root) onFlag(cmd *cobra.Command, on *string) *cobra.Command {
	cmd.Flags().StringVar(on, "on", "", "look for a JOB that is not in the journal on this `HOST`: another controller may have started it")
	r.become.userFlags(cmd.Flags())
	return cmd
}

// pick finds a job by its id or the beginning of it, and its host. One that is not in the journal is taken for a job of
// the host on, unless that is "".
func (s *session) pick(ctx context.Context, id, on string) (job.Record, *job.Host, error) {
	record, err := s.journal.FindPrefix(ctx, id)
	if errors.Is(err, job.ErrNoRecord) {
		if bad := job.CheckID(id); bad != nil {
			return record, nil, usage(bad)
		}
		if on == "" {
			return record, nil, &helpfulError{fmt.Errorf("job %s: not in this journal", id), "--on HOST asks a host for it; starling jobs list --on HOST lists what it has"}
		}
		return s.elsewhere(ctx, id, on)
	}
	if err != nil {
		return record, nil, usage(err)
	}
	return record, s.host(record.Target), nil
}

// elsewhere is a job that another controller started on the host.
func (s *session) elsewhere(ctx context.Context, id, on string) (job.Record, *job.Host, error) {
	targets, err := s.targets(ctx, on, "")
	if err == nil && len(targets) != 1 {
		err = usage(fmt.Errorf("--on %q means %d hosts, and a job is on one", on, len(targets)))
	}
	if err != nil {
		return job.Record{}, nil, err
	}
	h := s.as(s.host(targets[0]))
	return job.Record{ID: id, Target: targets[0], Become: h.Become()}, h, nil
}

// refs picks several jobs.
func (s *session) refs(ctx context.Context, ids []string, on string) ([]job.Ref, error) {
	var refs []job.Ref
	for _, id := range ids {
		record, h, err := s.pick(ctx, id, on)
		if err != nil {
			return nil, err
		}
		refs = append(refs, job.Ref{Host: h, ID: record.ID})
	}
	return refs, nil
}
