package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirstLight(t *testing.T) {
	for _, s := range hostShells {
		t.Run(s.name, func(t *testing.T) {
			h := newHost(t, shell(t, s.program, s.pkg))
			c := h.open()
			require.NoError(t, DecodePing(c.ask(Ping{})))
			facts, err := DecodeProbe(c.ask(Probe{Base: h.base}))
			require.NoError(t, err)
			t.Logf("%+v", facts)
			id := newID()
			got := c.start(Start{Base: facts.Base, ID: id, Cmd: []byte("echo hello; echo oops >&2; exit 7")})
			require.Equal(t, StartStarted, got.Outcome, "%+v", got)
			st, detail, f := c.await(facts.Base, id)
			require.Equal(t, Failed, st, detail)
			require.Equal(t, "hello\n", string(f.Out.Data))
			require.Equal(t, "oops\n", string(f.Err.Data))
			require.Equal(t, 7, f.ExitCode)
			t.Logf("%+v", f)
		})
	}
}
