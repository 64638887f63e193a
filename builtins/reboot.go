package builtins

import (
	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

var reboot = Builtin{
	Effect: Host,
	Spec: spec.Spec{
		Name:    "reboot",
		Summary: "Reboot the host and come back when it has booted anew, accepts logins and answers.",
		Params: []spec.Param{
			{Name: "timeout", Type: spec.Duration, Default: "600", Positional: true, Doc: "The one deadline for all of it."},
			{Name: "pre_delay", Type: spec.Duration, Default: "0", Doc: "How long to wait before the host is told to reboot."},
			{Name: "post_delay", Type: spec.Duration, Default: "0",
				Doc: "How long to wait, once the host was told, before it is asked for the first time."},
			{Name: "connect_timeout", Type: spec.Duration, Default: "10", Doc: "The deadline of each attempt to connect."},
			{Name: "test_command", Type: spec.String, Default: `"true"`,
				Doc: "What must exit with 0 before the host counts as back."},
			{Name: "command", Type: spec.String, Default: `""`,
				Doc: "The command that reboots; \"\" finds shutdown, reboot or systemctl."},
			{Name: "boot_id_command", Type: spec.String, Default: `""`,
				Doc: "A command whose one line of output differs after each boot; \"\" reads the kernel's boot id. For " +
					"containers and systems without one."},
			{Name: "msg", Type: spec.String, Default: `""`, Doc: "What logged-in users are told."},
			commonName, commonIgnore,
		},
		Returns: "A Result with changed True, and elapsed from the call to the host's return.",
		Fails: "When the boot id can't be read before, the reboot command is refused, the host never goes down (rebooted: " +
			"false), it does not come back in time, or it comes back with another host key. Jobs that the reboot killed are lost, or terminated where the host sent them a TERM.",
		Example: `reboot(timeout=60)
print(run("echo back").stdout)`,
	},
	Check: func(c *Call) (starlark.Value, error) {
		return &Result{c.Host.Skip(job.Command{Name: c.Args.String("name"), Display: "reboot", Pos: c.Pos}, false, "would reboot")}, nil
	},
	Do: func(c *Call) (starlark.Value, error) {
		r, err := c.Host.Reboot(c.Ctx, job.Reboot{
			Name:           c.Args.String("name"),
			Pos:            c.Pos,
			Timeout:        c.Args.Duration("timeout"),
			PreDelay:       c.Args.Duration("pre_delay"),
			PostDelay:      c.Args.Duration("post_delay"),
			ConnectTimeout: c.Args.Duration("connect_timeout"),
			TestCommand:    c.Args.String("test_command"),
			Command:        c.Args.String("command"),
			BootIDCommand:  c.Args.String("boot_id_command"),
			Message:        c.Args.String("msg"),
			Before:         c.Noted,
			Note:           c.Note,
		})
		return c.concludeOr(r, err)
	},
}

// concludeOr is conclude for builtins whose failure is an error with more to say than their Result: the caller who
// ignores errors gets the Result, with the error as its msg.
func (c *Call) concludeOr(r job.Result, err error) (starlark.Value, error) {
	if err != nil && c.Ctx.Err() == nil && c.Args.Bool("ignore_errors") {
		return &Result{r}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Result{r}, nil
}
