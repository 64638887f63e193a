package job

import (
	"bytes"
	"sync"
)

// tail is a writer that keeps the last bytes written to it, in bounded memory.
type tail struct {
	mu    sync.Mutex
	most  int
	buf   []byte // at most twice most bytes
	total int64
}

func newTail(most int) *tail { return &tail{most: most} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(p))
	n := len(p)
	if n > t.most {
		p = p[n-t.most:]
	}
	if len(t.buf)+len(p) > 2*t.most {
		kept := copy(t.buf, t.buf[max(0, len(t.buf)-t.most):])
		t.buf = t.buf[:kept]
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// Bytes returns a copy of the last bytes.
func (t *tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf[max(0, len(t.buf)-t.most):])
}

func (t *tail) String() string { return string(t.Bytes()) }

// Total returns how many bytes were written in all.
func (t *tail) Total() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}
