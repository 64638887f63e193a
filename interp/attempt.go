package interp

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starling/builtins"
	"starling/builtins/spec"
)

var attempt = builtins.Builtin{
	Effect: builtins.Control,
	Spec: spec.Spec{
		Name:     "attempt",
		Summary:  "Call a function and go on whether it fails or not.",
		Variadic: true,
		Params: []spec.Param{
			{Name: "fn", Type: spec.Callable, Required: true, Positional: true,
				Doc: "The function; what follows is passed on to it."},
		},
		Returns: "(ok, value, error): True, what fn returned and None; or False, None and a struct with msg (all the error " +
			"says), kind (failed, unreachable or error), host, and result (the failed Result, or None).",
		Fails: "When the run is interrupted, the script runs out of steps, or a resumed run can't go on from here: those can't " +
			"be caught.",
		Example: `ok, value, error = attempt(run, "exit 3")
if not ok:
    print(error.kind, error.result.rc)`,
	},
	Do: func(c *builtins.Call) (starlark.Value, error) {
		args, kwargs := c.Args.Rest()
		value, err := starlark.Call(c.Thread, c.Args.Callable("fn"), args, kwargs)
		if err == nil {
			return starlark.Tuple{starlark.True, value, starlark.None}, nil
		}
		if c.Ctx.Err() != nil || placeOf(c.Thread).spent || stuck(err) {
			return nil, err
		}
		here := ""
		if h := placeOf(c.Thread).host; h != nil {
			here = h.Name()
		}
		return starlark.Tuple{starlark.False, starlark.None, errorValue(err, here)}, nil
	},
}

// stuck reports whether err says that a resumed run can't be gone on with from here: what the script would do next
// hangs on an outcome that nobody knows, or on a world that is not the run's any more.
func stuck(err error) bool {
	var unknown *builtins.UnknownOutcomeError
	var diverged *DivergedError
	return errors.As(err, &unknown) || errors.As(err, &diverged)
}

// errorValue is an error as a script can look at it. It happened here, unless it names another host itself.
func errorValue(err error, here string) starlark.Value {
	kind, host := "error", here
	var result starlark.Value = starlark.None
	var failed *builtins.FailedError
	switch {
	case errors.As(err, &failed):
		kind, host, result = "failed", failed.Results[0].Host, &builtins.Result{Result: failed.Results[0]}
	case Unreachable(err):
		kind, host = "unreachable", hostOf(err)
	}
	return starlarkstruct.FromStringDict(starlark.String("error"), starlark.StringDict{
		"kind": starlark.String(kind), "msg": starlark.String(Message(err)), "host": starlark.String(host), "result": result,
	})
}
