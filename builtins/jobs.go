package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

var jobs = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "jobs",
		Summary: "The jobs this run has started, as they stand now.",
		Returns: "A list of Results in the order the jobs were started: those of the current host, or of all hosts where " +
			"there is no current one. Those not yet reaped are looked at, which does not reap them; one whose host can't " +
			"be asked has the state unknown.",
		Example: `job = run("sleep 1", async=60, poll=0)
print([j.state for j in jobs()])
wait(job)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		only := ""
		if c.Host != nil {
			only = c.Host.Name()
		}
		results, err := c.Run.Engine.Survey(c.Ctx, only)
		if err != nil {
			return nil, err
		}
		values := make([]starlark.Value, len(results))
		for i, r := range results {
			values[i] = &Result{r}
		}
		return starlark.NewList(values), nil
	},
}

var output = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "output",
		Summary: "What a job has written so far, running or ended, from an offset on.",
		Params: []spec.Param{
			{Name: "job", Type: spec.Job, Required: true, Positional: true, Doc: "A job id or a Result."},
			{Name: "offset", Type: spec.Int, Default: "0", Doc: "The first byte wanted, from 0."},
			{Name: "stream", Type: spec.String, Default: `"stdout"`, Choices: []string{"stdout", "stderr"}, Doc: "Which of the two streams."},
		},
		Returns: "A string, byte for byte as written, at most 1 MiB: ask again with offset + len() for more.",
		Fails:   "When the host does not know the job, can't be asked, or the output is shorter than offset (the job truncated it).",
		Example: `job = run("echo one; sleep 1; echo two", async=60, poll=0)
seen = 0
while not async_status(job).finished:
    seen += len(output(job, offset=seen))
print(output(job))`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		ref, err := c.locate(c.Args.Value("job"))
		if err != nil {
			return nil, err
		}
		offset := c.Args.Int("offset")
		if offset < 0 {
			return nil, fmt.Errorf("offset must not be negative, got %d", offset)
		}
		data, err := ref.Host.Read(c.Ctx, ref.ID, job.Stream(c.Args.String("stream")), int64(offset), job.DefaultOutputCap)
		if err != nil {
			return nil, err
		}
		return starlark.String(data), nil
	},
}
