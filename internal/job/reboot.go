package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// Reboot says how to reboot a host and when it counts as back. See the builtin of that name for what the fields mean;
// a zero Timeout or ConnectTimeout is an error of the caller.
type Reboot struct {
	Name, Pos                    string
	Timeout, PreDelay, PostDelay time.Duration
	ConnectTimeout               time.Duration
	TestCommand                  string
	Command                      string
	BootIDCommand                string
	Message                      string
	// Before is the boot id from which an earlier program began this reboot; "" begins one. Note, when not nil, is
	// told the boot id before the host is told to reboot, and stops the reboot with its error.
	Before string
	Note   func(bootID string) error
}

// comeback is what is known on the way through a reboot.
type comeback struct {
	before string // the boot id it started from
	down   bool   // the host was seen to be gone, and has not been seen as it was before since
	noise  bool   // the last attempt reached it, and its boot id could not be read
	after  string // a boot id that differs from before; "" when none was read
	twice  bool   // after was read a second time, over another connection
	last   error  // why the last attempt was not the end of it
}

// Reboot reboots the host and returns when a new boot id was read twice, over connections of their own, and the test
// command has succeeded. One deadline holds for all of it, on the monotonic clock. The Result is filled in for every
// outcome; the error is *RebootError when the reboot did not come to its end.
func (h *Host) Reboot(ctx context.Context, b Reboot) (Result, error) {
	began := time.Now()
	r := Result{Host: h.Name(), Name: b.Name, Cmd: "reboot", State: wire.Failed, Started: began, Limit: b.Timeout, Pos: b.Pos}
	limited, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	state, err := h.reboot(limited, b)
	r.Elapsed = time.Since(began)
	if ctx.Err() != nil {
		r.State = wire.Unknown
		return r, context.Cause(ctx)
	}
	if err != nil {
		var failed *RebootError
		if limited.Err() != nil && !errors.As(err, &failed) {
			err = &RebootError{Host: h.Name(), Problem: fmt.Sprintf("not rebooted within %s", b.Timeout), Err: err}
		}
		r.Changed, r.Msg = state.after != "", err.Error()
		return r, err
	}
	r.State, r.Changed, r.HasRC = wire.Succeeded, true, true
	r.Msg = fmt.Sprintf("rebooted (boot id %s -> %s)", state.before, state.after)
	return r, nil
}

func (h *Host) reboot(ctx context.Context, b Reboot) (comeback, error) {
	state, nonce := comeback{before: b.Before}, newNonce()
	if err := h.setOff(ctx, b, nonce, &state); err != nil {
		return state, err
	}
	if err := h.pause(ctx, b.PostDelay); err != nil {
		return state, h.overdue(b, &state)
	}
	pace := &backoff.ExponentialBackOff{InitialInterval: 500 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 1.4, MaxInterval: 5 * time.Second}
	pace.Reset()
	for {
		if err := h.pause(ctx, pace.NextBackOff()); err != nil {
			return state, h.overdue(b, &state)
		}
		back := false
		err := h.afresh(ctx, func() (err error) {
			back, err = h.attempt(ctx, b, nonce, &state)
			return err
		})
		if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			return state, h.overdue(b, &state)
		}
		if back || err != nil {
			h.reborn()
			return state, err
		}
	}
}

// setOff tells the host to reboot, unless an earlier program has and the host has gone down or booted anew since.
func (h *Host) setOff(ctx context.Context, b Reboot, nonce string, state *comeback) error {
	if err := h.pause(ctx, b.PreDelay); err != nil {
		return err
	}
	id, err := h.bootID(ctx, b)
	switch {
	case b.Before != "" && (err != nil || !wire.SameBoot(id, b.Before)):
		return nil
	case err != nil:
		return fmt.Errorf("%s: not rebooted, since its boot id can't be read: %w", h.Name(), err)
	}
	state.before = id
	if b.Note != nil {
		if err := b.Note(id); err != nil {
			return err
		}
	}
	err = h.tellReboot(ctx, b, nonce)
	if b.Before != "" && transport.NotSent(err) {
		return nil // it was told before, and goes down just now
	}
	if err != nil {
		return err
	}
	h.emit(event.Event{Kind: event.HostStatus, Msg: "told to reboot", Limit: b.Timeout})
	return nil
}

// attempt asks a host that was told to reboot how it stands. The error is one that further attempts would not mend.
func (h *Host) attempt(ctx context.Context, b Reboot, nonce string, state *comeback) (back bool, err error) {
	asking, cancel := context.WithTimeoutCause(ctx, b.ConnectTimeout, fmt.Errorf("no answer within %s", b.ConnectTimeout))
	defer cancel()
	id, err := h.bootID(asking, b)
	if err != nil && ctx.Err() != nil {
		return false, nil // it was our own time that ran out
	}
	var key *transport.HostKeyError
	var noise *ProtocolError
	state.noise = errors.As(err, &noise)
	switch {
	case errors.As(err, &key):
		return false, &RebootError{Host: h.Name(), Rebooted: state.after != "", Problem: "it came back with another host key", Err: err, Help: key.Hint}
	case state.noise:
		state.last = err
		return false, nil
	case err != nil:
		h.away(state, err)
		return false, nil
	case wire.SameBoot(id, state.before):
		state.down, state.last = false, errors.New("it answers, and has not gone down")
		return false, h.notRefused(ctx, b, nonce)
	case !wire.SameBoot(id, state.after):
		state.after, state.twice = id, false
		state.last = errors.New("its boot id was read once so far")
		h.emit(event.Event{Kind: event.HostStatus, Msg: "booted anew"})
		return false, nil
	}
	state.twice = true
	if b.TestCommand == "" {
		return true, nil
	}
	r, err := h.Run(ctx, Command{Text: b.TestCommand, Display: b.TestCommand}, 0)
	switch {
	case err != nil:
		state.last = err
	case r.State != wire.Succeeded:
		state.last = fmt.Errorf("test_command %q: rc %d: %s", b.TestCommand, r.RC, strings.TrimSpace(string(r.Stderr)))
	default:
		h.emit(event.Event{Kind: event.HostStatus, Msg: "back"})
		return true, nil
	}
	return false, nil
}

// away notes that the host does not answer.
func (h *Host) away(state *comeback, err error) {
	state.last = err
	if !state.down {
		state.down = true
		h.emit(event.Event{Kind: event.HostStatus, Msg: "gone down"})
	}
}

// overdue is the end of a reboot that ran out of time.
func (h *Host) overdue(b Reboot, state *comeback) error {
	e := &RebootError{Host: h.Name(), Rebooted: state.after != "", Err: state.last}
	switch {
	case state.after != "":
		e.Problem = fmt.Sprintf("it has booted anew, but was not ready within %s", b.Timeout)
		e.Help = "see what test_command says on it, or give a longer timeout"
	case state.noise:
		e.Problem = fmt.Sprintf("it answers, and its boot id could not be read within %s: whether it has rebooted is not known", b.Timeout)
		e.Help = "boot_id_command= names a command whose one line of output differs after each boot"
	case state.down:
		e.Problem = fmt.Sprintf("it went down, and did not come back within %s", b.Timeout)
		e.Help = "look at its console, or give a longer timeout; wait_for_connection() waits on"
	default:
		e.Problem = fmt.Sprintf("it never went down within %s", b.Timeout)
		e.Help = "its own logs may say why (journalctl -b, last -x); command= gives another way to reboot"
	}
	return e
}

// bootID reads the host's boot id strictly: noise is an error and never another id.
func (h *Host) bootID(ctx context.Context, b Reboot) (string, error) {
	if b.BootIDCommand == "" {
		return h.kernelBootID(ctx)
	}
	r, err := h.Run(ctx, Command{Text: b.BootIDCommand, Display: b.BootIDCommand}, 0)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(r.Stdout))
	if r.State != wire.Succeeded || id == "" || strings.ContainsAny(id, "\r\n") {
		return "", &ProtocolError{Host: h.Name(), Problem: fmt.Sprintf("boot_id_command %q: rc %d, want one line of output", b.BootIDCommand, r.RC),
			Noise: string(r.Stdout) + string(r.Stderr)}
	}
	return id, nil
}

func (h *Host) kernelBootID(ctx context.Context) (string, error) {
	if err := h.enter(ctx, begin); err != nil {
		return "", err
	}
	defer h.leave()
	frames, err := h.exchange(ctx, wire.Boot{}, answerTimeout)
	if err != nil {
		return "", err
	}
	identity, err := wire.DecodeBoot(frames)
	if err != nil {
		return "", h.garbled(err)
	}
	if identity.Boot == "" {
		return "", &ProtocolError{Host: h.Name(), Problem: "it has no boot id to go by: " + identity.Reason,
			Help: "boot_id_command= names a command whose one line of output differs after each boot"}
	}
	return identity.Boot, nil
}

// tellReboot asks the host to reboot itself a second after it has acknowledged. A connection that breaks over the
// asking is taken for the reboot.
func (h *Host) tellReboot(ctx context.Context, b Reboot, nonce string) error {
	if err := h.enter(ctx, begin); err != nil {
		return err
	}
	defer h.leave()
	facts, err := h.facts(ctx)
	if err != nil {
		return err
	}
	frames, err := h.once(ctx, wire.Reboot{Base: facts.Base, Nonce: nonce, Command: b.Command, Message: b.Message}, answerTimeout)
	if err != nil {
		if disconnected(err) {
			return nil
		}
		return err
	}
	told, err := wire.DecodeReboot(frames)
	if err != nil {
		return h.garbled(err)
	}
	if !told.Accepted {
		return &RebootError{Host: h.Name(), Problem: "it can't be told to reboot: " + told.Reason, Help: "command= gives another way to reboot"}
	}
	return nil
}

// notRefused returns an error when the reboot command has ended and said no. One that was killed by a signal says
// nothing: the shutdown it asked for kills it too.
func (h *Host) notRefused(ctx context.Context, b Reboot, nonce string) error {
	if err := h.enter(ctx, begin); err != nil {
		return nil
	}
	defer h.leave()
	facts, err := h.facts(ctx)
	if err != nil {
		return nil
	}
	frames, err := h.exchange(ctx, wire.RebootStatus{Base: facts.Base, Nonce: nonce}, answerTimeout)
	if err != nil {
		return nil
	}
	if status, err := wire.DecodeRebootStatus(frames); err == nil && status.Ended && status.Code != 0 && status.Code < 128 {
		return &RebootError{Host: h.Name(), Problem: fmt.Sprintf("the reboot command failed with rc %d: %s", status.Code, strings.TrimSpace(string(status.Output))),
			Help: "it may need another user: rebooting takes root"}
	}
	return nil
}

// reborn forgets what was probed of the host before it went down. When somebody is asking just now, the answer is of
// the new boot.
func (h *Host) reborn() {
	for _, h := range h.everyone() {
		if h.probing.TryAcquire(1) {
			h.probed = nil
			h.probing.Release(1)
		}
	}
}
