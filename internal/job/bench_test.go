package job_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that is to happen soon.
const patience = 30 * time.Second

// bench is one real host behind a real sshd, an engine and a real journal.
type bench struct {
	t       *testing.T
	ctx     context.Context
	server  *sshdtest.Server
	journal *journal.Journal
	engine  *job.Engine
	host    *job.Host

	journalFolder string

	mu     sync.Mutex
	events []event.Event
}

// newBench starts a host. Its commands find a shutdown that asks the test for a reboot (see reboots).
func newBench(t *testing.T, o sshdtest.Options) *bench {
	stubs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(stubs, "shutdown"), []byte("#!/bin/sh\ntouch \"$HOME/rebooting\"\n"), 0o755))
	if o.SetEnv == nil {
		o.SetEnv = map[string]string{}
	}
	if o.SetEnv["PATH"] == "" {
		o.SetEnv["PATH"] = stubs + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
	}
	server := sshdtest.Start(t, o)
	b := &bench{t: t, server: server, journalFolder: t.TempDir()}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	var err error
	b.journal, err = journal.Open(b.ctx, filepath.Join(b.journalFolder, "journal.db"))
	require.NoError(t, err)
	t.Cleanup(func() { b.journal.Close() })
	b.engine, b.host = b.controller(server.ConfigFile)
	return b
}

// controller is an engine of its own, as another program has it, that reaches the host by this ssh_config.
func (b *bench) controller(config string) (*job.Engine, *job.Host) {
	engine := job.New(job.Config{Run: "r-test", Recorder: b.journal, Events: b.take})
	b.t.Cleanup(engine.Close)
	return engine, b.reach(engine, config)
}

func (b *bench) reach(engine *job.Engine, config string) *job.Host {
	return b.named(engine, b.server.Name, config)
}

func (b *bench) named(engine *job.Engine, name, config string) *job.Host {
	return engine.Host(transport.Target{Name: name, ConfigFile: config}, func(t transport.Target) transport.Transport {
		return ssh.New(t, ssh.Options{Home: b.t.TempDir()})
	})
}

func (b *bench) take(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *bench) said(kind event.Kind) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Kind == kind {
			out = append(out, e.Msg)
		}
	}
	return out
}

// start starts a job with a ceiling.
func (b *bench) start(text string, limit time.Duration) job.Result {
	b.t.Helper()
	r, err := b.host.Start(b.ctx, job.Command{Text: text, Display: text, Limit: limit})
	require.NoError(b.t, err)
	return r
}

// wait waits for the end of a job.
func (b *bench) wait(id string) job.Result {
	b.t.Helper()
	results, err := b.engine.Wait(b.ctx, []job.Ref{{Host: b.host, ID: id}}, job.Pace{Every: 200 * time.Millisecond, Early: true})
	require.NoError(b.t, err)
	return results[0]
}

// look takes one look at a job.
func (b *bench) look(id string) job.Result {
	b.t.Helper()
	results, err := b.host.Look(b.ctx, []string{id}, 0)
	require.NoError(b.t, err)
	return results[0]
}

// home is the path of a file in the host's home.
func (b *bench) home(name string) string { return filepath.Join(b.server.Home, name) }

// lines counts the lines of a file in the host's home; a job that appends a line proves so how often it ran.
func (b *bench) lines(name string) int {
	text, err := os.ReadFile(b.home(name))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(b.t, err)
	return strings.Count(string(text), "\n")
}

// supervisor is the process that watches over a job on the host, as its token says.
func (b *bench) supervisor(id string) int {
	b.t.Helper()
	record, err := b.journal.Find(b.ctx, id)
	require.NoError(b.t, err)
	token, err := os.ReadFile(filepath.Join(record.Base, "v1", id, "go"))
	require.NoError(b.t, err)
	pid, err := strconv.Atoi(strings.Fields(string(token))[4])
	require.NoError(b.t, err)
	return pid
}

// eventually waits for a condition.
func (b *bench) eventually(what string, done func() bool) {
	b.t.Helper()
	require.Eventually(b.t, done, patience, 20*time.Millisecond, what)
}

// write makes an empty file in the host's home.
func (b *bench) write(name string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(b.home(name), nil, 0o600))
}
