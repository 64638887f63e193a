package wire

import "time"

// A Request is one exchange on a command channel. The types of this package
// are the only ones.
type Request interface {
	encode(b *builder) error
}

var (
	_ Request = Ping{}
	_ Request = Boot{}
	_ Request = Probe{}
	_ Request = Start{}
	_ Request = Look{}
	_ Request = Kill{}
	_ Request = Clean{}
	_ Request = List{}
	_ Request = Shell{}
	_ Request = KillTree{}
	_ Request = Reboot{}
	_ Request = RebootStatus{}
)

// Ping asks for nothing but an answer. See DecodePing.
type Ping struct{}

// Boot asks who the host is and which boot it is in, without a fork on hosts
// that have /proc. See DecodeBoot.
type Boot struct{}

// Probe asks what a start needs to know about a host and user, once. Base is
// the configured directory (absolute), or "" for the first of
// $HOME/.local/state/starling, /var/tmp/starling-UID and /tmp/starling-UID that
// is the user's own and in which a file could really be written and linked.
// See DecodeProbe.
type Probe struct{ Base string }

// Start starts a job at most once, however often it is sent: what was started
// before under the same ID is answered as Exists. See DecodeStart.
type Start struct {
	Base    string // HostFacts.Base
	ID      string // ValidID; never used for anything else
	Attempt string // ValidNonce; a new one for every attempt

	// Cmd is the text of a shell script, run as a file by /bin/sh. When Argv
	// is not nil it is used instead: an argument vector, no shell syntax.
	Cmd  []byte
	Argv []string

	// Env is set for the job on top of the login environment. A name must be a
	// shell identifier; a value may be any bytes but NUL.
	Env map[string]string
	// Chdir is where the command runs; relative to the home, which "" means.
	// When it can't be entered the job ends with code 126 and a line on err.
	Chdir string
	Stdin []byte // empty: /dev/null

	// Limit is the ceiling the host enforces; 0: none. On hosts whose sleep
	// takes no fractions it is rounded up to whole seconds.
	Limit time.Duration
	Grace time.Duration // from TERM to KILL; 0: DefaultGrace; negative: KILL at once
	Scope string        // HostFacts.Scope: "", "system" or "user"
}

// A Window is a stretch of a job's output to bring.
type Window struct {
	Offset int64 // first byte wanted; negative: the last Max (or Final) bytes
	Max    int64 // most bytes to bring while the job runs; 0: none
	Final  int64 // used instead of Max when the job has ended, if greater than Max
}

// LookJob is one job of a Look.
type LookJob struct {
	Base, ID string
	Out, Err Window
	// Settled says that the end of this job is known already: it does not cut
	// a Wait short.
	Settled bool
}

// Look asks for the facts of any number of jobs, and for stretches of their
// output, in one exchange. See DecodeLook.
type Look struct {
	Jobs []LookJob
	// Wait is how long the host may wait for a change before it answers: for
	// the first job that is not Settled to be anything but running under its
	// supervisor. 0: it answers at once. A job that already is (ended, lost,
	// absent) and is not Settled makes it answer at once, too.
	Wait time.Duration
}

// Kill asks the host to end a job: TERM, Grace, KILL for its whole tree. The
// host does it by itself; the answer does not wait for it. A job that was
// never started is made unstartable. See DecodeKill.
type Kill struct {
	Base, ID string
	Nonce    string        // ValidNonce, a new one for every request
	Grace    time.Duration // as in Start
	Why      string        // "cancel" (also when empty) or "timeout"
}

// Clean removes what is left of jobs that have ended, all but a tombstone that
// keeps a late start from running (and the name that holds the result). Jobs
// that run are refused; Force cleans one whose supervisor is dead although its
// command may still run. Old tombstones are swept by the way. See DecodeClean.
type Clean struct {
	Base  string
	IDs   []string
	Force bool
}

// List asks for the facts of every job below Base, tombstones included.
// See DecodeList.
type List struct{ Base string }

// Shell runs a command attached: it is the only request of its exec, written
// right after Open; what follows on standard input is the command's own, and
// so are standard output, standard error (each after a marker, see
// ShellStreams) and the exit status.
type Shell struct {
	Cookie string // ValidNonce; marks the command's processes for KillTree
	Cmd    []byte // as in Start
	Argv   []string
	Env    map[string]string
	Chdir  string
}

// KillTree ends the tree of an attached Shell, from another channel. Pid and
// Start are what its marker said. See DecodeKill.
type KillTree struct {
	Cookie string
	Pid    int
	Start  string
	Grace  time.Duration // as in Start
}

// Reboot makes the host run a command detached, about Delay (at least a
// second) after the acknowledgement. "" finds the host's own way, the PATH's
// first. See DecodeReboot.
type Reboot struct {
	Base    string
	Nonce   string // ValidNonce; names the record that RebootStatus reads
	Command string
	Message string // shown to users by the default command; may be empty
	Delay   time.Duration
}

// RebootStatus asks what became of a Reboot's command, for a host that is
// still there. See DecodeRebootStatus.
type RebootStatus struct {
	Base  string
	Nonce string
}
