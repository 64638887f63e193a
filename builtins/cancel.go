package builtins

import (
	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

var cancel = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "cancel",
		Summary: "End a job: TERM to its whole process tree, KILL after a grace period; the job is reaped.",
		Params: []spec.Param{
			{Name: "job", Type: spec.Job, Required: true, Positional: true, Doc: "A job id or a Result."},
			{Name: "grace", Type: spec.Duration, Default: "10", Doc: "How long the processes have between TERM and KILL."},
		},
		Returns: "The Result once the job has ended: cancelled, or as it had ended before.",
		Fails:   "When the host does not know the job, can't be asked, or the job outlives even KILL.",
		Example: `job = run("sleep 600", async=900, poll=0)
print(cancel(job).state)`,
	},
	Check: func(c *Call) (starlark.Value, error) {
		ref, err := c.locate(c.Args.Value("job"))
		if err != nil {
			return nil, err
		}
		return &Result{ref.Host.Skip(job.Command{Display: "cancel " + ref.ID, Pos: c.Pos}, false, "would cancel")}, nil
	},
	Do: func(c *Call) (starlark.Value, error) {
		ref, err := c.locate(c.Args.Value("job"))
		if err != nil {
			return nil, err
		}
		r, err := ref.Host.Cancel(c.Ctx, ref.ID, c.Args.Duration("grace"))
		if err != nil {
			return nil, err
		}
		return &Result{r}, nil
	},
}

var detach = Builtin{
	Effect: Jobs,
	Spec: spec.Spec{
		Name:    "detach",
		Summary: "Leave a job running on purpose: it no longer counts as unreaped.",
		Params: []spec.Param{
			{Name: "job", Type: spec.Job, Required: true, Positional: true, Doc: "A job id or a Result."},
		},
		Returns: "None. The host is not asked; starling jobs still knows the job.",
		Example: `detach(run("sleep 5", async="forever", poll=0))`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		ref, err := c.locate(c.Args.Value("job"))
		if err != nil {
			return nil, err
		}
		return starlark.None, ref.Host.Release(c.Ctx, ref.ID)
	},
	Check: func(c *Call) (starlark.Value, error) {
		_, err := c.locate(c.Args.Value("job"))
		return starlark.None, err
	},
}
