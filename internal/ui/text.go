package ui

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"starling/internal/event"
)

// Safe returns s so that it can be shown on a terminal without driving it: control characters, bytes that are not
// UTF-8, and the marks that turn the direction of text or break a line unseen become visible, as \x1b or \u202e. A tab
// stays a tab. Text that a host sent is shown in no other way.
func Safe(s string) string {
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1, unsafe(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

func unsafe(r rune) bool {
	switch {
	case r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r == utf8.RuneError: // perhaps a byte that is no UTF-8; Safe looks closer
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true // bidirectional marks, and Unicode's own line and paragraph ends
	}
	return false
}

// Duration returns d as people say it, at most two units: 350ms, 1.2s, 42s, 3m20s, 30m, 2h05m, 1d03h. A negative one
// counts as zero, which is 0s.
func Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		tenths := int(d / (100 * time.Millisecond))
		if tenths%10 == 0 {
			return fmt.Sprintf("%ds", tenths/10)
		}
		return fmt.Sprintf("%d.%ds", tenths/10, tenths%10)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	const day = 24 * time.Hour
	two := func(big, small time.Duration, b, s string) string {
		if d%big/small == 0 {
			return fmt.Sprintf("%d%s", d/big, b)
		}
		return fmt.Sprintf("%d%s%02d%s", d/big, b, d%big/small, s)
	}
	switch {
	case d < time.Hour:
		return two(time.Minute, time.Second, "m", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	}
	return two(day, time.Hour, "d", "h")
}

// clock is Duration for a time that is passing: whole seconds.
func clock(d time.Duration) string { return Duration(d.Truncate(time.Second)) }

// inOneLine makes s safe and narrow enough for one line of cols columns.
func inOneLine(s string, cols int) string {
	s = runewidth.Truncate(strings.ReplaceAll(Safe(s), "\t", " "), cols, "…")
	if short, cut := strings.CutSuffix(s, "……"); cut { // what had been cut already has been cut just there
		return short + "…"
	}
	return s
}

// padded fills s up to cols columns.
func padded(s string, cols int) string { return runewidth.FillRight(s, cols) }

// first returns the first line of s that is not empty.
func first(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// reason is the first line of what e says of an end, without the host and the state that stand before it in any case;
// the exit code where nothing is said. Of an interruption the place counts: why it was is known to who interrupted.
func reason(e event.Event) string {
	if e.State == "interrupted" && e.Kind == event.HostEnd && e.Pos != "" {
		return "at " + e.Pos
	}
	text := first(e.Msg)
	if text == "" && e.Kind == event.HostEnd && e.RC != nil {
		return fmt.Sprintf("rc %d", *e.RC)
	}
	who, what, found := strings.Cut(text, ": ")
	if !found || who == e.Host || strings.ContainsFunc(who, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }) {
		who, what = "", text
	} else {
		who += ": " // a builtin
	}
	what = strings.TrimPrefix(what, e.Host+": ")
	return who + strings.TrimPrefix(what, e.State+": ")
}

// visible returns what a terminal would have left standing of a line that redraws itself, as progress bars do.
func visible(line string) string {
	line = strings.TrimRight(line, "\r\n")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

// painter says whether colours may be used.
type painter bool

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// in returns s in a colour, an SGR parameter.
func (p painter) in(color, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// state paints the name of a state of a job, a call or a host.
func (p painter) state(s string) string {
	switch s {
	case "ok", "succeeded":
		return p.in(green, s)
	case "running", "skipped":
		return s
	case "unknown", "orphaned", "cancelled", "interrupted":
		return p.in(yellow, s)
	}
	return p.in(red, s)
}
