package ssh

import (
	"testing"

	"go.uber.org/goleak"

	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options knows nobody's home directory, agent or terminal.
func options() Options { return Options{LocalUser: "nobody"} }

func target(s *sshdtest.Server) transport.Target {
	return transport.Target{Name: s.Name, ConfigFile: s.ConfigFile}
}

// to returns a transport to a target, closed when the test ends.
func to(t *testing.T, target transport.Target, o Options) *Transport {
	tr := New(target, o)
	t.Cleanup(func() { tr.Close() })
	return tr
}

func TestContract(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{LoginShell: "/bin/sh"})
	transporttest.Run(t, func(*testing.T) transport.Transport { return New(target(s), options()) })
}
