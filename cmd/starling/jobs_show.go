package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"starling/internal/job"
	"starling/internal/ui"
	"starling/internal/wire"
)

func (r *root) showCommand() *cobra.Command {
	var on string
	return r.onFlag(&cobra.Command{
		Use:               "show JOB",
		Short:             "Look at one job now, without reaping it",
		Args:              exactly(1, "one JOB"),
		ValidArgsFunction: r.completeJobs(1, anyJob),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withJob(cmd.Context(), args[0], on, func(s *session, record job.Record, h *job.Host) error {
				if record.Seen.Phase == job.Refused {
					r.show(record, &job.Result{State: "not started", Msg: record.Seen.Msg, Limit: record.Limit})
					return nil
				}
				results, err := h.Look(cmd.Context(), []string{record.ID}, 0)
				if err != nil {
					r.show(record, lastSeen(&record))
					return err
				}
				r.show(record, &results[0])
				return nil
			})
		},
	}, &on)
}

// withJob opens the journal, finds a job and closes all again.
func (r *root) withJob(ctx context.Context, id, on string, do func(*session, job.Record, *job.Host) error) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	s.start(job.Config{})
	record, h, err := s.pick(ctx, id, on)
	if err != nil {
		return err
	}
	return do(s, record, h)
}

// lastSeen is a job whose host can't tell how it stands: the state is not known, and what the journal has is.
func lastSeen(record *job.Record) *job.Result {
	r := job.Result{State: wire.Unknown, Started: record.Seen.Started, Limit: record.Limit, Msg: "its host could not tell"}
	if record.Seen.State != "" {
		r.Msg = fmt.Sprintf("%s when it was last seen, at %s", record.Seen.State, record.Seen.At.UTC().Format(time.RFC3339))
	}
	return &r
}

// show prints all that is known of a job.
func (r *root) show(record job.Record, result *job.Result) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(r.io.out, "%-9s %s\n", name, ui.Safe(value))
		}
	}
	line("job", record.ID)
	line("host", record.Target.Name)
	line("user", userOf(&record))
	state := string(result.State)
	if result.HasRC {
		state += fmt.Sprintf(", rc %d", result.RC)
	}
	line("state", state)
	line("known", result.Msg)
	line("name", record.Name)
	line("command", record.Cmd)
	line("script", record.Pos)
	line("run", record.Run)
	if !result.Started.IsZero() {
		line("started", result.Started.UTC().Format(time.RFC3339))
	}
	if result.Elapsed > 0 {
		line("elapsed", ui.Duration(result.Elapsed))
	}
	if result.Limit > 0 {
		line("limit", ui.Duration(result.Limit))
	}
	line("phase", string(record.Seen.Phase))
	if record.Base != "" {
		line("on host", record.Base+"/v1/"+record.ID)
	}
}

func (r *root) logsCommand() *cobra.Command {
	var follow, stderr bool
	var on string
	cmd := &cobra.Command{
		Use:               "logs JOB",
		Short:             "Print what a job has written, byte for byte",
		Args:              exactly(1, "one JOB"),
		ValidArgsFunction: r.completeJobs(1, anyJob),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withJob(cmd.Context(), args[0], on, func(_ *session, record job.Record, h *job.Host) error {
				stream := job.Stdout
				if stderr {
					stream = job.Stderr
				}
				return logs(cmd.Context(), r.io.out, h, record.ID, stream, follow)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	cmd.Flags().BoolVar(&stderr, "stderr", false, "its standard error in place of its standard output")
	return r.onFlag(cmd, &on)
}

// followEvery is the pause between two looks for more output.
const followEvery = 500 * time.Millisecond

func logs(ctx context.Context, w io.Writer, h *job.Host, id string, stream job.Stream, follow bool) error {
	var offset int64
	for {
		// Whether it has ended is asked before the output is read: what came before the end is then in what is read.
		results, err := h.Look(ctx, []string{id}, 0)
		if err != nil {
			return err
		}
		if results[0].Cleaned() {
			return fmt.Errorf("%s: job %s: %s", h.Name(), id, results[0].Msg)
		}
		if offset, err = h.Copy(ctx, w, id, stream, offset); err != nil {
			return err
		}
		if !follow || results[0].Ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}
