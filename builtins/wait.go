package builtins

import (
	"errors"
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

// waitEvery is how far apart the looks of wait and wait_any get, run's own default for poll.
const waitEvery = 15 * time.Second

var wait = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "wait",
		Summary: "Wait until all of some jobs have ended, and reap them.",
		Params: []spec.Param{
			{Name: "jobs", Type: spec.Jobs, Required: true, Positional: true, Doc: "A job id, a Result, or a list of these."},
			{Name: "timeout", Type: spec.OptDuration, Default: "None",
				Doc: "How long to wait; a job that still runs then is an error and stays unreaped. None: as long as the " +
					"jobs' own ceilings let them run."},
			commonIgnore,
		},
		Returns: "The Results in the order of the jobs.",
		Fails:   "When any job ended badly: one error, after all have ended, that names every such job (unless ignore_errors).",
		Example: `a = run("sleep 1", async=60, poll=0)
b = run("echo hi", async=60, poll=0)
print([r.state for r in wait([a, b])])`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		values, list := c.Args.Jobs("jobs")
		refs, err := c.refs(values)
		if err != nil {
			return nil, err
		}
		pace := job.Pace{Every: waitEvery, Early: true}
		if timeout := c.Args.OptDuration("timeout"); timeout != nil {
			pace.Deadline = time.Now().Add(*timeout)
		}
		results, err := c.Run.Engine.Wait(c.Ctx, refs, pace)
		if err != nil {
			return nil, c.unfinished(results, err)
		}
		if running := stillRunning(results); running != nil {
			return nil, c.unfinished(results, &RunningError{Results: running, After: fmt.Sprintf("after a wait of %s", *c.Args.OptDuration("timeout"))})
		}
		return c.reaped(results, list)
	},
}

var waitAny = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "wait_any",
		Summary: "Wait until the first of some jobs has ended, and reap that one.",
		Params: []spec.Param{
			{Name: "jobs", Type: spec.Jobs, Required: true, Positional: true, Doc: "A list of job ids or Results."},
			commonIgnore,
		},
		Returns: "(result, rest): the Result of the one that ended, and the list of the others as they were given.",
		Fails:   "When the first one to end ended badly (unless ignore_errors); the others stay unreaped.",
		Example: `rest = [run("sleep %d" % n, async=60, poll=0) for n in (2, 1)]
while rest:
    first, rest = wait_any(rest)
    print(first.cmd)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		values, _ := c.Args.Jobs("jobs")
		if len(values) == 0 {
			return nil, errors.New("jobs is empty: there is nothing to wait for")
		}
		refs, err := c.refs(values)
		if err != nil {
			return nil, err
		}
		first, result, err := c.Run.Engine.WaitAny(c.Ctx, refs, job.Pace{Every: waitEvery, Early: true})
		if err != nil {
			return nil, err
		}
		value, err := c.reaped([]job.Result{result}, false)
		if err != nil {
			return nil, err
		}
		rest := make([]starlark.Value, 0, len(values)-1)
		rest = append(append(rest, values[:first]...), values[first+1:]...)
		return starlark.Tuple{value, starlark.NewList(rest)}, nil
	},
}
