package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"starling/internal/transport"
	"starling/internal/ui"
	"starling/interp"
)

// voice is how the program itself speaks: on standard error, without capitals and full stops, an error first and
// then, where there is one, the hint with the command that helps. What runs tell is internal/ui's.
type voice struct{ w io.Writer }

// report says err, unless all was said.
func (v voice) report(err error) {
	if err == nil || err.Error() == "" {
		return
	}
	v.errorf("%s", safe(err.Error()))
	v.hint(hintOf(err))
}

// safe is text of several lines, some of which may come from a host, for a terminal.
func safe(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = ui.Safe(line)
	}
	return strings.Join(lines, "\n")
}

func (v voice) errorf(format string, args ...any) {
	fmt.Fprintf(v.w, "starling: error: "+format+"\n", args...)
}

func (v voice) warn(text string) { fmt.Fprintf(v.w, "starling: warning: %s\n", text) }

func (v voice) hint(text string) {
	if text != "" {
		fmt.Fprintf(v.w, "starling: hint: %s\n", text)
	}
}

// script says the error of a script: its position first, then the traceback and the hint.
func (v voice) script(host string, err error) {
	if host != "" {
		fmt.Fprintf(v.w, "\n%s:\n", host)
	}
	io.WriteString(v.w, interp.Render(err, interp.TraceOptions{}))
}

// hintOf returns what helps against err, or "".
func hintOf(err error) string {
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	return transport.Hint(err)
}
