package main

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/ui"
)

// This file answers the Tab key of a shell that has read starling completion: from the journal, if there is one, and
// never from a host.

type completion = cobra.CompletionFunc

// mustComplete offers the words that a flag takes. That the flag is there is for the caller to know.
func mustComplete(cmd *cobra.Command, flag string, words ...cobra.Completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// completeFrom makes a completion of what ask finds in the journal, for a command that takes at most so many arguments.
// It offers nothing that is in the line already.
func (r *root) completeFrom(most int, ask func(ctx context.Context, j *journal.Journal) ([]cobra.Completion, error)) completion {
	const none = cobra.ShellCompDirectiveNoFileComp
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, none
		}
		j, done := r.knownJournal(cmd.Context())
		defer done()
		if j == nil {
			return nil, none
		}
		found, err := ask(cmd.Context(), j)
		if err != nil {
			return nil, none
		}
		found = slices.DeleteFunc(found, func(c cobra.Completion) bool {
			word, _, _ := strings.Cut(c, "\t")
			return slices.Contains(args, word)
		})
		return found, none | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeJobs offers the ids of the jobs that fits accepts, the newest first.
func (r *root) completeJobs(most int, fits func(job.Record) bool) completion {
	return r.completeFrom(most, func(ctx context.Context, j *journal.Journal) ([]cobra.Completion, error) {
		records, err := j.Jobs(ctx, journal.Filter{})
		var out []cobra.Completion
		for _, record := range records {
			if fits(record) {
				row := rowOf(&record)
				out = append(out, cobra.CompletionWithDesc(row.ID, ui.Safe(row.Host+" "+row.State+" "+row.Cmd)))
			}
		}
		return out, err
	})
}

// manyJobs is the number of jobs that a command takes which takes any.
const manyJobs = math.MaxInt

func anyJob(job.Record) bool { return true }

func unreapedJob(r job.Record) bool {
	return r.Seen.Phase == job.Intended || r.Seen.Phase == job.Started
}

func reapedJob(r job.Record) bool { return !unreapedJob(r) }

// completeRuns offers the runs that have not come to their end.
func (r *root) completeRuns() completion {
	return r.completeFrom(1, func(ctx context.Context, j *journal.Journal) ([]cobra.Completion, error) {
		runs, err := j.Runs(ctx, 0)
		var out []cobra.Completion
		for _, run := range runs {
			if resumable(run) && (run.Ended.IsZero() || run.Code == exitInterrupted) {
				out = append(out, cobra.CompletionWithDesc(run.ID, ui.Safe(run.Script)))
			}
		}
		return out, err
	})
}
