package builtins

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
	"starling/internal/wire"
)

var asyncStatus = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "async_status",
		Summary: "Look at a job, once or until it has ended; a job whose end was seen is reaped.",
		Params: []spec.Param{
			{Name: "jid", Type: spec.Jobs, Required: true, Positional: true,
				Doc: "A job id, the Result that run(…, poll=0) returned, or a list of these."},
			{Name: "retries", Type: spec.Int, Default: "0",
				Doc: "0: one look, and a running job is no error. N: look again up to N times until the job has ended; " +
					"one that still runs after that is an error and stays unreaped."},
			{Name: "delay", Type: spec.Duration, Default: "5", Doc: "The time between two looks. No connection is held meanwhile."},
			{Name: "cleanup", Type: spec.Bool, Default: "False",
				Doc: "Remove what the host keeps of the job, its output included, once its end was seen."},
			commonIgnore,
		},
		Returns: "The Result, or a list of them in the order of the jobs.",
		Fails: "When a job ended badly (unless ignore_errors), when one still runs after all retries, when the host does " +
			"not know the job, and when the host could not be asked.",
		Example: `job = run("sleep 1; echo done", async=30, poll=0)
r = async_status(job.jid, retries=60, delay=0.5)
print(r.state, r.stdout)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		values, list := c.Args.Jobs("jid")
		retries, delay := c.Args.Int("retries"), c.Args.Duration("delay")
		if retries < 0 {
			return nil, fmt.Errorf("retries must not be negative, got %d", retries)
		}
		refs, err := c.refs(values)
		if err != nil {
			return nil, err
		}
		results, err := c.Run.Engine.Wait(c.Ctx, refs, job.Pace{Every: delay, Looks: retries + 1})
		if err != nil {
			return nil, c.unfinished(results, err)
		}
		if running := stillRunning(results); running != nil && retries > 0 {
			return nil, c.unfinished(results, &RunningError{Results: running,
				After: fmt.Sprintf("after %d retries, %s apart (%s in all)", retries, delay, delay*time.Duration(retries))})
		}
		if c.Args.Bool("cleanup") {
			c.After(func() error { return c.Run.Engine.Clean(c.Ctx, ended(refs, results)) })
		}
		return c.reaped(results, list)
	},
}

// RunningError is jobs that had not ended when their caller's patience had. They stay unreaped.
type RunningError struct {
	Results []job.Result
	After   string
}

func (e *RunningError) Error() string {
	text := ""
	for i, r := range e.Results {
		if i > 0 {
			text += "\n"
		}
		text += fmt.Sprintf("%s: job %s: %q still runs %s, for %s so far; it stays unreaped",
			r.Host, r.ID, firstLine(r.Cmd), e.After, r.Elapsed.Round(time.Second))
		if r.Limit > 0 {
			text += fmt.Sprintf(", and its host ends it at its limit of %s", r.Limit)
		}
	}
	return text
}

// Hint returns the command that goes on waiting.
func (e *RunningError) Hint() string {
	text := "starling jobs reap"
	for _, r := range e.Results {
		text += " " + r.ID
	}
	return text
}

func stillRunning(results []job.Result) []job.Result {
	var out []job.Result
	for _, r := range results {
		if r.State == wire.Running || r.State == wire.Orphaned {
			out = append(out, r)
		}
	}
	return out
}

func ended(refs []job.Ref, results []job.Result) []job.Ref {
	var out []job.Ref
	for i, r := range results {
		if r.Ended() {
			out = append(out, refs[i])
		}
	}
	return out
}
