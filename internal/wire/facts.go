package wire

import "time"

// HostIdentity says which host answered and in which boot it is. It is part of
// every look.
type HostIdentity struct {
	Boot   string // boot identity: a UUID or "boottime:<sec>"; "": none, see Reason
	Reason string // why Boot is empty
	Host   string // the host's name, as the kernel has it
	Pid1   string // start time of process 1 (differs when a container restarts); "": unknown
	Epoch  int64  // the host's clock, seconds UTC
	Uptime time.Duration
}

// HostFacts is what Probe finds.
type HostFacts struct {
	Proto      int
	Base       string // absolute; "": no usable directory, see BaseReason
	BaseReason string
	Identity   HostIdentity

	// KillUser is this user's name where systemd-logind ends its processes
	// when the last session does, so that a job needs a scope of its own; ""
	// elsewhere. Scope is how it gets one ("system", "user"); "" with KillUser
	// set means that it can't, for ScopeReason.
	KillUser    string
	Scope       string
	ScopeReason string
}

// A Token is the line that decided a job's start: the content of its go file.
type Token struct {
	Proto   int
	Attempt string
	Pid     int    // of the supervisor
	Start   string // start time of Pid; "": unknown (weak identity)
	Boot    string
	Host    string
	Pid1    string
	Epoch   int64 // start, seconds UTC by the host's clock
	Limit   time.Duration
	Grace   time.Duration

	uptime time.Duration // the host's at the start; 0: unknown
}

// Cancelled reports whether a cancel took the token, so that the job never starts.
func (t Token) Cancelled() bool { return t.Attempt == "cancelled" }

// Liveness is what a look found about one process.
type Liveness int

const (
	Dead  Liveness = iota
	Alive          // same pid, same start time, no zombie
	Weak           // the pid exists, its start time is not known
)

// Output is one stream of a job.
type Output struct {
	Size   int64  // bytes written so far
	Start  int64  // offset of Data's first byte
	Data   []byte // the window asked for; nil: none
	Shrunk bool   // Size is smaller than the offset asked for: the file was cut
}

// Facts is what one look found of a job: files and liveness, no judgement.
// Derive judges.
type Facts struct {
	Base, ID string
	Present  bool   // the job's directory has something in it
	Attempts int    // attempt directories
	Go       bool   // the token exists
	Token    *Token // its content; nil: none, or not readable
	Gone     bool   // cleaned: a tombstone

	Ended    bool // a result is recorded
	RawCode  int  // $? as the host's shell had it
	ExitCode int  // RawCode with every shell's signal codes made 128+n
	// Flag is '-' for its own end, 'c' for a cancel, 'l' for the limit, 'k' for
	// one of these two when the disk was too full to say which, 't' when its
	// supervisor had been told to end.
	Flag     byte
	Elapsed  time.Duration // until its end, or by now; 0: unknown, or none yet
	EndEpoch int64         // seconds UTC; 0: unknown

	Cause      string // "timeout" or "cancel": somebody set out to kill it
	CauseEpoch int64
	Killed     bool // the kill is over
	Survivors  int  // processes the kill could not end
	Leftovers  int  // processes of its group still there after its own end

	LeaderPid   int // the command; 0: not recorded
	LeaderStart string
	Supervisor  Liveness
	Leader      Liveness // looked at only when Supervisor is not Alive

	Out, Err Output
}

// StartEpoch is the start in seconds UTC by the host's clock, 0 when unknown.
func (f Facts) StartEpoch() int64 {
	if f.Token == nil {
		return 0
	}
	return f.Token.Epoch
}
