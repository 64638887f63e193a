package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"starling/builtins"
	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/lint"
	"starling/internal/transport"
	"starling/interp"
)

// plan is all that it takes to carry out a run, and to go on with it: the journal keeps it as JSON.
type plan struct {
	Script      string             `json:"script"` // as the user named it, in Dir
	Dir         string             `json:"dir"`    // the working folder
	Source      []byte             `json:"-"`
	On          bool               `json:"on"`      // once per host
	Targets     []transport.Target `json:"targets"` // those it runs on
	World       worldDigest        `json:"world"`   // all hosts there were
	Inventories []string           `json:"inventories,omitempty"`
	SSHConfig   string             `json:"ssh_config,omitempty"`
	Serial      int                `json:"serial,omitempty"`
	Forks       int                `json:"forks"`
	Unreaped    string             `json:"unreaped"`
	Become      becomeFlags        `json:"become,omitzero"` // without the password
	Check       bool               `json:"check,omitempty"`
	Diff        bool               `json:"diff,omitempty"`
	Vars        map[string]string  `json:"-"` // the journal has a column for them

	noticed []lint.Finding // what lint has against it that does not keep it from running
	rerun   bool
	past    []journal.Step
	jobs    []job.Record
}

// execute carries a run out from its beginning or, with past steps, from where it was.
func (r *root) execute(ctx context.Context, s *session, id string, p plan, json bool) error {
	if !json {
		for _, f := range p.noticed {
			r.voice().warn(fmt.Sprintf("%s: %s [%s]", f.Pos(), f.Msg, f.Rule))
		}
	}
	view := r.watch(json, names(p.Targets))
	defer view.Close()
	r.prompter.pause = view.Pause
	s.start(job.Config{Run: id, Events: view.Sink(), Forks: p.Forks, Dry: p.Check})
	s.engine.Adopt(p.jobs)
	keeper := stepKeeper{s.journal, id}
	in, err := interp.New(interp.Options{
		Script: p.Script, Source: p.Source, Serial: p.Serial, Events: view.Sink(), Flush: view.Flush,
		Steps: keeper, Past: keeper.past(p.past), Read: s.reader(ctx, id),
		Run: &builtins.Run{Engine: s.engine, Locate: s.locate, Hosts: s.find, About: s.about, Become: s.becomeOf, Passing: s.sandbox != nil, Vars: p.Vars,
			Check: p.Check, Diff: p.Diff, Rerun: p.rerun, Read: s.reader(ctx, id)},
	})
	if err != nil {
		return usage(err)
	}
	if err := s.begin(ctx, id, p); err != nil {
		return err
	}
	if _, err = in.Check(); err != nil {
		view.Close()
		r.voice().script("", err)
		return s.end(ctx, id, exitUsage, "")
	}
	// A sandbox's hosts are all meant when none is named, but a script that goes to its hosts by itself runs once.
	if p.On || s.sandbox != nil && !in.Uses("each") {
		in.On(s.all(p.Targets))
	}
	began := time.Now()
	view.Sink()(event.Event{Time: began, Kind: event.RunStart, Run: id, Msg: p.Script, Hosts: names(p.Targets)})
	if json {
		for _, f := range p.noticed {
			view.Sink()(event.Event{Time: began, Kind: event.Warning, Pos: f.Pos(), Msg: fmt.Sprintf("%s [%s]", f.Msg, f.Rule), Hint: f.Hint})
		}
	}
	outcomes, err := in.Execute(ctx)
	if err != nil {
		return err
	}
	unreaped := s.settle(ctx, view.Sink(), p.Unreaped)
	s.headroom(context.WithoutCancel(ctx), view.Sink())
	code := exitCode(outcomes, unreaped, p.Unreaped)
	end := event.Event{Time: time.Now(), Kind: event.RunEnd, Run: id, Code: &code, Elapsed: time.Since(began)}
	hints := s.waysOn(id, p, outcomes, code)
	if json {
		end.Hint = strings.Join(hints, "\n")
		explainTo(&end, outcomes)
	} else {
		r.explain(view, outcomes)
	}
	view.Sink()(end)
	view.Close()
	if !json {
		for _, hint := range hints {
			r.voice().hint(hint)
		}
	}
	return s.end(ctx, id, code, unsettled(outcomes))
}

// waysOn are the commands that do what the run left to be done. A sandbox leaves nothing.
func (s *session) waysOn(id string, p plan, outcomes []interp.Outcome, code int) (hints []string) {
	if s.sandbox != nil {
		return nil
	}
	if p.On {
		hints = s.leftOver(id, p, outcomes)
	}
	if code == exitInterrupted && fromFile(p.Script) {
		hints = append(hints, "starling resume "+id+"   # goes on from here")
	}
	return hints
}

// unsettled says what keeps a run that has ended from being over, or "".
func unsettled(outcomes []interp.Outcome) string {
	for _, o := range outcomes {
		var unknown *builtins.UnknownOutcomeError
		if errors.As(o.Err, &unknown) {
			return "what came of a command is not known"
		}
	}
	return ""
}

// begin writes the run down, or that it is gone on with.
func (s *session) begin(ctx context.Context, id string, p plan) error {
	if p.past != nil {
		return s.journal.ResumeRun(ctx, id, os.Getpid())
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.journal.BeginRun(ctx, journal.Run{ID: id, Script: p.Script, Args: os.Args, Targets: names(p.Targets), Vars: p.Vars,
		Plan: string(text), PID: os.Getpid(), Host: hostname(), Started: time.Now()})
}

// end writes down how the run ended, and returns that as the program's end.
func (s *session) end(ctx context.Context, id string, code int, note string) error {
	if err := s.journal.EndRun(context.WithoutCancel(ctx), id, code, note); err != nil {
		s.root.voice().report(err)
	}
	return &codeError{code, nil}
}

// explainTo puts the error of a script that ran once into the last event; those of hosts are in their own.
func explainTo(end *event.Event, outcomes []interp.Outcome) {
	for _, o := range outcomes {
		if o.Err != nil && o.Host == "" {
			end.Msg, end.Trace = interp.Message(o.Err), interp.Render(o.Err, interp.TraceOptions{})
		}
	}
}

// all returns the hosts of targets.
func (s *session) all(targets []transport.Target) []*job.Host {
	hosts := make([]*job.Host, len(targets))
	for i, t := range targets {
		hosts[i] = s.host(t)
	}
	return hosts
}

// reader writes down every file that the run reads.
func (s *session) reader(ctx context.Context, id string) func(path, sum string) error {
	return func(path, sum string) error {
		return s.journal.AddFile(ctx, id, journal.File{Path: path, SHA256: sum})
	}
}

// stepKeeper keeps the steps of one run in the journal.
type stepKeeper struct {
	journal *journal.Journal
	run     string
}

func (k stepKeeper) BeginStep(ctx context.Context, s interp.Step) error {
	return k.journal.BeginStep(ctx, journal.Step{Run: k.run, Thread: s.Key.Thread, Seq: s.Key.Seq, Builtin: s.Builtin, Digest: s.Digest, Pos: s.Pos}, s.Durable)
}

func (k stepKeeper) EndStep(ctx context.Context, key interp.StepKey, outcome []byte) error {
	return k.journal.EndStep(ctx, k.run, key.Thread, key.Seq, outcome)
}

func (k stepKeeper) NoteStep(ctx context.Context, key interp.StepKey, note string) error {
	return k.journal.NoteStep(ctx, k.run, key.Thread, key.Seq, note)
}

func (k stepKeeper) past(steps []journal.Step) []interp.Step {
	out := make([]interp.Step, len(steps))
	for i, s := range steps {
		out[i] = interp.Step{Key: interp.StepKey{Thread: s.Thread, Seq: s.Seq}, Builtin: s.Builtin, Digest: s.Digest, Pos: s.Pos, Note: s.Note, Outcome: s.Outcome}
	}
	return out
}

// here is the working folder; "" when it can't be told.
func here() string {
	dir, err := filepath.Abs(".")
	if err != nil {
		return ""
	}
	return dir
}
