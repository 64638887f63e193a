package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starling/builtins/spec"
	"starling/internal/job"
)

var host = Builtin{
	Effect: Pure,
	Spec: spec.Spec{
		Name:    "host",
		Summary: "The current host.",
		Returns: "A struct with name, addr, user, port, groups and vars, or None where there is no current host. Addr, user " +
			"and port are \"\" and 0 where they are left to ssh_config.",
		Example: `print(host().name)`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		if c.Host == nil {
			return starlark.None, nil
		}
		return c.Run.HostValue(c.Host), nil
	},
}

var hosts = Builtin{
	Effect: Outside,
	Spec: spec.Spec{
		Name:    "hosts",
		Summary: "The hosts of a pattern.",
		Params: []spec.Param{
			{Name: "pattern", Type: spec.String, Default: `"all"`, Positional: true,
				Doc: "Names as --on takes them; \"all\" is every host this run knows."},
		},
		Returns: "A list of structs as host() returns them.",
		Fails:   "When a name of the pattern means no host.",
		Example: `print([h.name for h in hosts()])`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		found, err := c.Run.Hosts(c.Ctx, c.Args.String("pattern"))
		if err != nil {
			return nil, err
		}
		values := make([]starlark.Value, len(found))
		for i, h := range found {
			values[i] = c.Run.HostValue(h)
		}
		return starlark.NewList(values), nil
	},
}

// HostValue is a host as a script sees it.
func (r *Run) HostValue(h *job.Host) starlark.Value {
	t := h.Target()
	var groups []string
	var vars starlark.Value = starlark.NewDict(0)
	if r.About != nil {
		groups, vars = r.About(t.Name)
	}
	names := make([]starlark.Value, len(groups))
	for i, g := range groups {
		names[i] = starlark.String(g)
	}
	return starlarkstruct.FromStringDict(starlark.String("host"), starlark.StringDict{
		"name":   starlark.String(t.Name),
		"addr":   starlark.String(t.Addr),
		"user":   starlark.String(t.User),
		"port":   starlark.MakeInt(t.Port),
		"groups": starlark.NewList(names),
		"vars":   vars,
	})
}

var variable = Builtin{
	Effect: Outside,
	Spec: spec.Spec{
		Name:    "var",
		Summary: "A variable of this run, given on the command line as --var name=value.",
		Params: []spec.Param{
			{Name: "name", Type: spec.String, Required: true, Positional: true, Doc: "Its name."},
			{Name: "default", Type: spec.Any, Default: "None", Positional: true,
				Doc: "What to return when it was not given; without one, the variable must be given."},
		},
		Returns: "The value as a string, or default.",
		Fails:   "When the variable was not given and there is no default.",
		Example: `print(var("release", "stable"))`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		name := c.Args.String("name")
		if value, ok := c.Run.Vars[name]; ok {
			return starlark.String(value), nil
		}
		if c.Args.Given("default") {
			return c.Args.Value("default"), nil
		}
		known := "none was given"
		if len(c.Run.Vars) > 0 {
			names := make([]string, 0, len(c.Run.Vars))
			for n := range c.Run.Vars {
				names = append(names, n)
			}
			slices.Sort(names)
			known = "given are " + strings.Join(names, ", ")
		}
		return nil, fmt.Errorf("variable %q is not set (%s): give --var %s=VALUE, or a default", name, known, name)
	},
}
