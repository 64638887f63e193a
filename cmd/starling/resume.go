package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"starling/internal/journal"
	"starling/internal/ui"
	"starling/interp"
)

func (r *root) resumeCommand() *cobra.Command {
	var rerun, asJSON bool
	var pairs []string
	cmd := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run whose program died or was interrupted",
		Long: `Run the script of RUN again from its journal: calls that ended return what they returned then, without touching a
host; jobs that were started are taken up under their ids; the script goes on from there. An attached command that was
under way has an unknown outcome: its host stops there and says so, unless the command has creates= or removes=, or
--rerun-unknown says to run such commands again.`,
		Args:              exactly(1, "one RUN (starling runs lists them)"),
		ValidArgsFunction: r.completeRuns(),
		RunE: func(cmd *cobra.Command, args []string) error {
			vars, err := variables(pairs)
			if err != nil {
				return usage(err)
			}
			return r.resume(cmd.Context(), args[0], vars, rerun, asJSON)
		},
	}
	cmd.Flags().BoolVar(&rerun, "rerun-unknown", false, "run attached commands again whose end is not known")
	r.become.passFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "write events to standard output, one JSON object per line")
	cmd.Flags().StringArrayVar(&pairs, "var", nil, "refused unless it is the `NAME=VALUE` that the run had")
	return cmd
}

// changedError is a run that can't be gone on with, since what it was made from is not what it was.
type changedError struct {
	run  string
	what []string
}

func (e *changedError) Error() string {
	return fmt.Sprintf("run %s can't be resumed: %s", e.run, strings.Join(e.what, "; "))
}

func (e *changedError) Hint() string { return "undo the change, or begin anew with starling run" }

func (r *root) resume(ctx context.Context, id string, vars map[string]string, rerun, asJSON bool) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.journal.FindRun(ctx, id); errors.Is(err, journal.ErrNoRun) {
		return &helpfulError{err, "starling runs"}
	} else if err != nil {
		return err
	}
	release, err := s.journal.Claim(id)
	if err != nil {
		return usage(err)
	}
	defer release()
	run, err := s.journal.FindRun(ctx, id) // as it is now that nobody else has it
	if err != nil {
		return err
	}
	p, err := s.planOf(ctx, run)
	if err != nil {
		return usage(err)
	}
	p.rerun = rerun
	if err := os.Chdir(p.Dir); err != nil {
		return fmt.Errorf("run %s: its working folder: %w", id, err)
	}
	r.flags.inventories, r.flags.sshConfig, r.become = p.Inventories, p.SSHConfig, p.Become
	changed := changes(run, vars)
	if digest, err := s.digest(ctx); err != nil {
		changed = append(changed, "the hosts: "+err.Error())
	} else {
		changed = append(changed, digest.since(p.World)...)
	}
	if len(changed) > 0 {
		return usage(&changedError{id, changed})
	}
	return r.execute(ctx, s, id, p, asJSON)
}

// fromFile reports whether a run of this name can be gone on with: one of standard input or of the REPL can't.
func fromFile(script string) bool { return script != "" && !strings.HasPrefix(script, "<") }

// planOf returns what it takes to go on with a run that has not come to its end.
func (s *session) planOf(ctx context.Context, run journal.Run) (plan, error) {
	var p plan
	if !resumable(run) {
		return p, fmt.Errorf("run %s: was not made from a script file, and can't be resumed", run.ID)
	}
	if err := json.Unmarshal([]byte(run.Plan), &p); err != nil {
		return p, fmt.Errorf("run %s: plan: %w", run.ID, err)
	}
	var err error
	if p.past, err = s.journal.Steps(ctx, run.ID); err != nil {
		return p, err
	}
	if p.past == nil {
		p.past = []journal.Step{}
	}
	open := false
	for _, step := range p.past {
		open = open || step.Outcome == nil
	}
	if !run.Ended.IsZero() && run.Code != exitInterrupted && !open {
		return p, &helpfulError{fmt.Errorf("run %s: came to its end, with exit code %d: there is nothing to go on with", run.ID, run.Code), "starling jobs list   # jobs that nobody has reaped"}
	}
	p.Vars = run.Vars
	p.jobs, err = s.journal.Jobs(ctx, journal.Filter{Run: run.ID})
	return p, err
}

// resumable reports whether a run was made from a script file, which is what it takes to go on with it.
func resumable(run journal.Run) bool {
	return run.Plan != "" && fromFile(run.Script)
}

// changes names what differs from what the run was made from.
func changes(run journal.Run, vars map[string]string) []string {
	var out []string
	for _, file := range run.Files {
		source, err := os.ReadFile(file.Path)
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%s can't be read: %v", file.Path, err))
		case interp.Digest(source) != file.SHA256:
			out = append(out, file.Path+" has changed")
		}
	}
	for name, value := range vars {
		if was, ok := run.Vars[name]; !ok {
			out = append(out, fmt.Sprintf("variable %s was not set", name))
		} else if was != value {
			out = append(out, fmt.Sprintf("variable %s was %q", name, was))
		}
	}
	return out
}

func (r *root) runsCommand() *cobra.Command {
	var last int
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs, and how they ended",
		Args:  exactly(0, "no arguments"),
		RunE:  func(cmd *cobra.Command, _ []string) error { return r.listRuns(cmd.Context(), last) },
	}
	cmd.Flags().IntVarP(&last, "last", "n", 20, "the newest `N` runs; 0 is all")
	return cmd
}

func (r *root) listRuns(ctx context.Context, last int) error {
	s, err := r.open(ctx, 0)
	if err != nil {
		return err
	}
	defer s.close()
	runs, err := s.journal.Runs(ctx, last)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(r.io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTARTED\tHOSTS\tHOW IT ENDED\tSCRIPT")
	for _, run := range runs {
		what := run.Script
		if what == "" && len(run.Args) > 1 { // starling exec has none
			what = strings.Join(run.Args[1:], " ")
		}
		fmt.Fprintf(w, "%s\t%s ago\t%d\t%s\t%s\n", run.ID, ui.Duration(time.Since(run.Started).Truncate(time.Second)), len(run.Targets), s.howEnded(run), ui.Safe(what))
	}
	return w.Flush()
}

// howEnded says in a few words how a run stands.
func (s *session) howEnded(run journal.Run) string {
	words := map[int]string{exitOK: "ok", exitFailed: "failed", exitUsage: "refused", exitUnreaped: "unreaped jobs",
		exitUnreachable: "unreachable hosts", exitInterrupted: "interrupted"}
	how, over := words[run.Code], !run.Ended.IsZero()
	if !over {
		release, err := s.journal.Claim(run.ID)
		if err != nil {
			return fmt.Sprintf("runs (process %d)", run.PID)
		}
		release()
		how = "its program died"
	}
	if run.Note != "" {
		how += ": " + run.Note
	}
	if resumable(run) && (!over || run.Code == exitInterrupted || run.Note != "") {
		how += " (can be resumed)"
	}
	return how
}
