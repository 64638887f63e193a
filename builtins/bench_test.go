package builtins_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/builtins"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/interp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a journal and hosts that can be reached, on which scripts are run as `starling run` does it.
type bench struct {
	journal *journal.Journal
	targets []transport.Target
	check   bool // --check
	diff    bool // --diff
}

func newBench(t *testing.T, targets []transport.Target) *bench {
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return &bench{journal: j, targets: targets}
}

// newHosts starts one real sshd that answers to two names, web1 and web2. It reboots when a file named rebooting
// appears in its home.
func newHosts(t *testing.T) []transport.Target {
	server := sshdtest.Start(t, sshdtest.Options{})
	config, err := os.ReadFile(server.ConfigFile)
	require.NoError(t, err)
	both := filepath.Join(t.TempDir(), "ssh_config")
	require.NoError(t, os.WriteFile(both, []byte(strings.Replace(string(config), "Host web1", "Host web1 web2", 1)), 0o600))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				if os.Remove(filepath.Join(server.Home, "rebooting")) == nil {
					server.Reboot(200 * time.Millisecond)
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	return []transport.Target{{Name: "web1", ConfigFile: both}, {Name: "web2", ConfigFile: both}}
}

// said is what a run told those who watch it.
type said struct {
	mu     sync.Mutex
	events []event.Event
}

func (s *said) take(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// run runs a script in an engine of its own, on the hosts named, and returns what it said, how it ended and the jobs
// that it left unreaped. With no names it has no current host.
func (b *bench) run(t *testing.T, ctx context.Context, path, source string, on ...string) (*said, []job.Record, error) {
	t.Helper()
	out := &said{}
	engine := job.New(job.Config{Run: journal.NewRunID(), Recorder: b.journal, Events: out.take})
	defer engine.Close()
	home := t.TempDir()
	host := func(target transport.Target) *job.Host {
		return engine.Host(target, func(t transport.Target) transport.Transport { return ssh.New(t, ssh.Options{Home: home}) })
	}
	find := func(name string) *job.Host {
		for _, target := range b.targets {
			if target.Name == name {
				return host(target)
			}
		}
		return nil
	}
	run := &builtins.Run{
		Check: b.check, Diff: b.diff,
		Engine: engine, Vars: map[string]string{"release": "1.4"},
		Locate: func(ctx context.Context, id string) (*job.Host, error) {
			record, err := b.journal.Find(ctx, id)
			if err != nil {
				return nil, err
			}
			return host(record.Target), nil
		},
		Hosts: func(_ context.Context, pattern string) (hosts []*job.Host, err error) {
			for _, target := range b.targets {
				if pattern == "all" || pattern == target.Name {
					hosts = append(hosts, host(target))
				}
			}
			if hosts == nil {
				err = errors.New("no such host: " + pattern)
			}
			return hosts, err
		},
	}
	in, err := interp.New(interp.Options{Script: path, Source: []byte(source), Run: run, Events: out.take})
	require.NoError(t, err)
	var hosts []*job.Host
	for _, name := range on {
		hosts = append(hosts, find(name))
	}
	if hosts != nil {
		in.On(hosts)
	}
	outcomes, err := in.Execute(ctx)
	if err != nil {
		return out, nil, err
	}
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	return out, engine.Unreaped(), err
}
