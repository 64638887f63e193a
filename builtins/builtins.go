// Package builtins is the vocabulary of a script: a file per builtin, its Spec beside its function. A builtin gets
// its arguments unpacked and its host found; it never sees how it was called. What happens around every call (check
// of the context, host, module loading, events, redaction) is the gate's, in package interp, and builtins are only
// reachable through it. The control builtins each and attempt, which make threads, are in interp too.
package builtins

import (
	"context"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
)

// Effect says what a builtin touches. The gate goes by it.
type Effect int

const (
	// Pure builtins compute; they may be called anywhere.
	Pure Effect = iota
	// Control builtins call functions of the script; what those do goes through the gate by itself.
	Control
	// Outside builtins ask for a fact of the world that is no host's: a variable of the run, the time.
	Outside
	// Jobs builtins act on jobs, each on its own host; they need no current host when every job says where it is.
	Jobs
	// Host builtins act on the current host.
	Host
)

// Builtin is one word of the vocabulary.
type Builtin struct {
	Spec   spec.Spec
	Effect Effect
	// Do carries the call out. The value it returns is frozen by the gate. An error is prefixed with the builtin's
	// name there; an error with a Hint method keeps it.
	Do func(c *Call) (starlark.Value, error)
	// Check carries the call out in a dry run: it changes nothing on a host and says what Do would do. nil: Do itself
	// changes nothing.
	Check func(c *Call) (starlark.Value, error)
	// Label is what progress calls the call; nil is the builtin's name.
	Label func(a spec.Args) string
}

// Call is one call of a builtin.
type Call struct {
	Ctx    context.Context // ends with the run, with the host's thread, or at Ctrl-C
	Thread *starlark.Thread
	Args   spec.Args
	Pos    string    // where in the script, file:line:col
	Host   *job.Host // the current host; nil when there is none, which a Host builtin never sees
	Run    *Run

	// Step identifies the call in its run. Begun says that an earlier program began it and died before it knew what
	// came of it; Noted is then what that program had kept with Note, or "".
	Step  string
	Begun bool
	Noted string
	Note  func(text string) error
	// After has something done once the outcome of the call is written down, which it takes away from where it could be
	// asked for again. What comes of it is no part of the outcome: an error is a warning.
	After func(do func() error)
	// Diff shows those who watch what changes in a file, as lines.
	Diff func(text string)
}

// Run is what the calls of one program run share.
type Run struct {
	Engine *job.Engine
	// Locate returns the host on which a job of an earlier run lives, or an error that wraps job.ErrNoRecord.
	Locate func(ctx context.Context, id string) (*job.Host, error)
	// Hosts returns the hosts that a pattern means.
	Hosts func(ctx context.Context, pattern string) ([]*job.Host, error)
	// About returns what the inventory says of a host: its groups, and a dict of its variables; nil: nothing of any.
	About func(name string) (groups []string, vars starlark.Value)
	// Become returns as which user calls act on a host; nil: as the one that logs in.
	Become func(host string) Become
	// Passing says that the hosts end with this program, as a sandbox's do.
	Passing bool
	// Check makes it a dry run: nothing on a host changes.
	Check bool
	// Diff has the calls that change files show what changes in them.
	Diff bool
	// Rerun says that an attached command whose end is not known may be run again when a run is resumed.
	Rerun bool
	// Vars are the --var name=value pairs.
	Vars map[string]string
	// Read is told of every file of this machine that a call reads, before the call acts by it: its absolute path and
	// the SHA-256 of what is in it, in hexadecimal. Its error ends the call. nil: nobody wants to know.
	Read func(path, sum string) error
}

// common are the parameters that every host builtin takes.
var commonName = spec.Param{Name: "name", Type: spec.String, Default: `""`,
	Doc: "A label for progress, reports and errors, in place of the command."}

var commonIgnore = spec.Param{Name: "ignore_errors", Type: spec.Bool, Default: "False",
	Doc: "Return the failed Result instead of ending the script; a host that can't be reached is still an error."}

// All returns the vocabulary, in the order of its documentation.
func All() []Builtin {
	return privileged([]Builtin{
		run, asyncStatus, wait, waitAny, cancel, detach, jobs, output,
		reboot, waitForConnection, ping,
		copyFile,
		host, hosts, variable, quote,
	})
}
