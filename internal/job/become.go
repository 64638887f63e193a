package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"starling/internal/transport"
	"starling/internal/wire"
)

const (
	// entryPatience is how long each step on the way to another user may take. A login that is refused takes seconds.
	entryPatience = 30 * time.Second
	// leavePatience is how long a program that asked in vain has to end by itself.
	leavePatience = 3 * time.Second
)

// As returns the same machine under another user: with a command channel and a folder for jobs of its own, over the
// same connection. The zero Become is the login user.
func (h *Host) As(b wire.Become) *Host {
	b = b.Full()
	m := h.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	if b == (wire.Become{}) {
		return m.login
	}
	if other, ok := m.others[b]; ok {
		return other
	}
	var password func(context.Context) (string, error)
	if ask := h.engine.cfg.Password; ask != nil && b.Method != "doas" {
		password = func(ctx context.Context) (string, error) { return ask(ctx, h.target.Name, b) }
	}
	other := m.as(b, &becoming{under: m.login.transport, target: h.target, become: b, password: password})
	if m.others == nil {
		m.others = map[wire.Become]*Host{}
	}
	m.others[b] = other
	return other
}

// Become returns which user the host is used as; zero is the login user.
func (h *Host) Become() wire.Become { return h.become }

// owner returns the host under the user that a job is on record with; h itself for a job that is not on record.
func (h *Host) owner(ctx context.Context, id string) (*Host, error) {
	record, err := h.engine.Find(ctx, id)
	switch {
	case errors.Is(err, ErrNoRecord):
		return h, nil
	case err != nil:
		return nil, err
	}
	return h.As(record.Become), nil
}

// becoming runs the exec lines of package wire as another user. The password goes over standard input, when it was
// asked for and never before; the rest of the input when the user's shell has said that it is there.
type becoming struct {
	under    transport.Transport
	target   transport.Target
	become   wire.Become
	password func(context.Context) (string, error) // nil: there is none

	mu      sync.Mutex
	refused string // the password that was wrong; it is not tried again, since hosts lock accounts for that
	login   string // the login user's name, once the host has told it
}

var _ transport.Transport = (*becoming)(nil)

func (t *becoming) Close() error { return t.under.Close() }

// Exec is transport.Transport's, for lines of wire.Lines. The error is *BecomeError when the host does not let us be
// the user; nothing of the input was read then. With a *transport.DisconnectedError around it that is not certain.
func (t *becoming) Exec(ctx context.Context, cmd transport.Command) error {
	if err := t.hopeless(ctx); err != nil {
		return err
	}
	nonce := newNonce()
	line, err := t.become.Line(cmd.Line, nonce, t.password != nil)
	if err != nil {
		return err
	}
	e := &entry{becoming: t, cmd: cmd, events: make(chan wire.EntranceEvent, 8)}
	e.entrance = wire.NewEntrance(t.become, nonce, cmd.Stdout, cmd.Stderr, e.note)
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	through := cmd
	through.Line, through.Stdout, through.Stderr = line, e.entrance.Stdout(), e.entrance.Stderr()
	if t.become.ReadsInput(t.password != nil) {
		var in *io.PipeReader
		in, e.in = io.Pipe()
		through.Stdin = in
	}
	var wg sync.WaitGroup
	wg.Go(func() { e.lead(inner, cancel) })
	err = t.under.Exec(inner, through)
	cancel(nil)
	if e.in != nil {
		e.in.CloseWithError(io.ErrClosedPipe)
		if c, ok := cmd.Stdin.(io.Closer); ok {
			c.Close() // unblocks the copying; it is what Exec has to do
		}
	}
	wg.Wait()
	return e.judge(err)
}

// hopeless returns an error when the password at hand was refused before.
func (t *becoming) hopeless(ctx context.Context) error {
	t.mu.Lock()
	refused := t.refused
	t.mu.Unlock()
	if refused == "" {
		return nil
	}
	if password, err := t.password(ctx); err != nil || password != refused {
		return err
	}
	return t.fail(BecomeWrongPassword, "")
}

// entry is one exec on its way to the other user's shell.
type entry struct {
	*becoming
	cmd      transport.Command
	entrance *wire.Entrance
	events   chan wire.EntranceEvent
	in       *io.PipeWriter // nil: the program reads no input, and the shell gets it from the first
	sent     string         // the password
	verdict  error          // why the exec is being given up; nil while it is not
}

// note must not block: a host that asks without end is heard a few times, which is enough.
func (e *entry) note(event wire.EntranceEvent) {
	select {
	case e.events <- event:
	default:
	}
}

// lead answers the program until the shell is there, or ctx ends. Then it feeds the shell.
func (e *entry) lead(ctx context.Context, cancel context.CancelCauseFunc) {
	timer := time.NewTimer(entryPatience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if e.verdict == nil {
				e.verdict = e.silent()
			}
			cancel(e.verdict)
			return
		case event := <-e.events:
			if event == wire.EntranceReady {
				e.feed()
				return
			}
			if e.verdict != nil {
				continue
			}
			timer.Reset(entryPatience)
			if e.verdict = e.answer(ctx); e.verdict != nil {
				e.in.Close() // at the end of its input the program gives up by itself
				timer.Reset(leavePatience)
			}
		}
	}
}

// answer gives the password. The error says why not.
func (e *entry) answer(ctx context.Context) error {
	switch {
	case e.sent != "":
		e.mu.Lock()
		e.refused = e.sent
		e.mu.Unlock()
		return e.failed(BecomeWrongPassword, "")
	case e.password == nil:
		return e.failed(BecomeNeedsPassword, "")
	}
	password, err := e.password(ctx)
	switch {
	case err != nil:
		return err
	case password == "":
		return e.failed(BecomeNeedsPassword, "")
	case strings.ContainsAny(password, "\n\r\x00"):
		return fmt.Errorf("%s: the password to become %s has more than one line", e.target.Name, e.become.User)
	}
	e.sent = password
	io.WriteString(e.in, password+"\n") // if that fails the exec has ended, and says why
	return nil
}

// feed copies the caller's input to the shell.
func (e *entry) feed() {
	if e.in == nil {
		return
	}
	if e.cmd.Stdin != nil {
		io.Copy(e.in, e.cmd.Stdin) // fails when the exec has ended, which says why
	}
	e.in.Close()
}

func (e *entry) silent() error {
	failed := e.failed(BecomeSilent, e.entrance.Said())
	if e.in == nil {
		// The input is on its way: a shell that comes up too late might read it.
		return &transport.DisconnectedError{Host: e.target.Name, Err: failed}
	}
	return failed
}

// judge says what the end of the exec means.
func (e *entry) judge(err error) error {
	var exit *transport.ExitError
	switch {
	case e.entrance.Ready():
		return err
	case e.verdict != nil:
		return e.verdict
	case err != nil && !errors.As(err, &exit):
		return err
	case !e.entrance.Began():
		if e.cmd.Stderr != nil {
			io.WriteString(e.cmd.Stderr, e.entrance.Noise())
		}
		return err
	case e.entrance.None():
		return e.failed(BecomeNoMethod, "")
	}
	said := e.entrance.Said()
	if e.sent != "" {
		said = strings.ReplaceAll(said, e.sent, "********")
	}
	problem := becomeProblem(e.become.Method, said)
	if e.become.Method == "su" && e.sent != "" && problem == BecomeWrongPassword {
		e.mu.Lock()
		e.refused = e.sent
		e.mu.Unlock()
	}
	return e.failed(problem, said)
}

func (t *becoming) fail(problem BecomeProblem, said string) *BecomeError {
	t.mu.Lock()
	defer t.mu.Unlock()
	login := t.login
	if login == "" {
		login = t.target.User
	}
	return &BecomeError{Host: t.target.Name, Login: login, Become: t.become, Problem: problem, Said: said}
}

// failed is fail once the host may have told who logs in.
func (e *entry) failed(problem BecomeProblem, said string) *BecomeError {
	e.mu.Lock()
	e.login = e.entrance.Login()
	e.mu.Unlock()
	return e.fail(problem, said)
}

// notEntered reports whether err proves that another user's shell was never there, and read nothing.
func notEntered(err error) bool {
	var gone *transport.DisconnectedError
	var become *BecomeError
	return errors.As(err, &become) && !errors.As(err, &gone)
}
