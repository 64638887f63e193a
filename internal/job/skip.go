package job

import (
	"time"

	"starling/internal/wire"
)

// Skip returns the Result of a command that is not run, for the reason msg. One that would have become a job gets an
// id, under which it can be looked at and waited for as if it had ended.
func (h *Host) Skip(cmd Command, detached bool, msg string) Result {
	r := Result{Host: h.Name(), Name: cmd.Name, Cmd: cmd.Display, State: wire.Skipped, Limit: cmd.Limit, Pos: cmd.Pos, Msg: msg}
	if detached {
		r.ID = NewID()
		h.engine.enter(Record{ID: r.ID, Run: h.engine.cfg.Run, Target: h.target, Become: h.become, Name: cmd.Name, Cmd: cmd.Display, Pos: cmd.Pos,
			Limit: cmd.Limit, Created: time.Now(), Seen: Seen{Phase: Reaped, State: wire.Skipped, At: time.Now(), Msg: msg}})
	}
	return r
}

// spares reports whether the end of a job is only looked at, since it is another run's and this one is dry.
func (e *Engine) spares(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg.Dry && e.byID[id] == nil
}

// skipped returns the Result of a job that was never started on purpose.
func (e *Engine) skipped(id string) (Result, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.byID[id]; r != nil && r.Seen.State == wire.Skipped {
		return r.result(), true
	}
	return Result{}, false
}
