package wirehost

import (
	"context"
	"io"
	"strings"
	"time"
)

// shell runs an attached command.
func (s *session) shell(ctx context.Context, r request) error {
	cookie, cmd, ok := attachedCommand(r.script)
	if !ok {
		return exit(exitGarbled)
	}
	pid, job := s.register(cookie, cmd)
	began := s.host.now()
	mark := s.newAnswer(r.seq)
	mark.emit("SHELL", pid, s.host.uptime(began))
	if err := s.write(mark); err != nil {
		return err
	}
	mark.Reset()
	mark.emit("SHELL", pid, s.host.uptime(began))
	if _, err := s.err.Write(mark.Bytes()); err != nil {
		return err
	}
	if _, err := s.out.Write(job.Stdout); err != nil {
		return err
	}
	if _, err := s.err.Write(job.Stderr); err != nil {
		return err
	}
	if job.Echo {
		if _, err := io.Copy(s.out, s.in); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		left := lasting(job.Duration) - s.host.now().Sub(began)
		if left <= 0 {
			return exit(job.Code)
		}
		pause(ctx, s.host.step(left), nil)
	}
	return ctx.Err()
}

// register enters the command where killTree finds it.
func (s *session) register(cookie, cmd string) (pid int, job Job) {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.cookie = cookie
	s.host.pid++
	return s.host.pid, s.host.script(cmd)
}

// killTree ends an attached command.
func (h *Host) killTree(a *answer, cookie string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	outcome := "ended"
	for s := range h.execs {
		if s.cookie == cookie {
			s.end(errKilled)
			outcome = "killing"
		}
	}
	a.emit("R", outcome)
}

// attachedCommand takes the text of a wire.Shell apart: the prelude's names
// are unset, a directory or two entered, variables exported, and then comes
// the command.
func attachedCommand(script string) (cookie, cmd string, ok bool) {
	args, rest, ok := words(script)
	if !ok || len(args) != 1 || args[0] != "_sl_mark" {
		return "", "", false
	}
	if args, _, ok = words(rest); !ok || len(args) != 1 {
		return "", "", false
	}
	_, text, ok := strings.Cut(args[0], ";export STARLING_JOB=")
	if !ok {
		return "", "", false
	}
	cookie, text, _ = strings.Cut(text, ";")
	const orDie = "||exit 126;"
	if _, text, ok = strings.Cut(text, orDie); !ok { // the home
		return "", "", false
	}
	if dir, isDir := strings.CutPrefix(text, "cd "); isDir {
		if _, after, whole := word(dir); whole && strings.HasPrefix(after, orDie) {
			text = after[len(orDie):]
		}
	}
	for {
		variable, isExport := strings.CutPrefix(text, "export ")
		_, after, whole := word(variable)
		if !isExport || !whole || !strings.HasPrefix(after, "\n") {
			return cookie, text, true
		}
		text = after[1:]
	}
}

// endless stands for a command that ends only when it is ended.
const endless = time.Duration(1 << 62)

func lasting(d time.Duration) time.Duration {
	if d < 0 {
		return endless
	}
	return d
}
