package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

var run = Builtin{
	Effect: Host,
	Spec: spec.Spec{
		Name: "run",
		Summary: "Run a command on the host: attached, as a detached job that is waited for, or as one that is left to " +
			"itself until async_status or wait comes back for it.",
		Params: []spec.Param{
			{Name: "cmd", Type: spec.CommandLine, Required: true, Positional: true,
				Doc: "A string is run by /bin/sh; a list is run as an argument vector, without a shell."},
			{Name: "async", Type: spec.Ceiling, Default: "0",
				Doc: "0: attached, the connection stays open. Otherwise the command becomes a detached job that outlives " +
					"the connection and this program, and the host itself ends it after this time. \"forever\": no ceiling."},
			{Name: "poll", Type: spec.Duration, Default: "15",
				Doc: "With async: how often to look whether the job has ended; the first looks come early and back off " +
					"up to this. 0: return as soon as the job has started."},
			{Name: "key", Type: spec.String, Default: `""`,
				Doc: "A name for the job on its host: one under the same name that runs, or has ended and was not reaped, is " +
					"taken up in place of a new one, whoever started it. Without async, the command is a job with timeout as its " +
					"ceiling that is waited for, so that a run can be resumed in the middle of it."},
			{Name: "chdir", Type: spec.String, Default: `""`, Doc: "The folder to run in; \"\" is the user's home."},
			{Name: "env", Type: spec.Env, Default: "{}", Doc: "Variables added to the command's environment."},
			{Name: "stdin", Type: spec.Text, Default: `""`, Doc: "What the command reads from its standard input."},
			{Name: "creates", Type: spec.String, Default: `""`, Doc: "Skip the command if this path is on the host."},
			{Name: "removes", Type: spec.String, Default: `""`, Doc: "Skip the command unless this path is on the host."},
			{Name: "ok_codes", Type: spec.Ints, Default: "[0]", Doc: "The exit codes that count as success."},
			{Name: "timeout", Type: spec.Duration, Default: "0",
				Doc: "Without async: end the command, and all it started, after this time. 0: no limit."},
			{Name: "check_mode", Type: spec.OptBool, Default: "None",
				Doc: "False: run it in a dry run (--check) too, for commands that only read. True: never run it, as in a dry run. " +
					"None: as the run is."},
			commonName, commonIgnore,
		},
		Returns: "A Result: ended, unless poll is 0.",
		Fails: "When the command does not end with one of ok_codes (the script ends for this host, unless " +
			"ignore_errors), when the host can't be reached, and when the host refuses to start the job.",
		Example: `r = run("uname -s")
print(r.stdout)
job = run("sleep 1; echo done", async=10, poll=0)
print(async_status(job, retries=20, delay=0.5).stdout)`,
	},
	Label: func(a spec.Args) string {
		if name := a.String("name"); name != "" {
			return name
		}
		return firstLine(a.Command("cmd").String())
	},
	Do:    doRun,
	Check: doRun,
}

func doRun(c *Call) (starlark.Value, error) {
	cmd := command(c)
	limit, keyed := c.Args.Duration("async"), c.Args.String("key") != ""
	detached := limit != 0 || keyed
	switch {
	case limit == 0 && c.Args.Given("poll"):
		return nil, errors.New("poll is only for a job: give async=SECONDS too, or leave poll out")
	case limit != 0 && c.Args.Duration("timeout") != 0:
		return nil, errors.New("timeout is for attached commands: the ceiling of a job is async itself")
	}
	// What a job that was begun has made by now is no reason to leave it alone.
	if c.Noted == "" && !c.Run.Engine.Taken(c.Step) {
		if skipped, err := skip(c, cmd); skipped != nil || err != nil {
			return skipped, err
		}
	}
	if dry := c.Args.OptBool("check_mode"); dry != nil && *dry || dry == nil && c.Run.Check {
		return &Result{c.Host.Skip(cmd, detached, "would run")}, nil
	}
	if !detached && c.Begun && !c.Run.Rerun && c.Args.String("creates")+c.Args.String("removes") == "" {
		return nil, &UnknownOutcomeError{Host: c.Host.Name(), Cmd: cmd.Display, Pos: c.Pos}
	}
	if !detached {
		r, err := c.Host.Run(c.Ctx, cmd, c.Args.Duration("timeout"))
		return c.conclude(r, err)
	}
	switch {
	case limit == 0:
		cmd.Limit = c.Args.Duration("timeout")
	case limit != spec.Forever:
		cmd.Limit = limit
	}
	id, poll := c.Noted, c.Args.Duration("poll")
	if id == "" {
		r, err := c.Host.Start(c.Ctx, cmd)
		if err != nil {
			return nil, err
		}
		if poll == 0 {
			return &Result{r}, nil
		}
		if id = r.ID; keyed {
			// It may be another run's, and reaped by others before a resumed run comes back for it.
			if err := c.Note(id); err != nil {
				return nil, err
			}
		}
	}
	results, err := c.Run.Engine.Wait(c.Ctx, []job.Ref{{Host: c.Host, ID: id}}, job.Pace{Every: poll, Early: true})
	if err != nil {
		return nil, err
	}
	return c.conclude(results[0], nil)
}

// command is the command of a call of run.
func command(c *Call) job.Command {
	line := c.Args.Command("cmd")
	return job.Command{
		Name:    c.Args.String("name"),
		Pos:     c.Pos,
		Text:    line.Text,
		Argv:    line.Argv,
		Display: line.String(),
		Env:     c.Args.Env("env"),
		Chdir:   c.Args.String("chdir"),
		Stdin:   c.Args.Text("stdin"),
		OKCodes: c.Args.Ints("ok_codes"),
		Step:    c.Step,
		Key:     c.Args.String("key"),
	}
}

// skip looks whether creates and removes make the command unnecessary; it returns nil when they do not.
func skip(c *Call, cmd job.Command) (starlark.Value, error) {
	for _, condition := range []struct {
		param string
		when  bool // skip when the path's presence is this
		why   string
	}{{"creates", true, "is there already"}, {"removes", false, "is not there"}} {
		path := c.Args.String(condition.param)
		if path == "" {
			continue
		}
		there, err := c.Host.Exists(c.Ctx, path)
		if err != nil {
			return nil, err
		}
		if there == condition.when {
			detached := c.Args.Duration("async") != 0
			return &Result{c.Host.Skip(cmd, detached, fmt.Sprintf("skipped: %s %s %s", condition.param, path, condition.why))}, nil
		}
	}
	return nil, nil
}

// conclude turns the end of a command into what the call returns: a failed Result is an error unless the caller
// wants it back.
func (c *Call) conclude(r job.Result, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	if r.Failed() && !c.Args.Bool("ignore_errors") {
		return nil, &FailedError{Results: []job.Result{r}}
	}
	return &Result{r}, nil
}
