package job

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoRecord is what a Recorder answers about a job it has never heard of.
var ErrNoRecord = errors.New("no such job in the journal")

// IDError is text that is no job id, or the id of a job that is somewhere else. Nothing was sent.
type IDError struct {
	ID      string
	Problem string
}

func (e *IDError) Error() string { return fmt.Sprintf("job id %q: %s", e.ID, e.Problem) }

// AbsentError is a host that was asked and does not know the job.
type AbsentError struct {
	Host, ID string
	Base     string // the folder in which the host looked
	// InDoubt says that the job was written down here and its start never acknowledged: it has not begun.
	InDoubt bool
}

func (e *AbsentError) Error() string {
	if e.InDoubt {
		return fmt.Sprintf("%s: job %s has not begun: its start was not acknowledged, and the host knows nothing of it (looked in %s)", e.Host, e.ID, e.Base)
	}
	return fmt.Sprintf("%s: no job %s on this host (looked in %s)", e.Host, e.ID, e.Base)
}

// Hint returns the command that helps.
func (e *AbsentError) Hint() string {
	if e.InDoubt {
		return "starling jobs cancel " + e.ID + "   # it can't begin any more then, and is settled"
	}
	return "starling jobs list   # which jobs are known, and where"
}

// StartError is a job that the host refused to start. It did not run and will not.
type StartError struct {
	Host, ID string
	Reason   string
	Help     string // what to do about it; may be ""
}

func (e *StartError) Error() string {
	return fmt.Sprintf("%s: job %s was not started: %s", e.Host, e.ID, e.Reason)
}

// Hint returns what to do about the refusal.
func (e *StartError) Hint() string { return e.Help }

// InDoubtError is a start whose answer never came: whether the job runs is not known, and one look tells.
type InDoubtError struct {
	Host, ID string
	Err      error
}

func (e *InDoubtError) Error() string {
	return fmt.Sprintf("%s: job %s: its start was not acknowledged; whether it runs is not known: %v", e.Host, e.ID, e.Err)
}
func (e *InDoubtError) Unwrap() error { return e.Err }

// Hint returns the command that settles the question.
func (e *InDoubtError) Hint() string { return "starling jobs show " + e.ID }

// UnaskedError is a job that could not be asked about: the host says nothing about it, and that says nothing about
// the job.
type UnaskedError struct {
	Host  string
	IDs   []string
	Since time.Time     // when the host last answered; zero when it never did
	Looks int           // how many looks failed since
	Over  time.Duration // from the first of these to the last
	Err   error
}

func (e *UnaskedError) Error() string {
	seen := "it never answered"
	if !e.Since.IsZero() {
		seen = "it last answered at " + e.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s: job %s: the host could not be asked (%d looks failed over %s, %s); the job may still run: %v",
		e.Host, strings.Join(e.IDs, ", "), e.Looks, e.Over.Round(100*time.Millisecond), seen, e.Err)
}
func (e *UnaskedError) Unwrap() error { return e.Err }

// Hint returns the command that asks again.
func (e *UnaskedError) Hint() string { return "starling jobs reap " + strings.Join(e.IDs, " ") }

// ProtocolError is a host whose shell could be reached and does not speak the protocol.
type ProtocolError struct {
	Host    string
	Problem string
	Noise   string // the end of what came instead, as the host wrote it
	Help    string
}

func (e *ProtocolError) Error() string {
	if e.Noise == "" {
		return e.Host + ": " + e.Problem
	}
	return fmt.Sprintf("%s: %s; it said: %q", e.Host, e.Problem, e.Noise)
}

// Hint returns what to look at.
func (e *ProtocolError) Hint() string { return e.Help }

// RebootError is a reboot that did not come to its end.
type RebootError struct {
	Host     string
	Rebooted bool // a new boot was seen
	Problem  string
	Err      error // the last thing that went wrong on the way back; may be nil
	Help     string
}

func (e *RebootError) Error() string {
	text := fmt.Sprintf("%s: %s (rebooted: %t)", e.Host, e.Problem, e.Rebooted)
	if e.Err != nil {
		text += ": last tried: " + e.Err.Error()
	}
	return text
}
func (e *RebootError) Unwrap() error { return e.Err }

// Hint returns what to look at.
func (e *RebootError) Hint() string { return e.Help }

// NeverStarted reports whether err, of Start, proves that the job did not run and will not.
func NeverStarted(err error) bool {
	var doubt *InDoubtError
	return !errors.As(err, &doubt)
}
