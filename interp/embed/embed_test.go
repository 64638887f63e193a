package embed_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/transport/local"
	"starling/interp/embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOwnTransportAndUnreaped(t *testing.T) {
	home := t.TempDir()
	fleet := embed.Fleet{
		Hosts: []embed.Host{{Name: "here"}},
		Connect: func(h embed.Host) embed.Transport {
			return local.New(h.Name, local.Options{Env: []string{"HOME=" + home, "PATH=/usr/bin:/bin"}})
		},
		Vars: map[string]string{"who": "me"},
	}
	report, err := fleet.Run(t.Context(), embed.Script{Path: "x.star", On: []string{"h*", "here"}, Source: []byte(`
run("test $HOME = " + quote(run("pwd").stdout))
job = run("echo " + quote(var("who")), async=60, poll=0)
while not jobs()[0].finished:
    pass

def main():
    return run("echo " + host().name)
`)})
	require.NoError(t, err)
	require.NoError(t, report.Outcomes[0].Err)
	require.Len(t, report.Outcomes, 1, "a host that is named twice is one")
	require.Equal(t, "here", report.Outcomes[0].Host)
	require.Len(t, report.Results(), 1)
	require.Equal(t, "here\n", string(report.Results()[0].Stdout))
	require.Len(t, report.Unreaped, 1)

	_, err = fleet.Run(t.Context(), embed.Script{Path: "x.star", On: []string{"nobody"}, Source: []byte(`run("x")`)})
	require.ErrorContains(t, err, "nobody")
	_, err = fleet.Run(t.Context(), embed.Script{Path: "x.star", Source: []byte(`run(`)})
	require.Error(t, err)
}
