package inventory

import (
	"fmt"
	"strings"
)

// SourceError is an inventory, or a file of variables beside one, that can't be used.
type SourceError struct {
	File    string // as it was given, or found below what was given
	Line    int    // from 1; 0 when the problem has no line
	Problem string
	Advice  string // what helps; may be empty
}

func (e *SourceError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// Hint returns what helps, or "".
func (e *SourceError) Hint() string { return e.Advice }

// PatternError is a pattern that can't be read, or that names what there is not.
type PatternError struct {
	Pattern, Problem string
	Advice           string // what helps; may be empty
}

func (e *PatternError) Error() string { return fmt.Sprintf("pattern %q: %s", e.Pattern, e.Problem) }

// Hint returns what helps, or "".
func (e *PatternError) Hint() string { return e.Advice }

// HostError is a host that the inventory describes in a way that can't be followed. Other hosts are not affected.
type HostError struct {
	Host    string
	Source  string // file:line of the variable
	Problem string
}

func (e *HostError) Error() string { return fmt.Sprintf("%s: %s: %s", e.Host, e.Source, e.Problem) }

// UnusableError names the hosts of a choice that can't be reached as their inventory says.
type UnusableError struct {
	Hosts []error // a *HostError each; never empty
}

func (e *UnusableError) Error() string {
	const shown = 5
	var lines []string
	for _, err := range e.Hosts[:min(shown, len(e.Hosts))] {
		lines = append(lines, err.Error())
	}
	if more := len(e.Hosts) - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more hosts", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors one by one.
func (e *UnusableError) Unwrap() []error { return e.Hosts }
