package main

import (
	"bytes"
	"sync"

	"starling/internal/job"
)

// lineCap is how much of a line without an end is kept before it is passed on all the same.
const lineCap = 64 << 10

// teller passes what a command writes on line by line, as it comes. Standard output and standard error are told apart only
// to keep their lines whole.
type teller struct {
	say func(line string)

	mu   sync.Mutex
	rest map[job.Stream][]byte
}

func newTeller(say func(line string)) *teller {
	return &teller{say: say, rest: map[job.Stream][]byte{}}
}

func (t *teller) take(from job.Stream, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := append(t.rest[from], p...)
	for {
		line, more, whole := bytes.Cut(have, []byte("\n"))
		if !whole && len(line) < lineCap {
			break
		}
		t.say(string(line))
		have = more
	}
	t.rest[from] = bytes.Clone(have)
}

// end passes on what has no line feed behind it.
func (t *teller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, from := range []job.Stream{job.Stdout, job.Stderr} {
		if rest := t.rest[from]; len(rest) > 0 {
			t.say(string(rest))
		}
	}
	clear(t.rest)
}
