package wirehost

import (
	"context"
	"errors"
	"io"
	"strings"
)

// defaultBase is where a probe that names no base finds one.
const (
	home        = "/home/user"
	defaultBase = home + "/.local/state/starling"
)

// carryOut does what the lines of a request say. last: nobody knows where the
// next request begins.
func (s *session) carryOut(ctx context.Context, a *answer, script string) (last bool, err error) {
	for script != "" {
		if s.host.keyed(a, script) {
			return false, nil
		}
		args, rest, ok := words(script)
		if !ok || len(args) == 0 || !enough(args) {
			a.emit("R", "failed", "wirehost: this is no request of the protocol")
			return false, nil
		}
		script = rest
		if args[0] == "_sl_start" {
			return s.start(a, args[1:])
		}
		s.host.do(ctx, a, args)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	return false, nil
}

// enough reports whether a function of the prelude is known and has its arguments.
func enough(args []string) bool {
	least := 0
	switch args[0] {
	case "_sl_pong", "_sl_who":
	case "_sl_probe", "_sl_wait", "_sl_list":
		least = 1
	case "_sl_look", "_sl_clean", "_sl_rebooted":
		least = 2
	case "_sl_reboot":
		least = 3
	case "_sl_killtree":
		least = 4
	case "_sl_killjob":
		least = 5
	case "_sl_start":
		least = 9
	default:
		return strings.HasPrefix(args[0], "_slcmd=") // of a reboot
	}
	return len(args) > least
}

func (h *Host) do(ctx context.Context, a *answer, args []string) {
	switch name, args := args[0], args[1:]; name {
	case "_sl_pong":
		a.emit("R", "pong")
	case "_sl_who":
		h.who(a, "-")
	case "_sl_probe":
		h.probe(a, args[0])
	case "_sl_wait":
		h.wait(ctx, number(args[0]), args[1:])
	case "_sl_look":
		h.look(a, args[0], args[1], args[2:])
	case "_sl_list":
		h.who(a, "-")
		h.list(a, args[0])
	case "_sl_killjob":
		h.kill(a, args[0], args[1], number(args[3]), args[4])
	case "_sl_killtree":
		h.killTree(a, args[0])
	case "_sl_clean":
		h.clean(a, args[0], args[2:])
	case "_sl_reboot":
		a.emit("R", "refused", "wirehost: this host can't reboot")
	case "_sl_rebooted":
		a.emit("R", "-")
	}
}

// who says who answers; epoch is "-" where nobody needs it.
func (h *Host) who(a *answer, epoch any) {
	a.emit("I", epoch, h.uptime(h.now()), 1, h.kernel, h.boot)
}

func (h *Host) probe(a *answer, base string) {
	if base == "" {
		base = defaultBase
	}
	h.mu.Lock()
	h.makeFolder(base)
	h.mu.Unlock()
	a.emit("F", "base", base)
	h.who(a, h.now().Unix())
}

// start reads the payload of a start and starts the job, if it is not there:
// BASE ID ATTEMPT LIMIT GRACE SCOPE CMDLEN ENVLEN INLEN.
func (s *session) start(a *answer, args []string) (last bool, err error) {
	cmd, err1 := s.take(number(args[6]))
	_, err2 := s.take(number(args[7]))
	stdin, err3 := s.take(number(args[8]))
	err = errors.Join(err1, err2, err3)
	short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !short {
		return true, err
	}
	h, id := s.host, args[1]
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.folder(args[0])
	if f == nil {
		a.emit("R", "failed", "no directory "+args[0]+"/v1 of this user's own; probe again")
		return short, nil
	}
	e := f.jobs[id]
	switch {
	case e != nil:
		a.emit("R", "exists")
	case short:
		a.emit("R", "short", "the input ended early")
		return true, nil
	default:
		e = h.begin(f, id, args[2], string(cmd), number(args[3]), number(args[4]), stdin)
		a.emit("R", "started")
	}
	a.emit("T", h.token(id, e))
	return short, nil
}

// kill ends a job, or takes the token of one that never began.
func (h *Host) kill(a *answer, base, id string, grace int64, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, now := h.makeFolder(base), h.now()
	e := f.jobs[id]
	if e == nil {
		e = &entry{attempt: cancelled, began: now}
		f.put(id, e)
	}
	switch {
	case e.gone || e.over(now):
		a.emit("R", "ended")
	case e.cancelled():
		a.emit("R", "absent")
	default:
		e.kill(now.Sub(e.began), why, grace)
		h.wake()
		a.emit("R", "killing")
	}
}

// clean removes jobs that have ended, all but a tombstone.
func (h *Host) clean(a *answer, base string, ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.emit("R", "cleaned")
	f, now := h.folder(base), h.now()
	if f == nil {
		return
	}
	for _, id := range ids {
		switch e := f.jobs[id]; {
		case e == nil:
		case !e.cancelled() && !e.over(now):
			a.emit("C", id, "it is running")
		default:
			e.gone, e.out, e.err = true, nil, nil
		}
	}
}
