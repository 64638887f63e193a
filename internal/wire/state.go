package wire

import (
	"fmt"
	"time"
)

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

	// Absent: nothing was ever started under this id, and a start is safe. For
	// a job that was acknowledged before, it means Lost.
	Absent State = "absent"
	// Purged: cleaned, and no result had been recorded.
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
func (f Facts) Derive(now HostIdentity) (State, string) {
	switch {
	case f.Ended:
		return f.result()
	case f.Token != nil && f.Token.Cancelled():
		return Cancelled, "it was cancelled before it started"
	case f.Gone:
		return Purged, "it was cleaned up without a recorded result"
	case !f.Go && f.Token == nil:
		if f.Attempts > 0 {
			return Absent, "a start was begun and has not taken effect"
		}
		return Absent, "nothing was started under this id"
	case f.Token == nil:
		return Running, "it has just started, or its token can't be read"
	case f.Token.Boot == "" || now.Boot == "":
		if f.Supervisor == Dead && f.Leader == Dead {
			return f.dead()
		}
		return f.living("the boot identity is not known")
	case !SameBoot(f.Token.Boot, now.Boot):
		if f.Token.Host != now.Host {
			return Unknown, fmt.Sprintf("it belongs to the host %s, and %s was asked", orUnknown(f.Token.Host), orUnknown(now.Host))
		}
		return Lost, fmt.Sprintf("the host rebooted (boot %s -> %s)", f.Token.Boot, now.Boot)
	case f.Supervisor == Dead && f.Leader == Dead:
		if f.Cause == "" && f.Token.Pid1 != "" && now.Pid1 != "" && f.Token.Pid1 != now.Pid1 {
			return Lost, "the container restarted"
		}
		return f.dead()
	}
	return f.living("")
}

// living judges a job of which something runs.
func (f Facts) living(note string) (State, string) {
	switch {
	case f.Supervisor == Dead:
		return Orphaned, "it runs, but its supervisor was killed: its result can't be known"
	case f.Supervisor == Weak:
		return Running, "this host gives processes no start time, so this is likely, not certain"
	case f.Cause != "":
		return Running, "it is being killed (" + f.Cause + ")"
	}
	return Running, note
}

// dead judges a job of which nothing runs and whose result nobody recorded.
func (f Facts) dead() (State, string) {
	switch {
	case f.Cause == "timeout":
		return TimedOut, "it was killed at its limit; its supervisor was dead by then"
	case f.Cause != "":
		return Cancelled, "it was killed; its supervisor was dead by then"
	case f.LeaderPid == 0:
		return Lost, "its supervisor was killed; the command may not have started"
	}
	return Lost, "its supervisor was killed"
}

func (f Facts) result() (State, string) {
	detail := ""
	if f.ExitCode != 0 {
		detail = fmt.Sprintf("exit code %d", f.ExitCode)
	}
	signal := f.ExitCode - 128
	if signal > 0 && signal <= 64 {
		detail = fmt.Sprintf("killed by signal %d", signal)
	}
	flag := f.Flag
	if flag == 'k' {
		// The disk was full when the cause was written; the limit tells.
		flag = 'c'
		if f.Token != nil && f.Token.Limit > 0 && f.Elapsed >= f.Token.Limit {
			flag = 'l'
		}
	}
	switch {
	case flag == 'c':
		return Cancelled, f.kill("it was cancelled")
	case flag == 'l':
		limit := ""
		if f.Token != nil && f.Token.Limit > 0 {
			limit = " of " + f.Token.Limit.Round(time.Millisecond).String()
		}
		return TimedOut, f.kill("it was killed at its limit" + limit)
	case flag == 't' && signal > 0:
		return Terminated, "the host or its admin ended it (" + detail + ")"
	case f.ExitCode == 0:
		return Succeeded, detail
	}
	return Failed, detail
}

func (f Facts) kill(what string) string {
	if f.Survivors > 0 {
		return fmt.Sprintf("%s; %d processes could not be killed", what, f.Survivors)
	}
	return what
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}
