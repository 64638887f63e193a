package ui

import (
	"fmt"
	"strings"
	"time"

	"starling/internal/event"
)

// stillEvery lies between two lines that say that a job still runs, with Options.Verbose 1.
const stillEvery = time.Minute

// lines turns events into lines that stay.
type lines struct {
	verbose int
	paint   painter
	single  bool                 // the run has exactly one host
	live    bool                 // a live area shows what runs
	hosts   map[string]bool      // those that were heard of
	shown   map[string]time.Time // when a job that still runs was last spoken of
	ended   map[string]string    // the state in which a job's end was told: it may be seen again and again
	missed  map[string]bool      // hosts whose last look could not be made, and that was told
}

func newLines(o Options, paint painter) *lines {
	return &lines{
		verbose: o.Verbose,
		paint:   paint,
		single:  len(o.Hosts) == 1,
		live:    o.Mode == Terminal,
		hosts:   map[string]bool{},
		shown:   map[string]time.Time{},
		ended:   map[string]string{},
		missed:  map[string]bool{},
	}
}

// add writes the lines for e, if it has any.
func (l *lines) add(to *scroll, e event.Event) {
	e.Job = Safe(e.Job)
	l.hosts[e.Host] = true
	if l.routine(e) && l.live && len(l.hosts) > recapHosts && l.verbose < 1 {
		return
	}
	switch e.Kind {
	case event.Output, event.Diff:
		l.output(to, e)
	case event.RunStart:
		l.single = len(e.Hosts) == 1
		if l.verbose >= 1 {
			l.say(to, e, fmt.Sprintf("run %s of %s on %s", e.Run, e.Msg, count(len(e.Hosts), "host")))
		}
	case event.HostStart:
		l.sayFrom(2, to, e, "started")
	case event.HostEnd:
		l.hostEnd(to, e)
	case event.CallStart:
		l.sayFrom(2, to, e, "begins "+label(e)+l.pos(e))
	case event.CallEnd:
		l.sayFrom(1, to, e, label(e)+" "+l.end(e))
	case event.Skip:
		l.say(to, e, Safe(e.Msg)+quoted(e.Name)+l.pos(e))
	case event.JobStart:
		limit := ""
		if e.Limit > 0 {
			limit = " (limit " + Duration(e.Limit) + ")"
		}
		l.shown[e.Job] = e.Time
		l.say(to, e, fmt.Sprintf("started job %s%s%s%s", e.Job, quoted(e.Name), limit, l.pos(e)))
	case event.JobLook:
		l.jobLook(to, e)
	case event.JobEnd:
		l.jobEnd(to, e)
	case event.JobMissed:
		if !l.missed[e.Host] || l.verbose >= 2 {
			l.say(to, e, l.paint.in(yellow, "cannot be asked for its jobs")+": "+Safe(reason(e)))
		}
		l.missed[e.Host] = true
	case event.Warning:
		head, rest, more := strings.Cut(e.Msg, "\n")
		l.say(to, e, l.paint.in(yellow, "warning")+": "+Safe(strings.TrimPrefix(head, e.Host+": ")))
		for line := range strings.SplitSeq(rest, "\n") {
			if more {
				to.add(false, Safe(line)+"\n")
			}
		}
		l.hint(to, e)
	case event.HostStatus:
		l.say(to, e, Safe(e.Msg))
	}
}

// routine reports whether e is one of the many events of a run that goes well. With many hosts the live area tells
// them, and lines for all would drown what matters.
func (l *lines) routine(e event.Event) bool {
	return e.Kind == event.JobStart || e.Kind == event.JobEnd && e.State == "succeeded" || e.Kind == event.HostStatus ||
		e.Kind == event.HostEnd && e.State == "interrupted"
}

// output writes what a script printed, and what changes in files.
func (l *lines) output(to *scroll, e event.Event) {
	prefix := ""
	if e.Host != "" && !l.single {
		prefix = Safe(e.Host) + " | "
	}
	for line := range strings.SplitSeq(e.Msg, "\n") {
		to.add(true, prefix+Safe(line)+"\n")
	}
}

func (l *lines) hostEnd(to *scroll, e event.Event) {
	if e.State == "ok" {
		l.sayFrom(1, to, e, l.end(event.Event{State: e.State, Elapsed: e.Elapsed}))
		return
	}
	head := l.paint.state(Safe(e.State))
	switch why := reason(e); {
	case why == "":
	case e.State == "interrupted":
		head += " " + Safe(why)
	default:
		head += ": " + Safe(why)
	}
	l.say(to, e, head) // the error is told in full at the end, with what helps
}

func (l *lines) jobLook(to *scroll, e event.Event) {
	l.missed[e.Host] = false
	last, known := l.shown[e.Job]
	if !known {
		l.shown[e.Job] = e.Time
	}
	if l.verbose < 2 && (l.verbose < 1 || !known || e.Time.Sub(last) < stillEvery) {
		return
	}
	l.shown[e.Job] = e.Time
	text := fmt.Sprintf("job %s still runs after %s", e.Job, passed(e.Elapsed, e.Limit))
	if line := visible(e.Line); line != "" {
		text += ": " + l.paint.in(dim, inOneLine(line, 100))
	}
	l.say(to, e, text)
}

func (l *lines) jobEnd(to *scroll, e event.Event) {
	l.missed[e.Host] = false
	delete(l.shown, e.Job)
	if l.ended[e.Job] == e.State {
		return
	}
	l.ended[e.Job] = e.State
	l.say(to, e, "job "+e.Job+" "+l.end(e))
}

// end says how a call or a job ended: the state, the exit code unless it is the plain zero, the time, the reason.
func (l *lines) end(e event.Event) string {
	text := l.paint.state(Safe(e.State))
	if e.RC != nil && *e.RC != 0 {
		text += fmt.Sprintf(" (rc %d)", *e.RC)
	}
	if e.Elapsed > 0 {
		text += " after " + Duration(e.Elapsed)
	}
	if why := reason(e); why != "" && e.State != "succeeded" {
		text += ": " + Safe(why)
	}
	return text
}

func (l *lines) pos(e event.Event) string {
	if e.Pos == "" {
		return ""
	}
	return " " + l.paint.in(dim, Safe(e.Pos))
}

func (l *lines) hint(to *scroll, e event.Event) {
	if e.Hint != "" {
		l.say(to, e, "hint: "+Safe(e.Hint))
	}
}

func (l *lines) sayFrom(verbose int, to *scroll, e event.Event, text string) {
	if l.verbose >= verbose {
		l.say(to, e, text)
	}
}

// say writes one line; text is safe already.
func (l *lines) say(to *scroll, e event.Event, text string) {
	who := "starling"
	if e.Host != "" {
		who = Safe(e.Host)
	}
	to.add(false, who+": "+text+"\n")
}

// label is what a call or a job is called.
func label(e event.Event) string {
	switch {
	case e.Name != "" && e.Builtin != "":
		return Safe(e.Builtin) + quoted(e.Name)
	case e.Name != "":
		return Safe(e.Name)
	case e.Builtin != "":
		return Safe(e.Builtin)
	}
	return Safe(e.Job)
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return ` "` + inOneLine(name, 60) + `"`
}

// passed is a time that has passed of a limit, zero for none.
func passed(d, limit time.Duration) string {
	if limit <= 0 {
		return clock(d)
	}
	return clock(d) + "/" + Duration(limit)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
