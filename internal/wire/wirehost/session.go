package wirehost

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"starling/internal/transport"
	"starling/internal/wire"
)

// The exit codes of a channel, as a real host has them.
const (
	exitNoShell = 127 // the exec line is none of ours
	exitGarbled = 97  // what came over standard input is not the protocol
)

// longest bounds the script of a request, in bytes: a limit of this host alone.
const longest = 64 << 20

// session is one exec: a command channel, or an attached command.
type session struct {
	host     *Host
	in       *bufio.Reader
	out, err io.Writer
	end      context.CancelCauseFunc

	nonce string
	hello bool // HELLO was said

	cookie string // of an attached command that runs; guarded by host.mu
	closed bool   // its connection is; guarded by host.mu
}

func newSession(h *Host, cmd transport.Command, end context.CancelCauseFunc) *session {
	s := &session{host: h, out: cmd.Stdout, err: cmd.Stderr, end: end}
	if cmd.Stdin == nil {
		cmd.Stdin = strings.NewReader("")
	}
	if s.out == nil {
		s.out = io.Discard
	}
	if s.err == nil {
		s.err = io.Discard
	}
	// The size is a compromise: it is all that an open channel keeps, and what is sent to open one is many times as long.
	s.in = bufio.NewReaderSize(cmd.Stdin, 4<<10)
	return s
}

// serve answers requests until the input ends. An *transport.ExitError is the
// end of the shell, any other error is of the streams or of ctx.
func (s *session) serve(ctx context.Context, line string) error {
	if !slices.Contains(wire.Lines(), line) {
		_, err := io.WriteString(s.err, "wirehost: this is no line of the protocol\n")
		return errors.Join(err, exit(exitNoShell))
	}
	if err := s.open(); err != nil {
		return err
	}
	for {
		r, err := s.next()
		if errors.Is(err, io.EOF) && !s.hello {
			return s.write(s.newAnswer(0))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.host.o.Meter.asked()
		if pause(ctx, s.host.o.Latency, nil); ctx.Err() != nil {
			return ctx.Err()
		}
		if r.attach {
			return s.shell(ctx, r)
		}
		a := s.newAnswer(r.seq)
		last, err := s.carryOut(ctx, a, r.script)
		if err != nil {
			return err
		}
		a.emit("END")
		if err := s.write(a); err != nil || last {
			return err
		}
	}
}

// open skips to the magic line and over the script that it announces.
func (s *session) open() error {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return garbled(err)
		}
		w := strings.Fields(line)
		if len(w) < 3 || w[0] != "@starling/"+strconv.Itoa(wire.Version) {
			continue
		}
		n, err := strconv.Atoi(w[2])
		if err != nil || !wire.ValidNonce(w[1]) {
			return exit(exitGarbled)
		}
		s.nonce = w[1]
		if _, err := s.in.Discard(n); err != nil {
			return garbled(err)
		}
		return nil
	}
}

type request struct {
	seq    int
	script string
	attach bool
}

// next reads a request without its payload; io.EOF is the end of the input.
func (s *session) next() (r request, err error) {
	line, err := s.in.ReadString('\n')
	if err != nil && line != "" {
		return r, garbled(err)
	}
	if err != nil {
		return r, err
	}
	w := strings.Fields(line)
	if len(w) != 4 || w[0] != s.nonce {
		return r, exit(exitGarbled)
	}
	seq, err1 := strconv.Atoi(w[1])
	n, err2 := strconv.Atoi(w[2])
	if err1 != nil || err2 != nil || n < 0 || n > longest {
		return r, exit(exitGarbled)
	}
	text, err := s.take(int64(n))
	if err != nil {
		return r, garbled(err)
	}
	return request{seq: seq, script: string(text), attach: w[3] == "x"}, nil
}

// take reads n bytes of input; what is read grows only as it comes.
func (s *session) take(n int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := io.CopyN(&b, s.in, n)
	return b.Bytes(), err
}

// answer is the frames of one answer. It is written in one piece when the
// request was read to its end: who sends may read only then.
type answer struct {
	bytes.Buffer
	nonce string
	seq   int
}

// newAnswer begins an answer, the first of a channel with its HELLO.
func (s *session) newAnswer(seq int) *answer {
	a := &answer{nonce: s.nonce}
	if !s.hello {
		a.emit("HELLO", wire.Version)
		s.hello = true
	}
	a.seq = seq
	return a
}

// emit adds a frame.
func (a *answer) emit(verb string, args ...any) {
	fmt.Fprintf(a, "\n%s %d %s", a.nonce, a.seq, verb)
	for _, arg := range args {
		fmt.Fprint(a, " ", arg)
	}
	a.WriteByte('\n')
}

// trail ends the data of a frame whose verb begins with a plus.
func (a *answer) trail() { a.emit("E") }

func (s *session) write(a *answer) error {
	_, err := s.out.Write(a.Bytes())
	return err
}

func exit(code int) error {
	if code == 0 {
		return nil
	}
	return &transport.ExitError{Code: code}
}

// garbled is input that ended in the wrong place; another error is the stream's own.
func garbled(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return exit(exitGarbled)
	}
	return err
}
