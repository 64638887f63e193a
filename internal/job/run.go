package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"starling/internal/transport"
	"starling/internal/wire"
)

const (
	// killGrace is what the tree of an attached command has between TERM and KILL when its time is up.
	killGrace = 5 * time.Second
	// killPatience bounds the exchange that asks for it.
	killPatience = 15 * time.Second
)

// BrokenError is an attached command whose connection went away: what became of it is not known.
type BrokenError struct {
	Host string
	Cmd  string
	Err  error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("%s: the connection broke while %q ran; what became of it is not known: %v", e.Host, e.Cmd, e.Err)
}
func (e *BrokenError) Unwrap() error { return e.Err }

// Hint returns the way to run a command that outlives its connection.
func (e *BrokenError) Hint() string {
	return "run(…, async=SECONDS) makes it a job that outlives the connection and can be asked about afterwards"
}

// attached is one attached command under way.
type attached struct {
	cookie  string
	streams *wire.ShellStreams
	out     *tail
	err     *tail

	mu      sync.Mutex
	leader  wire.Attached // set when started
	started bool
}

// Run runs cmd attached: the connection stays open until its end. When timeout (zero is none) or ctx ends first, its
// whole process tree is ended on the host. The error is *BrokenError when the connection broke under it.
func (h *Host) Run(ctx context.Context, cmd Command, timeout time.Duration) (Result, error) {
	if err := h.enter(ctx, begin); err != nil {
		return Result{}, err
	}
	defer h.leave()
	began := time.Now()
	r := Result{Host: h.Name(), Name: cmd.Name, Cmd: cmd.Display, Changed: true, Started: began, Limit: timeout, Pos: cmd.Pos}
	for {
		line, more := h.execLine()
		var a *attached
		var timedOut bool
		err := h.reach(ctx, func() (err error) {
			a, timedOut, err = h.attach(ctx, line, cmd, timeout)
			return err
		})
		var exit *transport.ExitError
		if !a.running() && errors.As(err, &exit) {
			if more {
				h.line.Add(1)
				continue
			}
			return r, h.mute(err, a.streams.Noise())
		}
		r.Elapsed = time.Since(began)
		h.output(&r, a)
		return r, h.ended(ctx, &r, cmd, timedOut, err)
	}
}

// attach runs cmd over one exec and returns when that has ended.
func (h *Host) attach(ctx context.Context, line string, cmd Command, timeout time.Duration) (a *attached, timedOut bool, err error) {
	nonce, most := newNonce(), int(h.engine.cfg.OutputCap)
	a = &attached{cookie: newNonce(), out: newTail(most), err: newTail(most)}
	a.streams = wire.NewShellStreams(nonce, cmd.watched(a.out, Stdout), cmd.watched(a.err, Stderr), a.begin)
	request, err := wire.Encode(nonce, 1, wire.Shell{Cookie: a.cookie, Cmd: []byte(cmd.Text), Argv: cmd.Argv, Env: cmd.env(), Chdir: cmd.Chdir})
	if err != nil {
		return a, false, err
	}
	limited, cancelLimit := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		limited, cancelLimit = context.WithTimeout(ctx, timeout)
	}
	defer cancelLimit()
	exec, cancelExec := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelExec()
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-over:
		case <-limited.Done():
			timedOut = ctx.Err() == nil
			h.end(ctx, a, over)
			cancelExec()
		}
	})
	err = h.transport.Exec(exec, transport.Command{Line: line, Crowded: h.makeRoom, Stdout: a.streams.Stdout(), Stderr: a.streams.Stderr(),
		Stdin: io.MultiReader(bytes.NewReader(wire.Open(nonce)), bytes.NewReader(request), bytes.NewReader(cmd.Stdin))})
	close(over)
	wg.Wait()
	if err == nil || a.running() {
		h.answered()
	}
	return a, timedOut, err
}

// watched is w, with Watch looking on.
func (c *Command) watched(w io.Writer, from Stream) io.Writer {
	if c.Watch == nil {
		return w
	}
	return &watcher{w, from, c.Watch}
}

type watcher struct {
	to    io.Writer
	from  Stream
	watch func(Stream, []byte)
}

func (w *watcher) Write(p []byte) (int, error) {
	w.watch(w.from, p)
	return w.to.Write(p)
}

// end has the host end the command's process tree. When only the command's time is up, what it still writes on the
// way is waited for; when the script itself is ended, nothing is.
func (h *Host) end(ctx context.Context, a *attached, over <-chan struct{}) {
	leader, started := a.leading()
	if !started {
		return
	}
	ctx2, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	if _, err := h.exchange(ctx2, wire.KillTree{Cookie: a.cookie, Pid: leader.Pid, Start: leader.Start, Grace: killGrace}, killPatience); err != nil || ctx.Err() != nil {
		return
	}
	select {
	case <-over:
	case <-time.After(killGrace + time.Second):
	}
}

func (a *attached) begin(leader wire.Attached) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leader, a.started = leader, true
}

func (a *attached) leading() (wire.Attached, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.leader, a.started
}

func (a *attached) running() bool {
	_, started := a.leading()
	return started
}

// output puts into r what the command wrote, as far as it was kept.
func (h *Host) output(r *Result, a *attached) {
	r.Stdout, r.Stderr = a.out.Bytes(), a.err.Bytes()
	for _, s := range []struct {
		name Stream
		tail *tail
		kept []byte
	}{{Stdout, a.out, r.Stdout}, {Stderr, a.err, r.Stderr}} {
		if total := s.tail.Total(); total > int64(len(s.kept)) {
			r.addMsg(fmt.Sprintf("%s is cut to its last %d of %d bytes; a job (async=) keeps all of it", s.name, len(s.kept), total))
		}
	}
}

// ended judges how an attached command ended.
func (h *Host) ended(ctx context.Context, r *Result, cmd Command, timedOut bool, err error) error {
	var exit *transport.ExitError
	switch {
	case ctx.Err() != nil:
		r.State = wire.Unknown
		return context.Cause(ctx)
	case timedOut:
		r.State = wire.TimedOut
		return nil
	case err == nil:
		r.HasRC = true
	case errors.As(err, &exit) && exit.Signal == "":
		r.RC, r.HasRC = exit.Code, true
	case errors.As(err, &exit):
		r.State = wire.Terminated
		r.addMsg(exit.Error())
		return nil
	case transport.NotSent(err), notEntered(err), errors.Is(err, wire.ErrRequest):
		return err
	default:
		r.State = wire.Unknown
		return &BrokenError{Host: h.Name(), Cmd: cmd.Display, Err: err}
	}
	r.State = wire.Succeeded
	if !okay(cmd.OKCodes, r.RC) {
		r.State = wire.Failed
	}
	return nil
}

func (r *Result) addMsg(text string) {
	if r.Msg != "" {
		r.Msg += "; "
	}
	r.Msg += text
}

// Exists reports whether path is on the host; a path that is not absolute is below the user's home.
func (h *Host) Exists(ctx context.Context, path string) (bool, error) {
	r, err := h.Run(ctx, Command{Argv: []string{"test", "-e", path}, Display: "test -e " + path}, 0)
	if err != nil {
		return false, err
	}
	if r.RC > 1 {
		return false, fmt.Errorf("%s: test -e %s: rc %d: %s", h.Name(), path, r.RC, bytes.TrimSpace(r.Stderr))
	}
	return r.RC == 0, nil
}
