package wire

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEncodeRefuses(t *testing.T) {
	id, at := "j-0123456789abcdef", testNonce
	for _, row := range []struct {
		name string
		req  Request
	}{
		{"relative base", Start{Base: "x", ID: id, Attempt: at}},
		{"base of two lines", Probe{Base: "/x\ny"}},
		{"no base", List{}},
		{"short id", Start{Base: "/b", ID: "short", Attempt: at}},
		{"path as id", Start{Base: "/b", ID: "../../etc/0123456789", Attempt: at}},
		{"id like an option", Start{Base: "/b", ID: "-rf0123456789abcdef", Attempt: at}},
		{"id with a line", Look{Jobs: []LookJob{{Base: "/b", ID: id + "\nid"}}}},
		{"id with a semicolon", Clean{Base: "/b", IDs: []string{id + ";id"}}},
		{"no attempt", Start{Base: "/b", ID: id}},
		{"attempt with a space", Start{Base: "/b", ID: id, Attempt: at + " x"}},
		{"scope", Start{Base: "/b", ID: id, Attempt: at, Scope: "; id"}},
		{"negative limit", Start{Base: "/b", ID: id, Attempt: at, Limit: -time.Second}},
		{"variable name", Start{Base: "/b", ID: id, Attempt: at, Env: map[string]string{"A;B": ""}}},
		{"private variable", Start{Base: "/b", ID: id, Attempt: at, Env: map[string]string{"_slat": ""}}},
		{"NUL in a value", Start{Base: "/b", ID: id, Attempt: at, Env: map[string]string{"A": "\x00"}}},
		{"NUL in a command", Start{Base: "/b", ID: id, Attempt: at, Cmd: []byte("a\x00")}},
		{"NUL in an argument", Shell{Cookie: at, Argv: []string{"a", "\x00"}}},
		{"NUL in a directory", Shell{Cookie: at, Chdir: "\x00"}},
		{"empty vector", Start{Base: "/b", ID: id, Attempt: at, Argv: []string{}}},
		{"cause", Kill{Base: "/b", ID: id, Nonce: at, Why: "whim"}},
		{"process 1", KillTree{Cookie: at, Pid: 1}},
		{"reboot nonce", RebootStatus{Base: "/b", Nonce: "../x"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, err := Encode(testNonce, 1, row.req)
			require.ErrorIs(t, err, ErrRequest)
			require.True(t, strings.HasPrefix(err.Error(), "wire: request refused: "), err)
			require.Nil(t, b)
		})
	}
	_, err := Encode("short", 1, Ping{})
	require.ErrorIs(t, err, ErrRequest)
	_, err = Encode(testNonce, 0, Ping{})
	require.ErrorIs(t, err, ErrRequest)
}

// The shells themselves say whether a quoted word is what was meant.
func FuzzQuote(f *testing.F) {
	for _, s := range oddValues {
		f.Add(s)
	}
	f.Add("é'\\x\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			t.Skip()
		}
		word := ascii(s)
		require.NotRegexp(t, `[^\x00-\x7f]`, word)
		for _, w := range []string{word, raw(s)} {
			for _, sh := range []string{"dash", "bash"} {
				out, err := exec.Command(sh, "-c", "printf %s. "+w).Output()
				require.NoError(t, err)
				require.Equal(t, s+".", string(out))
			}
		}
	})
}

func TestPrivatesNamesAll(t *testing.T) {
	text := privates()
	for _, name := range []string{"_slput", "_sl_emit", "_sl_start", "_sl_alive", "_sln", "_slsup", "_slr", "_slh", "_slN", "_slx"} {
		require.Contains(t, strings.Fields(strings.ReplaceAll(text, ";", " ")), name)
	}
}
