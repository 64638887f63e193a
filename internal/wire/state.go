package wire

// A State is what a look's facts amount to.
type State string

// The states of a job. They are never folded into one another.
const (
	Running    State = "running"
	Succeeded  State = "succeeded"
	Failed     State = "failed"
	TimedOut   State = "timed_out"
	Cancelled  State = "cancelled"
	Terminated State = "terminated" // the host or its admin ended it
	Lost       State = "lost"       // its end can't be known any more
	Orphaned   State = "orphaned"   // it runs, but its supervisor was killed
	Unknown    State = "unknown"    // the question could not be answered
	Skipped    State = "skipped"    // never derived; for callers

	// Absent: nothing was ever started under this id. For a job that was
	// acknowledged before, that means Lost.
	Absent State = "absent"
	// Launching: an attempt is being written and has not taken the token.
	Launching State = "launching"
	// Purged: a tombstone without a result.
	Purged State = "purged"
)

// Final reports whether a job in this state can't change any more.
func (s State) Final() bool {
	switch s {
	case Succeeded, Failed, TimedOut, Cancelled, Terminated, Lost, Purged:
		return true
	}
	return false
}

// Derive judges the facts of a job as seen by the host now. The detail is a
// clause for people, "" when there is nothing to add.
func (f Facts) Derive(now HostIdentity) (State, string) { return Unknown, "" }
