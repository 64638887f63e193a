package main

import (
	"errors"

	"starling/interp"
)

// The exit codes, all of them (docs/scripting.md). When several apply, the first of this order counts: interrupted,
// misuse, unreaped, failed, unreachable.
const (
	exitOK          = 0
	exitFailed      = 1   // a host's script, or a job, failed
	exitUsage       = 2   // wrong use, or a script that does not compile
	exitUnreaped    = 3   // jobs were started whose end nobody has seen
	exitUnreachable = 4   // a host could not be reached
	exitInterrupted = 130 // Ctrl-C
)

// codeError is an error with an exit code of its own. With a nil Err everything has been said already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *codeError) Unwrap() error { return e.err }

// usage marks err as wrong use.
func usage(err error) error { return &codeError{exitUsage, err} }

// codeOf returns the exit code for what a command returned.
func codeOf(err error) int {
	var coded *codeError
	var interrupted *interp.InterruptedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &interrupted), errors.Is(err, errInterrupted):
		return exitInterrupted
	case interp.Unreachable(err):
		return exitUnreachable
	}
	return exitFailed
}

// graver returns the one of two exit codes that counts when both apply.
func graver(a, b int) int {
	for _, code := range []int{exitInterrupted, exitUsage, exitUnreaped, exitFailed, exitUnreachable} {
		if code == a || code == b {
			return code
		}
	}
	return exitOK
}
