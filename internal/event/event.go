// Package event is what a run tells those who watch it: the live view, the plain lines, the JSON stream. Events go
// one way: a sink cannot answer, fail or hold the run up. It holds no rendering.
package event

import "time"

// Kind names what happened. The names are part of the JSON stream (docs/scripting.md) and never change their meaning.
type Kind string

const (
	RunStart   Kind = "run_start"   // a script begins; Msg is its path, Hosts the hosts it was given
	RunEnd     Kind = "run_end"     // all is over; Code is the exit code
	HostStart  Kind = "host_start"  // a host's thread begins
	HostEnd    Kind = "host_end"    // a host's thread ended; State is ok, failed, unreachable or interrupted; Msg the error
	HostWaits  Kind = "host_waits"  // a call waits for its turn, as --forks other hosts are worked on
	HostTurn   Kind = "host_turn"   // the turn of a host that waited has come, or the call has given up
	CallStart  Kind = "call_start"  // a builtin begins to act on a host
	CallEnd    Kind = "call_end"    // it ended; State is the Result's, RC its exit code
	Skip       Kind = "skip"        // a call was not carried out: a dry run, or nothing to do; Msg says which
	JobStart   Kind = "job_start"   // a host acknowledged a detached job
	JobLook    Kind = "job_look"    // a job was looked at and still runs; Line is its last line of output
	JobEnd     Kind = "job_end"     // a job's end was seen; State, RC
	JobMissed  Kind = "job_missed"  // a look could not be made; Msg says why, the job's own state is not known
	Unreaped   Kind = "unreaped"    // the run ends and nobody has seen the end of this job; Hint reaps it
	Diff       Kind = "diff"        // what changes, or would change, in a file of the host; Msg is the lines
	Output     Kind = "output"      // text a script printed; Msg is the line without its newline
	Warning    Kind = "warning"     // something a person should know; Hint helps
	HostStatus Kind = "host_status" // connection news of a host: going down, waiting for it, back; Msg says which
)

// Event is one thing that happened. Fields that do not apply are zero.
type Event struct {
	Time    time.Time     `json:"time"`
	Kind    Kind          `json:"kind"`
	Run     string        `json:"run,omitempty"`
	Host    string        `json:"host,omitempty"`
	Hosts   []string      `json:"hosts,omitempty"`
	Call    int64         `json:"call,omitempty"`    // identifies a call between its start and its end
	Builtin string        `json:"builtin,omitempty"` // its name in the script
	Name    string        `json:"name,omitempty"`    // the label the script gave, else the command, shortened
	Job     string        `json:"job,omitempty"`     // job id
	Pos     string        `json:"pos,omitempty"`     // file:line:col in the script
	State   string        `json:"state,omitempty"`
	RC      *int          `json:"rc,omitempty"`
	Changed bool          `json:"changed,omitempty"`    // the call may have changed the host
	Limit   time.Duration `json:"limit_ns,omitempty"`   // the job's ceiling, zero for none
	Elapsed time.Duration `json:"elapsed_ns,omitempty"` // since the call or the job began
	Line    string        `json:"line,omitempty"`       // last line of output, as the host wrote it: not safe for a terminal
	Msg     string        `json:"msg,omitempty"`
	Hint    string        `json:"hint,omitempty"`
	Trace   string        `json:"trace,omitempty"` // what a person is shown of a script's error
	Code    *int          `json:"code,omitempty"`
}

// Sink takes events. It may be called from many goroutines at once and must return soon.
type Sink func(Event)
