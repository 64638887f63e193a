package main

import (
	"context"

	"github.com/spf13/cobra"
)

// root is the command line.
type root struct {
	io       streams
	cobra    *cobra.Command
	flags    common
	become   becomeFlags
	prompter prompter
	signals  *signals
}

// common are the flags that every command that reaches hosts takes.
type common struct {
	inventories []string
	sshConfig   string
	acceptNew   bool
	journal     string
	verbose     int
}

func newRoot(io streams, signals *signals) *root {
	r := &root{io: io, signals: signals, prompter: prompter{io: io}}
	r.cobra = &cobra.Command{
		Use:   "starling",
		Short: "Run Starlark scripts on machines over SSH; start work that outlives the connection, and come back for it",
		Long: `Starling runs Starlark scripts that drive machines over SSH. A call such as run("make", async=1800, poll=0)
becomes a job on the host that outlives the connection; async_status(job, retries=60, delay=30) comes back for it.

  starling run --sandbox 1 examples/quickstart/main.star     try it, with nothing installed
  starling run deploy.star --on web1,web2                    once per host, side by side
  starling jobs                                              every job that was started, and how it ended`,
		Version:       version(),
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	r.cobra.SetIn(io.in)
	r.cobra.SetOut(io.out)
	r.cobra.SetErr(io.err)
	r.cobra.SetFlagErrorFunc(flagError)
	r.cobra.SetVersionTemplate("starling {{.Version}}\n")
	flags := r.cobra.PersistentFlags()
	flags.StringArrayVarP(&r.flags.inventories, "inventory", "i", nil, "take hosts and groups from this `SOURCE`: a file, folder, executable or list \"a,b,\"; may be given again (default $STARLING_INVENTORY, else inventory.star, .yaml, .yml or .ini here)")
	flags.StringVarP(&r.flags.sshConfig, "ssh-config", "F", "", "read this ssh_config `file` in place of the user's and the system's")
	flags.BoolVar(&r.flags.acceptNew, "accept-new", false, "trust and remember the key of a host that no known_hosts file names")
	flags.StringVar(&r.flags.journal, "journal", "", "keep runs and jobs in this `file` (default $STARLING_JOURNAL, else starling/journal.db in the XDG state folder)")
	flags.CountVarP(&r.flags.verbose, "verbose", "v", "say more")
	r.cobra.AddCommand(r.runCommand(), r.execCommand(), r.jobsCommand(), r.runsCommand(), r.resumeCommand(), r.hostsCommand(), r.lintCommand(), r.replCommand(), r.docCommand(), r.versionCommand())
	r.strict()
	return r
}

func (r *root) run(ctx context.Context, args []string) error {
	r.cobra.SetArgs(args)
	return r.cobra.ExecuteContext(ctx)
}

func (r *root) voice() voice { return voice{r.io.err} }
