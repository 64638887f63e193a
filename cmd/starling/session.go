package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"
	"golang.org/x/term"

	"starling/internal/inventory"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/sandbox"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/internal/wire"
)

// session is what a command that reaches hosts has open.
type session struct {
	root    *root
	journal *journal.Journal
	engine  *job.Engine
	sandbox *sandbox.Sandbox // nil when there is none
	options ssh.Options
	hosts   *inventory.Inventory // nil until it was asked for
	// password is what it takes to become another user on a host; nil: nothing is known.
	password func(ctx context.Context, host string, b wire.Become) (string, error)
}

// open opens the journal, and with n > 0 a sandbox, which keeps its jobs in a journal of its own: they end with it.
func (r *root) open(ctx context.Context, n int) (s *session, err error) {
	s = &session{root: r, options: r.sshOptions()}
	opened := s
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	if s.password, err = r.password(ctx); err != nil {
		return nil, err
	}
	path := r.journalPath()
	if n > 0 {
		if s.sandbox, err = sandbox.Start(ctx, n, sandbox.Options{}); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		path = filepath.Join(s.sandbox.Dir(), "journal.db")
	}
	s.journal, err = journal.Open(ctx, path)
	return s, err
}

func (r *root) journalPath() string {
	if r.flags.journal != "" {
		return r.flags.journal
	}
	if path := os.Getenv("STARLING_JOURNAL"); path != "" {
		return path
	}
	return filepath.Join(xdg.StateHome, "starling", "journal.db")
}

// knownJournal is the journal, until done is called; nil where there is none yet or it can't be read, for what does
// without it. None is made.
func (r *root) knownJournal(ctx context.Context) (j *journal.Journal, done func()) {
	path := r.journalPath()
	if _, err := os.Stat(path); err != nil {
		return nil, func() {}
	}
	j, err := journal.Open(ctx, path)
	if err != nil {
		return nil, func() {}
	}
	return j, func() { j.Close() }
}

func (r *root) sshOptions() ssh.Options {
	o := ssh.FromEnvironment()
	o.AcceptNew = r.flags.acceptNew
	if term.IsTerminal(int(r.io.in.Fd())) {
		o.Prompt = r.prompter.ask
	}
	return o
}

// start makes the engine for a run, or for none; where jobs are written down and passwords come from is filled in.
func (s *session) start(c job.Config) {
	c.Recorder, c.Password = s.journal, s.password
	s.engine = job.New(c)
}

func (s *session) host(t transport.Target) *job.Host {
	return s.engine.Host(t, func(t transport.Target) transport.Transport { return ssh.New(t, s.options) })
}

// locate finds the host of a job that is in the journal.
func (s *session) locate(ctx context.Context, id string) (*job.Host, error) {
	record, err := s.engine.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.host(record.Target), nil
}

func (s *session) close() {
	if s.engine != nil {
		s.engine.Close()
	}
	if s.journal != nil {
		s.journal.Close()
	}
	if s.sandbox != nil {
		s.sandbox.Close()
	}
}
