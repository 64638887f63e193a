package builtins

import (
	"fmt"
	"strings"
	"time"

	"starling/internal/job"
	"starling/internal/wire"
)

// FailedError is one or more commands that ended badly. It is what ends a script when a command fails.
type FailedError struct {
	Results []job.Result // those that failed; at least one
}

// excerpt is how many lines of each stream an error shows; the hint says where the rest is.
const excerpt = 10

func (e *FailedError) Error() string {
	var b strings.Builder
	if len(e.Results) > 1 {
		fmt.Fprintf(&b, "%d jobs failed", len(e.Results))
		for i := range e.Results {
			b.WriteString("\n" + Describe(&e.Results[i]))
		}
		return b.String()
	}
	return Describe(&e.Results[0])
}

// Hint returns the command that shows all that the failed jobs wrote.
func (e *FailedError) Hint() string {
	for i := range e.Results {
		if e.Results[i].ID != "" {
			return "starling jobs logs " + e.Results[i].ID
		}
	}
	return ""
}

// Describe tells the end of one command: host, job, what was run, how it ended, after how long, the ends of its
// output.
func Describe(r *job.Result) string {
	var b strings.Builder
	b.WriteString(r.Host + ": ")
	if r.ID != "" {
		fmt.Fprintf(&b, "job %s: ", r.ID)
	}
	if r.Name != "" {
		fmt.Fprintf(&b, "%s: ", r.Name)
	}
	if r.Cmd != "" { // another controller's job: only that one knows
		fmt.Fprintf(&b, "%q ", firstLine(r.Cmd))
	}
	b.WriteString(ending(r))
	if r.ID != "" && r.Pos != "" {
		b.WriteString(", started at " + r.Pos)
	}
	if r.Msg != "" {
		b.WriteString("; " + r.Msg)
	}
	for _, stream := range []struct {
		name string
		data []byte
	}{{"stdout", r.Stdout}, {"stderr", r.Stderr}} {
		if lines := lastLines(string(text(stream.data)), excerpt); lines != "" {
			b.WriteString("\n  " + stream.name + ": " + strings.ReplaceAll(lines, "\n", "\n  "+strings.Repeat(" ", len(stream.name)+2)))
		}
	}
	return b.String()
}

func ending(r *job.Result) string {
	after := ""
	if r.Elapsed > 0 {
		precision := 100 * time.Millisecond
		if r.Elapsed < time.Second {
			precision = time.Millisecond
		}
		after = " after " + r.Elapsed.Round(precision).String()
	}
	switch r.State {
	case wire.Failed:
		if r.HasRC {
			return fmt.Sprintf("failed with rc %d%s", r.RC, after)
		}
		return "failed" + after
	case wire.TimedOut:
		if r.Limit > 0 && r.Msg == "" { // where there is a message it says so
			return fmt.Sprintf("timed out: still running at its limit of %s", r.Limit)
		}
		return "timed out" + after
	case wire.Lost:
		return "is lost"
	case wire.Orphaned:
		return "is orphaned"
	case wire.Unknown:
		return "is in an unknown state"
	}
	return strings.ReplaceAll(string(r.State), "_", " ") + after
}

// firstLine is a command, or the beginning of a long one, as much as it takes to know it again.
func firstLine(s string) string {
	const most = 100
	line, _, cut := strings.Cut(s, "\n")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	if cut {
		return line + " …"
	}
	return line
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	if len(lines) > n {
		lines = append([]string{fmt.Sprintf("… (%d lines before)", len(lines)-n)}, lines[len(lines)-n:]...)
	}
	for i, line := range lines {
		lines[i] = head(line)
	}
	return strings.Join(lines, "\n")
}

// head is the beginning of a long line, as much as an error can show.
func head(line string) string {
	const most = 300
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return line
}

// UnknownOutcomeError is an attached command that was under way when its program died: whether it ran to its end is
// not known, and to run it again may be wrong.
type UnknownOutcomeError struct {
	Host, Cmd, Pos string
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s: %q at %s was under way when the program died: what came of it is not known", e.Host, firstLine(e.Cmd), e.Pos)
}

// Hint returns the ways on.
func (e *UnknownOutcomeError) Hint() string {
	return "look at the host, then starling resume --rerun-unknown to run it again; creates=, removes=, key= or async= make a command safe to resume"
}
