package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/ui"
)

func (r *root) reapCommand() *cobra.Command {
	var timeout, on string
	cmd := &cobra.Command{
		Use:               "reap [JOB…]",
		ValidArgsFunction: r.completeJobs(manyJobs, unreapedJob),
		Short:             "Wait for the end of jobs and see it; without JOB, of all that nobody has reaped",
		Long: `Wait for the end of jobs, print how each ended, and count them as reaped. The exit code is 1 when one of them
failed, 4 when a host could not be asked, 3 when --timeout passed first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			pace := job.Pace{Every: 15 * time.Second, Early: true}
			if timeout != "" {
				d, err := spec.ParseDuration(timeout)
				if err != nil {
					return usage(fmt.Errorf("--timeout %q: %w", timeout, err))
				}
				pace.Deadline = time.Now().Add(d)
			}
			return r.reap(cmd.Context(), args, on, pace)
		},
	}
	cmd.Flags().StringVar(&timeout, "timeout", "", "give up waiting after this `TIME` (90s, 10m, …; 0: one look)")
	return r.onFlag(cmd, &on)
}

func (r *root) reap(ctx context.Context, ids []string, on string, pace job.Pace) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	view := r.watch(false, nil)
	defer view.Close()
	s.start(job.Config{Events: view.Sink()})
	refs, err := s.refs(ctx, ids, on)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		records, err := s.journal.Jobs(ctx, journal.Filter{Unreaped: true})
		if err != nil {
			return err
		}
		for _, record := range records {
			refs = append(refs, job.Ref{Host: s.host(record.Target), ID: record.ID})
		}
	}
	return r.reapAll(ctx, s, refs, pace, view)
}

// reapAll waits for each job by itself, so that one host that can't be asked keeps no other job from being reaped.
func (r *root) reapAll(ctx context.Context, s *session, refs []job.Ref, pace job.Pace, view *ui.UI) error {
	results := make([]job.Result, len(refs))
	errs := make([]error, len(refs))
	done := make(chan struct{})
	for i, ref := range refs {
		go func() {
			defer func() { done <- struct{}{} }()
			got, err := s.engine.Wait(ctx, []job.Ref{ref}, pace)
			if errs[i] = err; err == nil {
				results[i] = got[0]
			}
		}()
	}
	for range refs {
		<-done
	}
	view.Close()
	code := exitOK
	for i := range refs {
		switch {
		case errs[i] != nil:
			r.voice().report(errs[i])
			code = graver(code, codeOf(errs[i]))
		case !results[i].Ended():
			r.voice().report(&builtins.RunningError{Results: results[i : i+1], After: "after --timeout"})
			code = graver(code, exitUnreaped)
		case results[i].Failed():
			r.voice().report(&builtins.FailedError{Results: results[i : i+1]})
			code = graver(code, exitFailed)
		default:
			fmt.Fprintln(r.io.out, safe(builtins.Describe(&results[i])))
		}
	}
	if len(refs) == 0 {
		fmt.Fprintln(r.io.err, "no job is waiting to be reaped")
	}
	return &codeError{code, nil}
}

func (r *root) cancelCommand() *cobra.Command {
	var grace, on string
	cmd := &cobra.Command{
		Use:               "cancel JOB…",
		ValidArgsFunction: r.completeJobs(manyJobs, unreapedJob),
		Short:             "End jobs: TERM to the whole process tree, KILL after a grace period",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := spec.ParseDuration(grace)
			if err != nil {
				return usage(fmt.Errorf("--grace %q: %w", grace, err))
			}
			if len(args) == 0 {
				return usage(errors.New("starling jobs cancel takes the JOBs to end"))
			}
			var errs []error
			for _, id := range args {
				errs = append(errs, r.withJob(cmd.Context(), id, on, func(_ *session, record job.Record, h *job.Host) error {
					result, err := h.Cancel(cmd.Context(), record.ID, d)
					if err == nil {
						fmt.Fprintln(r.io.out, safe(builtins.Describe(&result)))
					}
					return err
				}))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVar(&grace, "grace", "10s", "the `TIME` between TERM and KILL")
	return r.onFlag(cmd, &on)
}

func (r *root) detachCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "detach JOB",
		ValidArgsFunction: r.completeJobs(1, unreapedJob),
		Short:             "Leave a job running on purpose: it is no longer listed as waiting to be reaped",
		Args:              exactly(1, "one JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withJob(cmd.Context(), args[0], "", func(_ *session, record job.Record, h *job.Host) error {
				return h.Release(cmd.Context(), record.ID)
			})
		},
	}
}

func (r *root) cleanCommand() *cobra.Command {
	var older string
	cmd := &cobra.Command{
		Use:               "clean [JOB…]",
		ValidArgsFunction: r.completeJobs(manyJobs, reapedJob),
		Short:             "Remove what hosts and journal keep of reaped jobs; without JOB, of those older than --older",
		RunE: func(cmd *cobra.Command, args []string) error {
			age, err := spec.ParseDuration(older)
			if err != nil {
				return usage(fmt.Errorf("--older %q: %w", older, err))
			}
			return r.clean(cmd.Context(), args, age)
		},
	}
	cmd.Flags().StringVar(&older, "older", "7d", "the `TIME` since they were started, at least")
	return cmd
}

func (r *root) clean(ctx context.Context, ids []string, age time.Duration) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	s.start(job.Config{})
	refs, err := s.refs(ctx, ids, "")
	if err != nil {
		return err
	}
	before := time.Now().Add(-age)
	if len(ids) == 0 {
		records, err := s.journal.Jobs(ctx, journal.Filter{})
		if err != nil {
			return err
		}
		for _, record := range records {
			if record.Seen.Phase == job.Reaped && record.Created.Before(before) {
				refs = append(refs, job.Ref{Host: s.host(record.Target), ID: record.ID})
			}
		}
	}
	if err := s.engine.Clean(ctx, refs); err != nil {
		return err
	}
	if len(ids) == 0 {
		if _, err := s.journal.Forget(ctx, before); err != nil {
			return err
		}
		if err := s.forgetLeftOver(before); err != nil {
			return err
		}
	}
	fmt.Fprintln(r.io.out, some(len(refs), "job"), "cleaned")
	return nil
}
