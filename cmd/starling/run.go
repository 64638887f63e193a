package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"starling/builtins"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/lint"
	"starling/internal/ui"
	"starling/internal/wire"
	"starling/interp"
)

// runFlags are the flags of starling run.
type runFlags struct {
	on, limit string
	sandbox   int
	forks     int
	serial    int
	vars      []string
	unreaped  string
	dry       bool
	diff      bool
	noLint    bool
	json      bool
}

func (r *root) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCRIPT",
		Short: "Run a script, once or once per host",
		Long: `Run a script. With --on it runs once per host of the pattern, side by side, and every builtin acts on that host;
without, it runs once and has no current host. SCRIPT - is standard input.

Exit codes: 0 all well, 1 a host's script failed, 2 wrong use or a script that does not compile, 3 jobs were left
unreaped, 4 a host could not be reached, 130 interrupted.`,
		Example: `  starling run --sandbox 2 examples/quickstart/main.star
  starling run deploy.star --on 'web[01:20]' --serial 5 --var release=1.4`,
		Args: exactly(1, "one SCRIPT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named(cmd.Flags(), "on", "limit"); err != nil {
				return err
			}
			return r.runScript(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.on, "on", "", "run once per host of `PATTERN`: names, user@name:port, web[01:20], separated by commas")
	flags.StringVar(&f.limit, "limit", "", "of the hosts of --on, only those of `PATTERN`; globs are allowed")
	flags.IntVar(&f.sandbox, "sandbox", 0, "run against `N` throwaway SSH hosts inside this program, sandbox1 to sandboxN")
	flags.IntVar(&f.forks, "forks", job.DefaultForks, "work on at most `N` hosts at an instant; waiting takes no part in it")
	flags.IntVar(&f.serial, "serial", 0, "take `N` hosts at a time, and no further ones once a host has failed (0: all at once)")
	r.become.flags(flags)
	flags.StringArrayVar(&f.vars, "var", nil, "set the variable that var(`NAME=VALUE`) returns; may be given again")
	flags.StringVar(&f.unreaped, "unreaped", "fail", "`WHAT` to do about jobs nobody came back for: fail, wait or warn")
	mustComplete(cmd, "unreaped", "fail", "wait", "warn")
	flags.BoolVar(&f.dry, "check", false, "a dry run: change nothing on any host, and say what would be done")
	flags.BoolVar(&f.diff, "diff", false, "show what changes in files, or with --check what would change")
	flags.BoolVar(&f.noLint, "no-lint", false, "run the script although starling lint finds errors in it")
	flags.BoolVar(&f.json, "json", false, "write events to standard output, one JSON object per line")
	return cmd
}

// check reports what is wrong with the flags themselves.
func (f *runFlags) check() (vars map[string]string, err error) {
	switch {
	case f.unreaped != "fail" && f.unreaped != "wait" && f.unreaped != "warn":
		return nil, fmt.Errorf("--unreaped %q: want fail, wait or warn", f.unreaped)
	case f.serial < 0:
		return nil, fmt.Errorf("--serial %d: want 0 or more", f.serial)
	case f.limit != "" && f.on == "" && f.sandbox == 0:
		return nil, fmt.Errorf("--limit %q narrows --on, which was not given", f.limit)
	}
	if err := checkNumbers(f.forks, f.sandbox); err != nil {
		return nil, err
	}
	return variables(f.vars)
}

// checkNumbers reports what is wrong with the flags --forks and --sandbox.
func checkNumbers(forks, sandbox int) error {
	switch {
	case forks < 1:
		return fmt.Errorf("--forks %d: want at least 1", forks)
	case sandbox < 0:
		return fmt.Errorf("--sandbox %d: want the number of hosts", sandbox)
	}
	return nil
}

// variables reads pairs of the form NAME=VALUE.
func variables(pairs []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--var %q: want NAME=VALUE", pair)
		}
		vars[name] = value
	}
	return vars, nil
}

func (r *root) runScript(ctx context.Context, script string, f runFlags) error {
	vars, err := f.check()
	if err != nil {
		return usage(err)
	}
	source, err := readScript(r.io.in, script)
	if err != nil {
		return usage(err)
	}
	if script == "-" {
		script = "<stdin>"
	}
	s, err := r.open(ctx, f.sandbox)
	if err != nil {
		return err
	}
	defer s.close()
	targets, err := s.targets(ctx, f.on, f.limit)
	if err != nil {
		return err
	}
	digest, err := s.digest(ctx)
	if err != nil {
		return err
	}
	var noticed []lint.Finding
	if !f.noLint {
		var may bool
		if noticed, may = r.lintFirst(ctx, &durations{journal: s.journal}, script, source); !may {
			return &codeError{exitUsage, nil}
		}
	}
	id := journal.NewRunID()
	release, err := s.journal.Claim(id)
	if err != nil {
		return err
	}
	defer release()
	return r.execute(ctx, s, id, plan{Script: script, Dir: here(), Source: source, On: f.on != "", Targets: targets, World: digest,
		Inventories: r.flags.inventories, SSHConfig: r.flags.sshConfig, Serial: f.serial, Forks: f.forks, Unreaped: f.unreaped, Become: r.become, Check: f.dry, Diff: f.diff, Vars: vars, noticed: noticed}, f.json)
}

// endPatience bounds the last look at jobs that nobody came back for.
const endPatience = 20 * time.Second

// settle takes the last look at the jobs of the run that nobody has reaped, and lists them; with the policy wait it
// first waits for their ends. It returns those that are left.
func (s *session) settle(ctx context.Context, events event.Sink, policy string) (left []job.Result) {
	if policy == "wait" && ctx.Err() == nil {
		left = s.waitForAll(ctx, events)
	}
	open := s.engine.Unreaped()
	if len(open) == 0 {
		return left
	}
	if ctx.Err() != nil {
		events(event.Event{Time: time.Now(), Kind: event.Warning, Run: s.engine.Run(), Msg: fmt.Sprintf("interrupted: one last look at %s, for %s at most", some(len(open), "job"), ui.Duration(endPatience)),
			Hint: "once more Ctrl-C ends at once"})
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	now := map[string]job.Result{}
	if results, err := s.engine.Survey(last, ""); err == nil {
		for _, r := range results {
			now[r.ID] = r
		}
	}
	for _, record := range open {
		r, ok := now[record.ID]
		if !ok {
			r = job.Result{Host: record.Target.Name, ID: record.ID, Cmd: record.Cmd, Name: record.Name, State: wire.Unknown, Pos: record.Pos}
		}
		hint := "starling jobs reap " + r.ID
		if record.Seen.Phase == job.Intended && r.State == wire.Unknown { // in doubt still
			hint = (&job.InDoubtError{ID: r.ID}).Hint()
		}
		if s.sandbox != nil {
			hint = "async_status or wait in the script; this job ends with the sandbox"
		}
		ev := event.Event{Time: time.Now(), Kind: event.Unreaped, Host: r.Host, Job: r.ID, Name: label(r), Pos: r.Pos, State: string(r.State),
			Elapsed: r.Elapsed, Msg: r.Msg, Hint: hint}
		if r.HasRC {
			ev.RC = &r.RC
		}
		events(ev)
		left = append(left, r)
	}
	return left
}

// waitForAll reaps the jobs that nobody came back for, and returns those that ended badly.
func (s *session) waitForAll(ctx context.Context, events event.Sink) (failed []job.Result) {
	for _, record := range s.engine.Unreaped() {
		ref := job.Ref{Host: s.host(record.Target), ID: record.ID}
		results, err := s.engine.Wait(ctx, []job.Ref{ref}, job.Pace{Every: 15 * time.Second, Early: true})
		if err != nil {
			events(event.Event{Time: time.Now(), Kind: event.Warning, Host: record.Target.Name, Job: record.ID, Msg: err.Error(), Hint: hintOf(err)})
			continue
		}
		if results[0].Failed() {
			bad := &builtins.FailedError{Results: results}
			events(event.Event{Time: time.Now(), Kind: event.Warning, Host: record.Target.Name, Job: record.ID, Pos: record.Pos, Msg: bad.Error(), Hint: bad.Hint()})
			failed = append(failed, results[0])
		}
	}
	return failed
}

// exitCode folds all that happened into one number.
func exitCode(outcomes []interp.Outcome, unreaped []job.Result, policy string) int {
	code := exitOK
	for _, o := range outcomes {
		switch interp.StateOf(o.Err) {
		case "interrupted":
			code = graver(code, exitInterrupted)
		case "failed":
			code = graver(code, exitFailed)
		case "unreachable":
			code = graver(code, exitUnreachable)
		}
	}
	for _, r := range unreaped {
		switch {
		case policy == "wait" && r.Ended():
			code = graver(code, exitFailed)
		case policy != "warn":
			code = graver(code, exitUnreaped)
		}
	}
	return code
}

func label(r job.Result) string {
	if r.Name != "" {
		return r.Name
	}
	return r.Cmd
}
