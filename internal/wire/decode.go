package wire

// Started is the answer to Start.
type Started struct {
	Outcome StartOutcome
	Token   *Token // of the attempt that owns the job; nil for StartFailed and StartShort
	Reason  string // why it failed
}

// StartOutcome says what became of a Start.
type StartOutcome string

const (
	StartStarted StartOutcome = "started" // this attempt runs it
	StartExists  StartOutcome = "exists"  // another did, or a cancel came first (Token.Attempt "cancelled")
	StartFailed  StartOutcome = "failed"  // nothing runs; it may be sent again
	StartShort   StartOutcome = "short"   // the request came incomplete; nothing runs
)

// Looked is the answer to Look and List.
type Looked struct {
	Identity HostIdentity
	Jobs     []Facts // in the order of the request; List: by id
}

// KillOutcome is the answer to Kill and KillTree.
type KillOutcome string

const (
	KillKilling KillOutcome = "killing" // under way, look for the end
	KillEnded   KillOutcome = "ended"   // it had ended before
	KillAbsent  KillOutcome = "absent"  // it was never started, and now never will be
	KillRefused KillOutcome = "refused" // the process can't be identified safely (or is of another boot or host)
)

// Killed is the answer to Kill and KillTree.
type Killed struct {
	Outcome KillOutcome
	Reason  string
}

// Cleaned is the answer to Clean: what was refused, by id, with the reason.
// Everything else is gone.
type Cleaned struct{ Refused map[string]string }

// Rebooting is the answer to Reboot.
type Rebooting struct {
	Accepted bool
	Reason   string
}

// RebootResult is the answer to RebootStatus.
type RebootResult struct {
	Known  bool // the command has ended, Code and Output are its
	Code   int
	Output []byte // its last kilobytes, both streams
}

// DecodePing returns nil for the answer to a Ping.
func DecodePing(frames []Frame) error { return nil }

// DecodeBoot reads the answer to Boot.
func DecodeBoot(frames []Frame) (HostIdentity, error) { return HostIdentity{}, nil }

// DecodeProbe reads the answer to Probe.
func DecodeProbe(frames []Frame) (HostFacts, error) { return HostFacts{}, nil }

// DecodeStart reads the answer to Start.
func DecodeStart(frames []Frame) (Started, error) { return Started{}, nil }

// DecodeLook reads the answer to req.
func DecodeLook(frames []Frame, req Look) (Looked, error) { return Looked{}, nil }

// DecodeList reads the answer to req.
func DecodeList(frames []Frame, req List) (Looked, error) { return Looked{}, nil }

// DecodeKill reads the answer to Kill and to KillTree.
func DecodeKill(frames []Frame) (Killed, error) { return Killed{}, nil }

// DecodeClean reads the answer to Clean.
func DecodeClean(frames []Frame) (Cleaned, error) { return Cleaned{}, nil }

// DecodeReboot reads the answer to Reboot.
func DecodeReboot(frames []Frame) (Rebooting, error) { return Rebooting{}, nil }

// DecodeRebootStatus reads the answer to RebootStatus.
func DecodeRebootStatus(frames []Frame) (RebootResult, error) { return RebootResult{}, nil }
