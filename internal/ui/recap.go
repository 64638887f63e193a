package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"starling/internal/event"
)

// recapHosts is how many hosts the recap lists one by one; of more, only those that failed. It is also how many
// unreaped jobs a terminal is shown.
const recapHosts = 20

// hostStates are the ends of a host's thread, in the order in which they are counted.
var hostStates = [...]string{"ok", "failed", "unreachable", "interrupted"}

// recap remembers how hosts ended and which jobs nobody reaped.
type recap struct {
	paint    painter
	began    time.Time
	started  map[string]time.Time
	order    []string // hosts in the order of the run
	ends     map[string]event.Event
	first    event.Event    // the end of the host that failed first
	changed  map[string]int // calls that changed a host
	unreaped []event.Event
}

func newRecap(paint painter) *recap {
	return &recap{paint: paint, started: map[string]time.Time{}, ends: map[string]event.Event{}, changed: map[string]int{}}
}

func (r *recap) take(e event.Event) {
	switch e.Kind {
	case event.RunStart:
		r.began = e.Time
		for _, host := range e.Hosts {
			r.know(host)
		}
	case event.HostStart:
		r.know(e.Host)
		r.started[e.Host] = e.Time
	case event.HostEnd:
		r.know(e.Host)
		if e.Elapsed == 0 && !r.started[e.Host].IsZero() {
			e.Elapsed = e.Time.Sub(r.started[e.Host])
		}
		if e.State != "ok" && e.State != "interrupted" && r.first.Host == "" {
			r.first = e
		}
		// A host that each() goes to several times has as many ends: the worst one counts, and the time of all.
		if was, again := r.ends[e.Host]; again {
			e.Elapsed += was.Elapsed
			if stateRank(was.State) > stateRank(e.State) {
				e.State, e.Msg, e.Hint = was.State, was.Msg, was.Hint
			}
		}
		r.ends[e.Host] = e
	case event.CallEnd:
		if e.Changed {
			r.changed[e.Host]++
		}
	case event.Unreaped:
		r.unreaped = append(r.unreaped, e)
	}
}

func (r *recap) know(host string) {
	if _, known := r.started[host]; !known {
		r.started[host] = time.Time{}
		r.order = append(r.order, host)
	}
}

// write tells it all, once, with reasons cut to a terminal of cols columns, 0 for as long as they are; end is the event
// that ended the run. A run in which there was nothing to tell has no recap.
func (r *recap) write(to *scroll, end event.Event, cols int) {
	if len(r.ends) == 0 && len(r.unreaped) == 0 {
		return
	}
	counts := map[string]int{}
	for _, e := range r.ends {
		counts[e.State]++
	}
	to.add(false, "\n")
	if len(r.ends) > 0 {
		to.add(false, r.headline(counts, end)+"\n")
	}
	r.writeHosts(to, counts, cols)
	if counts["ok"]+counts["interrupted"] < len(r.ends)-1 && !r.began.IsZero() {
		line := fmt.Sprintf("the first of these was %s, after %s", Safe(r.first.Host), Duration(r.first.Time.Sub(r.began)))
		if why := reason(r.first); why != "" {
			line += ": " + fitting(why, cols, runewidth.StringWidth(line)+2)
		}
		to.add(false, line+"\n")
	}
	r.writeUnreaped(to, cols)
	*r = *newRecap(r.paint)
}

func (r *recap) headline(counts map[string]int, end event.Event) string {
	var parts []string
	for _, state := range hostStates {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, r.paint.state(state)))
		}
	}
	if n := len(r.order) - len(r.ends); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n, r.paint.in(yellow, "not begun")))
	}
	changed := 0
	for _, n := range r.changed {
		changed += n
	}
	if changed > 0 {
		parts = append(parts, count(changed, "change"))
	}
	if n := len(r.unreaped); n > 0 {
		parts = append(parts, r.paint.in(yellow, count(n, "unreaped job")))
	}
	text := count(len(r.order), "host") + ": " + strings.Join(parts, ", ")
	elapsed := end.Elapsed
	if elapsed == 0 && !r.began.IsZero() {
		elapsed = end.Time.Sub(r.began)
	}
	if elapsed > 0 {
		text += ", in " + Duration(elapsed)
	}
	return text
}

func (r *recap) writeHosts(to *scroll, counts map[string]int, cols int) {
	if len(r.order) == 1 {
		return // the headline has said it, and the line of its end why
	}
	slices.SortStableFunc(r.order, func(a, b string) int {
		return stateRank(r.ends[a].State) - stateRank(r.ends[b].State)
	})
	names, states, changes := 0, 0, 0
	var listed []event.Event
	for _, host := range r.order {
		e, ended := r.ends[host]
		if !ended || (e.State == "ok" || e.State == "interrupted") && len(r.ends) > recapHosts {
			continue
		}
		listed = append(listed, e)
		names = max(names, runewidth.StringWidth(Safe(host)))
		states = max(states, len(e.State))
		changes = max(changes, len(r.changes(host)))
	}
	for _, e := range listed {
		fill := strings.Repeat(" ", states-len(e.State))
		line := fmt.Sprintf("%s  %s  %6s", fill, padded(Safe(e.Host), names), Duration(e.Elapsed))
		if changes > 0 {
			line += "  " + padded(r.changes(e.Host), changes)
		}
		if why := reason(e); why != "" && e.State != "ok" {
			if cols > 0 && e.RC != nil && e.Msg != "" {
				why = fmt.Sprintf("rc %d: %s", *e.RC, why) // the message may be cut before it says so
			}
			line += "  " + fitting(why, cols, 2+len(e.State)+runewidth.StringWidth(line)+2)
		}
		to.add(false, "  "+r.paint.state(Safe(e.State))+strings.TrimRight(line, " ")+"\n")
	}
}

// changes says how often a host was changed, "" for never.
func (r *recap) changes(host string) string {
	if r.changed[host] == 0 {
		return ""
	}
	return count(r.changed[host], "change")
}

// fitting makes s safe and, on a terminal of cols columns, short enough for one line of which used are taken; 0 columns
// are no terminal. However narrow it is, some of s is left.
func fitting(s string, cols, used int) string {
	if cols == 0 {
		return Safe(s)
	}
	return inOneLine(s, max(cols-used, 20))
}

// stateRank is the place of a state in hostStates.
func stateRank(state string) int { return slices.Index(hostStates[:], state) }

// writeUnreaped lists the jobs that nobody reaped, each with the command that helps; many of them on a terminal are
// cut short, and that command comes once.
func (r *recap) writeUnreaped(to *scroll, cols int) {
	if len(r.unreaped) == 0 {
		return
	}
	to.add(false, "jobs that nobody reaped:\n")
	shown := r.unreaped
	if cols > 0 && len(shown) > recapHosts {
		shown = shown[:recapHosts]
	}
	for _, e := range shown {
		line := fmt.Sprintf("  %s  %s  %s%s", Safe(e.Host), Safe(e.Job), r.paint.state(Safe(e.State)), quoted(e.Name))
		if e.Pos != "" {
			line += "  " + r.paint.in(dim, Safe(e.Pos))
		}
		if why := reason(e); why != "" && e.State == "unknown" {
			line += "\n    " + Safe(why)
		}
		if e.Hint != "" && len(shown) == len(r.unreaped) {
			line += "\n    " + Safe(e.Hint)
		}
		to.add(false, line+"\n")
	}
	if more := len(r.unreaped) - len(shown); more > 0 {
		line := fmt.Sprintf("  … and %d more", more)
		// What helps against a job in doubt is for that one alone.
		one := r.unreaped[max(slices.IndexFunc(r.unreaped, func(e event.Event) bool { return e.State != "unknown" }), 0)]
		if one.Hint != "" {
			line += "\n    " + Safe(strings.TrimSuffix(one.Hint, " "+one.Job))
		}
		to.add(false, line+"\n")
	}
}
