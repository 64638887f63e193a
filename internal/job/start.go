package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// startPatience is how long a start whose answer was lost is asked about again before it is left in doubt.
const startPatience = 30 * time.Second

// Start starts a detached job and returns its Result, running. The job is written down before anything is sent, and
// the host starts it at most once, however often the connection breaks. With a Step that this run took before, it
// takes up the job of that step. The error is *StartError when the host refused, *InDoubtError when the answer was
// lost for good, and the transport's own when nothing was sent.
func (h *Host) Start(ctx context.Context, cmd Command) (Result, error) {
	if err := h.enter(ctx, begin); err != nil {
		return Result{}, err
	}
	defer h.leave()
	facts, err := h.facts(ctx)
	if err != nil {
		return Result{}, h.notBegun(err)
	}
	record, again, err := h.intend(ctx, &cmd, facts)
	if err != nil {
		return Result{}, h.notBegun(err)
	}
	if record.Seen.Phase != Intended {
		return record.result(), nil
	}
	started, err := h.launch(ctx, record.ID, wire.Start{
		Base: record.Base, ID: record.ID, Cmd: []byte(cmd.Text), Argv: cmd.Argv, Env: cmd.env(), Chdir: cmd.Chdir,
		Stdin: cmd.Stdin, Limit: cmd.Limit, Scope: facts.Scope,
	}, again)
	if err != nil {
		if started.Token != nil && started.Token.Cancelled() {
			h.mark(ctx, record) // whoever cancelled it may not have known the key
		}
		h.refused(ctx, record.ID, err)
		return Result{}, err
	}
	record.Seen = Seen{Phase: Started, State: wire.Running, Started: time.Unix(started.Token.Epoch, 0), At: time.Now()}
	h.record(ctx, record.ID, record.Seen)
	h.emit(event.Event{Kind: event.JobStart, Job: record.ID, Name: cmd.label(), Pos: cmd.Pos, Limit: cmd.Limit})
	return record.result(), nil
}

// intend writes the job down, or finds what was written down when this step was taken before: then its start may have
// been sent.
func (h *Host) intend(ctx context.Context, cmd *Command, facts wire.HostFacts) (record Record, again bool, err error) {
	if record, ok := h.engine.step(cmd.Step); ok {
		return record, true, nil
	}
	record = Record{
		ID: NewID(), Run: h.engine.cfg.Run, Step: cmd.Step, Target: h.target, Become: h.become, Base: facts.Base, Name: cmd.Name, Cmd: cmd.Display,
		Pos: cmd.Pos, Limit: cmd.Limit, OKCodes: cmd.OKCodes, Created: time.Now(),
	}
	record.Seen = Seen{Phase: Intended, At: record.Created}
	known, err := h.key(ctx, cmd, &record)
	if err != nil {
		return record, false, err
	}
	if known {
		h.engine.enter(record)
		return record, true, nil
	}
	if facts.KillUser != "" && facts.Scope == "" {
		return record, false, &StartError{Host: h.Name(), ID: record.ID,
			Reason: "systemd-logind ends this user's processes when the session does (KillUserProcesses=yes), and a scope of its own can't be had: " + facts.ScopeReason,
			Help:   fmt.Sprintf("loginctl enable-linger %s   # on %s, once", facts.KillUser, h.Name())}
	}
	if err := h.engine.cfg.Recorder.Intend(ctx, record); err != nil {
		same, found := h.engine.cfg.Recorder.Find(ctx, record.ID)
		if record.Key == "" || found != nil || same.Seen.Phase == Refused {
			return record, false, fmt.Errorf("%s: job not started, since it can't be written down: %w", h.Name(), err)
		}
		record, again = same, true // somebody starts the job of this key at this very instant, and the host one of the two
	}
	h.engine.enter(record)
	return record, again, nil
}

// notBegun says of a connection that broke ahead of the start that no job came of it; other errors say that themselves.
func (h *Host) notBegun(err error) error {
	if disconnected(err) {
		return fmt.Errorf("%s: job not started: %w", h.Name(), err)
	}
	return err
}

// launch sends the start until an answer comes. Sending it again is safe: the id is a token on the host. With doubt, an
// earlier program may have sent it.
func (h *Host) launch(ctx context.Context, id string, start wire.Start, doubt bool) (wire.Started, error) {
	deadline := time.Now().Add(startPatience)
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		start.Attempt = newNonce()
		frames, err := h.once(ctx, start, answerTimeout)
		if err == nil {
			started, err := h.acknowledged(id, frames)
			var refused *StartError
			if doubt && errors.As(err, &refused) && started.Token == nil {
				// What was sent before may still be on its way to the disk that is full now.
				err = &InDoubtError{Host: h.Name(), ID: id, Err: fmt.Errorf("asked again, the host said: %s", refused.Reason)}
			}
			return started, err
		}
		unfit := errors.Is(err, wire.ErrRequest) // so nothing of it was sent
		doubt = doubt || !unfit && !transport.NotSent(err) && !notEntered(err)
		switch {
		case unfit && !doubt:
			return wire.Started{}, &StartError{Host: h.Name(), ID: id, Reason: err.Error()}
		case !doubt:
			return wire.Started{}, err
		case unfit || ctx.Err() != nil || permanent(err) || time.Now().Add(pause).After(deadline):
			return wire.Started{}, &InDoubtError{Host: h.Name(), ID: id, Err: err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (h *Host) acknowledged(id string, frames []wire.Frame) (wire.Started, error) {
	started, err := wire.DecodeStart(frames)
	if err != nil {
		return started, &InDoubtError{Host: h.Name(), ID: id, Err: h.garbled(err)}
	}
	switch started.Outcome {
	case wire.StartStarted:
		return started, nil
	case wire.StartExists:
		if started.Token == nil {
			return started, &InDoubtError{Host: h.Name(), ID: id, Err: h.garbled(errors.New("a job without a token"))}
		}
		if started.Token.Cancelled() {
			return started, &StartError{Host: h.Name(), ID: id, Reason: "it was cancelled before it began"}
		}
		return started, nil
	}
	return started, &StartError{Host: h.Name(), ID: id, Reason: started.Reason}
}

// refused writes down that there is no such job, when that is certain; a job in doubt stays an intent.
func (h *Host) refused(ctx context.Context, id string, err error) {
	var doubt *InDoubtError
	if errors.As(err, &doubt) {
		return
	}
	h.record(ctx, id, Seen{Phase: Refused, At: time.Now(), Msg: err.Error()})
}

// record writes down what was seen of a job. That the journal can't be written is a warning here, since what was seen
// is true all the same. It takes as long as other programs' writes do, and goes on for a while when ctx has ended: what
// the host did must not be forgotten for that.
func (h *Host) record(ctx context.Context, id string, s Seen) {
	h.engine.note(id, s)
	ctx, cancel := outlasting(ctx, 10*time.Second)
	defer cancel()
	if err := h.engine.cfg.Recorder.Update(ctx, id, s); err != nil && !errors.Is(err, ErrNoRecord) {
		h.emit(event.Event{Kind: event.Warning, Job: id, Msg: "the journal could not be brought up to date: " + err.Error()})
	}
}

// outlasting returns a context that ends so much later than ctx.
func outlasting(ctx context.Context, more time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(more):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// permanent reports whether trying again without a change is of no use.
func permanent(err error) bool {
	var auth *transport.AuthError
	var key *transport.HostKeyError
	var protocol *ProtocolError
	var config *transport.UnreachableError
	var become *BecomeError
	return errors.As(err, &become) && become.lasting() || errors.As(err, &auth) || errors.As(err, &key) || errors.As(err, &protocol) ||
		errors.As(err, &config) && config.Op == "config"
}
