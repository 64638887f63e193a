package builtins

import (
	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

var ping = Builtin{
	Effect: Host,
	Spec: spec.Spec{
		Name:    "ping",
		Summary: "Connect to the host, log in and have its shell answer.",
		Params:  []spec.Param{commonName},
		Returns: "A Result; elapsed is how long it took.",
		Fails:   "When the host can't be reached, refuses the login, or its shell does not speak the protocol.",
		Example: `print(ping().state)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		r, err := c.Host.Ping(c.Ctx)
		if err != nil {
			return nil, err
		}
		return &Result{r}, nil
	},
}

var waitForConnection = Builtin{
	Effect: Host,
	Spec: spec.Spec{
		Name:    "wait_for_connection",
		Summary: "Wait until the host can be reached, over a new connection, and its shell answers.",
		Params: []spec.Param{
			{Name: "timeout", Type: spec.Duration, Default: "600", Positional: true, Doc: "How long to go on trying."},
			{Name: "delay", Type: spec.Duration, Default: "0", Doc: "How long to wait before the first attempt."},
			{Name: "interval", Type: spec.Duration, Default: "1", Doc: "The time between two attempts."},
			commonName, commonIgnore,
		},
		Returns: "A Result; elapsed is how long it took.",
		Fails:   "When the host could not be reached in time, and at once when its host key is not the known one.",
		Example: `wait_for_connection(timeout=30)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		r, err := c.Host.WaitForConnection(c.Ctx, job.Comeback{
			Timeout:  c.Args.Duration("timeout"),
			Delay:    c.Args.Duration("delay"),
			Interval: c.Args.Duration("interval"),
		})
		return c.concludeOr(r, err)
	},
}
