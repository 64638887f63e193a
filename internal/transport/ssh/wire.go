package ssh

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
)

// wire is a connection, to a host or through a jump host, that remembers what x/crypto does not tell: what the peer
// said first, that something came, and that reading failed. The last is known here before any channel is told.
type wire struct {
	net.Conn
	received atomic.Int64 // bytes so far
	broken   atomic.Bool  // a Read failed: nothing more can come

	mu   sync.Mutex
	head []byte // the first bytes received, at most headSize
}

const headSize = 512

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.received.Add(int64(n))-int64(n) < headSize {
		w.mu.Lock()
		w.head = append(w.head, p[:min(n, headSize-len(w.head))]...)
		w.mu.Unlock()
	}
	if err != nil {
		w.broken.Store(true)
	}
	quickAck(w.Conn)
	return n, err
}

// greeting returns the first line that the peer sent and whether it speaks SSH.
func (w *wire) greeting() (line string, isSSH bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// RFC 4253, section 4.2: the server may send lines of its own before the one that begins with SSH-.
	isSSH = bytes.HasPrefix(w.head, []byte("SSH-")) || bytes.Contains(w.head, []byte("\nSSH-"))
	first, _, _ := bytes.Cut(w.head, []byte("\n"))
	return string(bytes.TrimRight(first, "\r")), isSSH
}
