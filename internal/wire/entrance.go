package wire

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// EntranceEvent is what happens on the way to another user's shell.
type EntranceEvent int

// The events. After EntranceReady there is none.
const (
	EntrancePrompt EntranceEvent = iota // the program asks for a password; the second time, the first was wrong
	EntranceReady                       // the user's shell is there, and reads
)

// Entrance reads what an exec of a Become's Line prints until the other user's
// shell is there, and passes on what follows. Each stream has a marker of its
// own for that: which of the two is heard first is chance.
type Entrance struct {
	become Become
	nonce  string
	to     [2]io.Writer
	on     func(EntranceEvent)

	mu      sync.Mutex
	began   bool
	none    bool
	login   string
	ready   bool   // on stdout
	open    bool   // the same on stderr
	stdout  []byte // before READY
	stderr  []byte // before BEGIN
	said    []byte // on stderr between BEGIN and READY
	checked int    // of said, how much was looked at for prompts
}

// NewEntrance passes what comes after the entrance on to out and err; nil
// discards. on is called from a Write to one of the two streams, one call at a
// time, and must not block.
func NewEntrance(b Become, nonce string, out, err io.Writer, on func(EntranceEvent)) *Entrance {
	return &Entrance{become: b.Full(), nonce: nonce, to: [2]io.Writer{out, err}, on: on}
}

// Stdout is the writer for the exec's standard output.
func (e *Entrance) Stdout() io.Writer { return entranceStream{e, 0} }

// Stderr is the writer for the exec's standard error.
func (e *Entrance) Stderr() io.Writer { return entranceStream{e, 1} }

// Began reports whether the program was reached at all. If not, the line may
// be tried in another form.
func (e *Entrance) Began() bool { return e.state(func() bool { return e.began || e.ready }) }

// Login returns the name of the login user, as the host has it; "" when it did not say.
func (e *Entrance) Login() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !userForm.MatchString(e.login) {
		return ""
	}
	return e.login
}

// None reports that the host has no such program.
func (e *Entrance) None() bool { return e.state(func() bool { return e.none }) }

// Ready reports whether the user's shell was there.
func (e *Entrance) Ready() bool { return e.state(func() bool { return e.ready }) }

func (e *Entrance) state(f func() bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f()
}

// Said returns the last 2 KB of what the program said, without prompts of ours.
func (e *Entrance) Said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := strings.ReplaceAll(string(e.said), e.nonce+":", "")
	return strings.TrimSpace(text)
}

// Noise returns what the login files printed, for a line that was not understood.
func (e *Entrance) Noise() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.stdout) + string(e.stderr)
}

type entranceStream struct {
	e  *Entrance
	fd int
}

func (s entranceStream) Write(b []byte) (int, error) {
	rest := s.e.take(s.fd, b)
	to := s.e.to[s.fd]
	if len(rest) > 0 && to != nil {
		if n, err := to.Write(rest); err != nil {
			return max(0, len(b)-len(rest)+n), err
		}
	}
	return len(b), nil
}

// take keeps what belongs to the entrance and returns the rest.
func (e *Entrance) take(fd int, b []byte) (rest []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if fd == 0 {
		return e.takeOut(b)
	}
	return e.takeErr(b)
}

func (e *Entrance) takeOut(b []byte) []byte {
	if e.ready {
		return b
	}
	before, _, after, found := e.marker(append(e.stdout, b...), "READY")
	e.stdout = lastOf(before)
	if found {
		e.ready = true
		e.on(EntranceReady)
	}
	return after
}

func (e *Entrance) takeErr(b []byte) []byte {
	if !e.began {
		before, login, after, found := e.marker(append(e.stderr, b...), "BEGIN")
		e.stderr = lastOf(before)
		if !found {
			return nil
		}
		e.began, e.login, b = true, login, after
	}
	if e.open {
		return b
	}
	e.said = append(e.said, b...)
	if before, _, after, found := e.marker(e.said, "READY"); found {
		e.open, e.said = true, lastOf(before)
		return after
	}
	if _, _, _, found := e.marker(e.said, "NONE"); found {
		e.none = true
	}
	for e.prompted() {
		e.on(EntrancePrompt)
	}
	if over := len(e.said) - 2*keepNoise; over > 0 {
		over = min(over, e.checked)
		e.said = append(e.said[:0], e.said[over:]...)
		e.checked -= over
	}
	return nil
}

// prompted looks for the next prompt in what was said.
func (e *Entrance) prompted() bool {
	fresh := e.said[e.checked:]
	if e.become.Method != "su" {
		prompt := e.nonce + ":"
		i := bytes.Index(fresh, []byte(prompt))
		if i < 0 {
			e.checked = max(e.checked, len(e.said)-len(prompt)+1)
			return false
		}
		e.checked += i + len(prompt)
		return true
	}
	// Nobody can tell su how to ask. It leaves the cursor behind a colon; its messages are lines, and begin with its name.
	line := fresh[bytes.LastIndexByte(fresh, '\n')+1:]
	text := strings.TrimSpace(string(line))
	if !strings.HasSuffix(text, ":") || strings.HasPrefix(text, "su:") {
		e.checked += len(fresh) - min(len(line), longestPrompt)
		return false
	}
	e.checked = len(e.said)
	return true
}

// marker splits text around the whole line that begins with word; rest is what else is on it.
func (e *Entrance) marker(text []byte, word string) (before []byte, rest string, after []byte, found bool) {
	word = e.nonce + " " + word
	at := 0
	if !bytes.HasPrefix(text, []byte(word)) {
		if at = bytes.Index(text, []byte("\n"+word)) + 1; at == 0 {
			return text, "", nil, false
		}
	}
	line, after, whole := bytes.Cut(text[at:], []byte("\n"))
	if !whole {
		return text, "", nil, false
	}
	return text[:at], strings.TrimSpace(string(line[len(word):])), after, true
}

// longestPrompt bounds the line of a prompt that nobody could choose.
const longestPrompt = 256

func lastOf(b []byte) []byte { return b[max(0, len(b)-2*keepNoise):] }
