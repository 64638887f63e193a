package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDerive(t *testing.T) {
	now := HostIdentity{Boot: "boot-1", Host: "h", Pid1: "18"}
	go1 := &Token{Attempt: "a", Pid: 7, Start: "70", Boot: "boot-1", Host: "h", Pid1: "18", Limit: time.Minute}
	with := func(f func(*Token)) *Token {
		t := *go1
		f(&t)
		return &t
	}
	for _, row := range []struct {
		name   string
		facts  Facts
		now    HostIdentity
		state  State
		detail string
	}{
		{"nothing", Facts{}, now, Absent, "nothing was started under this id"},
		{"an attempt only", Facts{Present: true, Attempts: 1}, now, Absent, "a start was begun and has not taken effect"},
		{"token not read yet", Facts{Present: true, Go: true}, now, Running, "it has just started, or its token can't be read"},
		{"running", Facts{Go: true, Token: go1, Supervisor: Alive, Leader: Alive}, now, Running, ""},
		{"leader not there yet", Facts{Go: true, Token: go1, Supervisor: Alive}, now, Running, ""},
		{"being killed", Facts{Go: true, Token: go1, Supervisor: Alive, Cause: "cancel"}, now, Running, "it is being killed (cancel)"},
		{"weak", Facts{Go: true, Token: go1, Supervisor: Weak}, now, Running, "this host gives processes no start time, so this is likely, not certain"},
		{"orphaned", Facts{Go: true, Token: go1, Leader: Alive, LeaderPid: 8}, now, Orphaned, "it runs, but its supervisor was killed: its result can't be known"},
		{"lost", Facts{Go: true, Token: go1, LeaderPid: 8}, now, Lost, "its supervisor was killed"},
		{"lost before the command", Facts{Go: true, Token: go1}, now, Lost, "its supervisor was killed; the command may not have started"},
		{"killed without supervisor", Facts{Go: true, Token: go1, LeaderPid: 8, Cause: "timeout"}, now, TimedOut, "it was killed at its limit; its supervisor was dead by then"},
		{"cancelled without supervisor", Facts{Go: true, Token: go1, LeaderPid: 8, Cause: "cancel"}, now, Cancelled, "it was killed; its supervisor was dead by then"},
		{"container restarted", Facts{Go: true, Token: with(func(t *Token) { t.Pid1 = "17" }), LeaderPid: 8}, now, Lost, "the container restarted"},
		{"rebooted", Facts{Go: true, Token: with(func(t *Token) { t.Boot = "boot-0" }), Supervisor: Alive}, now, Lost, "the host rebooted (boot boot-0 -> boot-1)"},
		{"elsewhere", Facts{Go: true, Token: with(func(t *Token) { t.Boot, t.Host = "boot-0", "g" })}, now, Unknown, "it belongs to the host g, and h was asked"},
		{"boot time moved with the clock", Facts{Go: true, Token: with(func(t *Token) { t.Boot = "boottime:1000" }), Supervisor: Alive},
			HostIdentity{Boot: "boottime:1090", Host: "h"}, Running, ""},
		{"boot time of another boot", Facts{Go: true, Token: with(func(t *Token) { t.Boot = "boottime:1000" }), Supervisor: Alive},
			HostIdentity{Boot: "boottime:1190", Host: "h"}, Lost, "the host rebooted (boot boottime:1000 -> boottime:1190)"},
		{"no boot identity, dead", Facts{Go: true, Token: go1, LeaderPid: 8}, HostIdentity{}, Lost, "its supervisor was killed"},
		{"no boot identity, alive", Facts{Go: true, Token: go1, Supervisor: Alive}, HostIdentity{}, Running, "the boot identity is not known"},
		{"purged", Facts{Go: true, Gone: true, Token: go1}, now, Purged, "it was cleaned up without a recorded result"},
		{"cancelled before the start", Facts{Go: true, Token: &Token{Attempt: "cancelled"}}, now, Cancelled, "it was cancelled before it started"},
		{"succeeded", Facts{Go: true, Token: go1, Ended: true, Flag: '-'}, now, Succeeded, ""},
		{"a result outlives a reboot", Facts{Go: true, Token: with(func(t *Token) { t.Boot = "boot-0" }), Ended: true, Flag: '-'}, now, Succeeded, ""},
		{"failed", Facts{Go: true, Token: go1, Ended: true, ExitCode: 3, Flag: '-'}, now, Failed, "exit code 3"},
		{"signal", Facts{Go: true, Token: go1, Ended: true, ExitCode: 137, Flag: '-'}, now, Failed, "killed by signal 9"},
		{"limit", Facts{Go: true, Token: go1, Ended: true, ExitCode: 143, Flag: 'l'}, now, TimedOut, "it was killed at its limit of 1m0s"},
		{"survivors", Facts{Go: true, Token: go1, Ended: true, ExitCode: 143, Flag: 'c', Survivors: 2}, now, Cancelled, "it was cancelled; 2 processes could not be killed"},
		{"cause unknown, past the limit", Facts{Go: true, Token: go1, Ended: true, Flag: 'k', Elapsed: time.Hour}, now, TimedOut, "it was killed at its limit of 1m0s"},
		{"cause unknown, before the limit", Facts{Go: true, Token: go1, Ended: true, Flag: 'k'}, now, Cancelled, "it was cancelled"},
		{"terminated", Facts{Go: true, Token: go1, Ended: true, ExitCode: 143, Flag: 't'}, now, Terminated, "the host or its admin ended it (killed by signal 15)"},
		{"told to end, its own code", Facts{Go: true, Token: go1, Ended: true, ExitCode: 1, Flag: 't'}, now, Failed, "exit code 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			state, detail := row.facts.Derive(row.now)
			require.Equal(t, row.state, state)
			require.Equal(t, row.detail, detail)
		})
	}
}

func TestFold(t *testing.T) {
	for raw, want := range map[int]int{0: 0, 1: 1, 127: 127, 137: 137, 265: 137, 393: 137, 255: 255, 256: 256, 384: 384} {
		require.Equal(t, want, fold(raw), raw)
	}
}

// A damaged fact file is as good as none.
func TestDamagedFacts(t *testing.T) {
	id := "j-0123456789abcdef"
	frames := func(lines string) []Frame {
		return []Frame{{Verb: "I", Text: "- 5000 18 vm boottime:5"}, {Verb: "FACTS", Data: []byte("asked " + id + "\n" + lines)}}
	}
	req := Look{Jobs: []LookJob{{Base: "/b", ID: id}}}
	for _, lines := range []string{"run " + id + " 12", "run " + id + " 12 cause " + id + " timeout 1 2 .", "go " + id + " 1 a 2", "rc"} {
		got, err := DecodeLook(frames(lines), req)
		require.NoError(t, err)
		require.Equal(t, Facts{Base: "/b", ID: id}, got.Jobs[0], lines)
	}
	_, err := DecodeLook(frames("")[:1], req)
	require.ErrorIs(t, err, ErrAnswer)
}
