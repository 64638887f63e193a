package sandbox

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/internal/transport/transporttest"
)

// A sandbox host is as good a host as one that runs OpenSSH. It is one of another process, since the suite counts the
// goroutines of this one.
func TestContract(t *testing.T) {
	_, config := program(t, t.TempDir())
	transporttest.Run(t, func(*testing.T) transport.Transport {
		return ssh.New(transport.Target{Name: "sandbox1", ConfigFile: config}, ssh.Options{})
	})
}

// The hosts are for the product's own client, as strict as it is everywhere, with nothing set up for it.
func TestProductClient(t *testing.T) {
	s := start(t, 2, Options{Downtime: 200 * time.Millisecond})
	for _, target := range s.Hosts() {
		client := ssh.New(target, ssh.Options{})
		defer client.Close()
		run := func(line, in string) (string, error) {
			var out bytes.Buffer
			err := client.Exec(t.Context(), transport.Command{Line: line, Stdin: strings.NewReader(in), Stdout: &out})
			return out.String(), err
		}

		out, err := run("cat; exit 3", "a\x00\xffb")
		var exit *transport.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 3, exit.Code)
		require.Equal(t, "a\x00\xffb", out)

		_, err = run("kill -KILL $$", "")
		require.ErrorAs(t, err, &exit)
		require.Equal(t, "KILL", exit.Signal)

		before, err := run("cat $STARLING_BOOT_ID_FILE", "")
		require.NoError(t, err)
		_, err = run("reboot; sleep 1000", "")
		var cut *transport.DisconnectedError
		require.ErrorAs(t, err, &cut)
		var away *transport.UnreachableError
		eventually(t, func() bool {
			after, err := run("cat $STARLING_BOOT_ID_FILE", "")
			if err != nil && !errors.As(err, &away) {
				t.Error(err)
			}
			return err == nil && after != before
		})
	}
}
