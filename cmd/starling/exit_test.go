package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/wire"
	"starling/interp"
)

// Of several codes the one that docs/scripting.md names first counts, in whatever order they come.
func TestGraver(t *testing.T) {
	order := []int{exitInterrupted, exitUsage, exitUnreaped, exitFailed, exitUnreachable, exitOK}
	for i, first := range order {
		for _, later := range order[i:] {
			require.Equal(t, first, graver(first, later))
			require.Equal(t, first, graver(later, first))
		}
	}
}

func TestExitCode(t *testing.T) {
	ok := interp.Outcome{Host: "web1"}
	failed := interp.Outcome{Host: "web2", Err: errors.New("no")}
	away := interp.Outcome{Host: "web3", Err: &transport.UnreachableError{Host: "web3", Op: "dial", Err: errors.New("refused")}}
	stopped := interp.Outcome{Host: "web4", Err: &interp.InterruptedError{Err: errors.New("stopped")}}
	running, ended := job.Result{State: wire.Running}, job.Result{State: wire.Failed}
	for _, tt := range []struct {
		name     string
		outcomes []interp.Outcome
		unreaped []job.Result
		policy   string
		want     int
	}{
		{"all well", []interp.Outcome{ok}, nil, "fail", exitOK},
		{"one away", []interp.Outcome{ok, away}, nil, "fail", exitUnreachable},
		{"one away, one failed", []interp.Outcome{away, failed, ok}, nil, "fail", exitFailed},
		{"a job that nobody came back for", []interp.Outcome{failed}, []job.Result{running}, "fail", exitUnreaped},
		{"one that is only warned of", []interp.Outcome{ok}, []job.Result{running}, "warn", exitOK},
		{"one that failed while it was waited for", []interp.Outcome{ok}, []job.Result{ended}, "wait", exitFailed},
		{"one that could not be waited for", []interp.Outcome{ok}, []job.Result{ended, running}, "wait", exitUnreaped},
		{"interrupted", []interp.Outcome{failed, stopped}, []job.Result{running}, "fail", exitInterrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, exitCode(tt.outcomes, tt.unreaped, tt.policy))
		})
	}
}
