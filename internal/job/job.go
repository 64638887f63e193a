// Package job is the engine: it starts, watches, reads, cancels and reaps the jobs of a host, runs attached commands
// there and reboots it, over a transport.Transport and in the protocol of package wire. It knows no Starlark, no
// inventory and no terminal; what must outlive the program goes through a Recorder, what a person may want to see
// through an event.Sink.
package job

import (
	"context"
	"slices"
	"time"

	"starling/internal/transport"
	"starling/internal/wire"
)

// State is how a job stands (docs/protocol.md, "States").
type State = wire.State

// Result is what is known of one command, attached or detached, at one moment. It has the same shape whatever made
// it.
type Result struct {
	Host    string
	Name    string // the label the script gave, else ""
	Cmd     string // as a person would type it
	ID      string // job id; "" for an attached command
	State   State
	RC      int  // exit code; meaningful when HasRC
	HasRC   bool // false while it runs, and when the end left no code behind
	Changed bool
	// Stdout and Stderr are the last bytes of each stream, at most the engine's cap; Msg says when some were cut.
	Stdout, Stderr []byte
	Started        time.Time     // by this machine's clock; zero when it is not known
	Elapsed        time.Duration // until the end, or until the moment of the look
	Limit          time.Duration // the ceiling; zero for none
	Msg            string        // one sentence on anything beyond the exit code; "" when there is nothing to say
	Pos            string        // where in a script the job was started, file:line:col; "" when unknown
}

// Ended reports whether r tells the end of the job: a running job has none yet, and one that cannot be asked about
// may have or not.
func (r Result) Ended() bool { return ended(r.State) }

func ended(s State) bool { return s.Final() || s == wire.Skipped }

// Failed reports whether r is anything but a success, a job still running, or a skipped command.
func (r Result) Failed() bool {
	return r.State != wire.Succeeded && r.State != wire.Running && r.State != wire.Skipped
}

// Record is one detached job as the journal keeps it.
type Record struct {
	ID      string
	Run     string           // id of the run that started it
	Step    string           // which of the run's calls started it; "" when the run can't be resumed
	Target  transport.Target // where it is, and how that host was reached
	Key     string           // under which the job is found again on its host; "" for most
	KeyGen  int              // which of the key's generations it is
	Become  wire.Become      // the user it runs as there; zero is the login user
	Base    string           // the protocol's folder on the host, absolute
	Name    string
	Cmd     string
	Pos     string
	Limit   time.Duration // zero for none
	OKCodes []int         // exit codes that are a success; nil is zero alone
	Created time.Time     // when the intent was written
	Seen    Seen
}

// Phase is how far the life of a job has come in the eyes of those who may see it.
type Phase string

const (
	Intended Phase = "intended" // written down; whether the host has it is not known
	Started  Phase = "started"  // the host acknowledged it
	Reaped   Phase = "reaped"   // somebody asked for its end and saw it
	Released Phase = "released" // detach: it is left to itself on purpose
	Refused  Phase = "refused"  // the host refused the start, or could not be reached: there is no such job
)

// Seen is the newest that is known of a job.
type Seen struct {
	Phase   Phase
	State   State // "" before the first answer
	RC      int
	HasRC   bool
	Started time.Time // zero when not known
	Ended   time.Time // zero when it has not ended
	At      time.Time // when this was seen
	Msg     string
}

// Then is what is known of a job when now was seen of it after s, within two bounds. Its phase only moves forward, in the
// order of rank. And once its end is known, only another end replaces it: an answer that tells none, given by a look that
// was overtaken, changes the phase alone.
func (s Seen) Then(now Seen) Seen {
	if now.Phase.rank() < s.Phase.rank() {
		now.Phase = s.Phase
	}
	if ended(s.State) && !ended(now.State) {
		s.Phase = now.Phase
		return s
	}
	return now
}

// rank orders the phases. Refused is before started: that a host was heard to have the job outweighs an attempt that
// did not reach it. Reaped is last: a job that was let go may still be asked for its end.
func (p Phase) rank() int {
	return slices.Index([]Phase{Refused, Started, Released, Reaped}, p)
}

// Recorder keeps jobs where they outlive the program.
type Recorder interface {
	// Intend writes a job down before anything of it is sent. When it fails, the job is not started. An id that is
	// on record is an error, unless its job was refused: that was none.
	Intend(ctx context.Context, r Record) error
	// Update replaces what is known of a job, as Seen.Then does.
	Update(ctx context.Context, id string, s Seen) error
	// Find returns the job with this id, or ErrNoRecord.
	Find(ctx context.Context, id string) (Record, error)
}
