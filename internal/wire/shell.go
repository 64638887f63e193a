package wire

import (
	"bytes"
	"io"
	"sync"
)

// Attached is what the marker of a Shell says: the process to give to KillTree.
type Attached struct {
	Pid   int
	Start string // "": unknown, KillTree will be refused
}

// ShellStreams passes on what an attached command prints and drops all that
// the login files print before it. Stdout and Stderr are for the exec; they
// may be written to at the same time.
type ShellStreams struct {
	out, err stripper
	mu       sync.Mutex
	started  func(Attached)
}

// NewShellStreams passes the streams of the Shell that was sent with nonce on
// to out and err. started, when not nil, is called once, from a Write to
// Stdout, when the marker has come.
func NewShellStreams(nonce string, out, err io.Writer, started func(Attached)) *ShellStreams {
	s := &ShellStreams{started: started}
	s.out = stripper{s: s, nonce: nonce, to: out, announce: true}
	s.err = stripper{s: s, nonce: nonce, to: err}
	return s
}

// Stdout is the writer for the exec's standard output.
func (s *ShellStreams) Stdout() io.Writer { return &s.out }

// Stderr is the writer for the exec's standard error.
func (s *ShellStreams) Stderr() io.Writer { return &s.err }

// Marked reports whether the marker has come on standard output. Without it
// the command never began.
func (s *ShellStreams) Marked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.open
}

// Noise returns the last 2 KB of what each stream printed before its marker.
func (s *ShellStreams) Noise() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.noise() + s.err.noise()
}

type stripper struct {
	s        *ShellStreams
	nonce    string
	to       io.Writer
	announce bool
	open     bool
	held     []byte // before the marker: the noise and the line that has no end yet
	line     int    // where in held that line begins
}

func (p *stripper) noise() string { return string(p.held[max(0, p.line-keepNoise):p.line]) }

func (p *stripper) Write(b []byte) (int, error) {
	p.s.mu.Lock()
	open := p.open
	rest := b
	var at Attached
	if !open {
		rest, at = p.strip(b)
	}
	began := !open && p.open
	p.s.mu.Unlock()
	if began && p.announce && p.s.started != nil {
		p.s.started(at)
	}
	if len(rest) > 0 {
		if n, err := p.to.Write(rest); err != nil {
			return max(0, len(b)-len(rest)+n), err
		}
	}
	return len(b), nil
}

// strip looks for the marker; what follows it is returned.
func (p *stripper) strip(b []byte) ([]byte, Attached) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.held = append(p.held, b...)
			p.trim()
			return nil, Attached{}
		}
		p.held = append(p.held, b[:i+1]...)
		b = b[i+1:]
		r := Reader{nonce: p.nonce}
		f, ok := r.header(bytes.TrimSuffix(p.held[p.line:], []byte("\n")))
		if ok && f.Verb == "SHELL" && len(f.Args) == 2 {
			p.held, p.open = bytes.TrimSpace(p.held[:p.line]), true
			p.line = len(p.held)
			return b, Attached{Pid: int(number(f.Args[0])), Start: known(f.Args[1])}
		}
		if ok { // HELLO
			p.held = p.held[:p.line]
		}
		p.line = len(p.held)
		p.trim()
	}
	return nil, Attached{}
}

func (p *stripper) trim() {
	if over := len(p.held) - 2*keepNoise; over > 0 {
		p.held = append(p.held[:0], p.held[over:]...)
		p.line = max(0, p.line-over)
	}
}
