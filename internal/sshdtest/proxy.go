package sshdtest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is the way bytes go through a Proxy.
type Direction int

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

// Proxy is a TCP proxy on loopback that harms what passes through it, when told to. Its methods may be called from
// many goroutines at once, and act on open connections too.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup
	ended    chan struct{}

	mu     sync.Mutex
	change *sync.Cond // signalled when frozen, closed or pairs change
	pairs  map[*pair]struct{}
	delay  time.Duration
	cut    [2]int64 // bytes left until the cut, by direction; negative: no cut
	passed [2]int64
	frozen bool
	closed bool
}

type pair struct{ client, server net.Conn }

func (p *pair) close() {
	p.client.Close()
	p.server.Close()
}

// chunk is what was read at once and the time from which it may be passed on.
type chunk struct {
	data []byte
	due  time.Time
}

// NewProxy starts a proxy to target (host:port) that at first passes everything on. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	p := &Proxy{target: target, listener: listener, ended: make(chan struct{}), pairs: map[*pair]struct{}{}, cut: [2]int64{-1, -1}}
	p.change = sync.NewCond(&p.mu)
	p.wg.Add(1)
	go p.accept()
	t.Cleanup(p.end)
	return p
}

// Addr returns the host:port to connect to instead of the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Delay holds every byte back for d, in each direction; a round trip takes 2d longer. Throughput is not limited.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// CutAfter closes all connections as soon as exactly n more bytes, of whichever connection, have been passed on in
// the direction; with n zero, when the next byte comes, which is not passed on. It happens once: what connects
// afterwards is not harmed. A negative n takes the order back.
func (p *Proxy) CutAfter(d Direction, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut[d] = n
}

// Cut closes all open connections now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAll()
}

// Freeze stops passing on, as a host does that has gone silent: connections are accepted and stay open, and what was
// sent meanwhile comes through when it ends.
func (p *Proxy) Freeze(frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = frozen
	p.change.Broadcast()
}

// Passed returns how many bytes were passed on in the direction so far, over all connections.
func (p *Proxy) Passed(d Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[d]
}

// Connections returns how many connections are open now.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

func (p *Proxy) cutAll() {
	for open := range p.pairs {
		open.close()
		delete(p.pairs, open)
	}
	p.change.Broadcast()
}

func (p *Proxy) end() {
	p.mu.Lock()
	p.closed = true
	close(p.ended)
	p.listener.Close()
	p.cutAll()
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	defer p.wg.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp4", p.target, 10*time.Second)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		open := &pair{client, server}
		if p.closed {
			open.close()
			p.mu.Unlock()
			return
		}
		p.pairs[open] = struct{}{}
		p.wg.Add(2)
		p.mu.Unlock()
		go p.pass(open, ToServer, server, client)
		go p.pass(open, ToClient, client, server)
	}
}

// pass copies one direction of one connection. A goroutine of its own reads ahead, so that a delay costs no
// throughput.
func (p *Proxy) pass(open *pair, d Direction, to, from net.Conn) {
	defer p.wg.Done()
	chunks := make(chan chunk, 256)
	var reader sync.WaitGroup
	reader.Add(1)
	go func() {
		defer reader.Done()
		defer close(chunks)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				p.mu.Lock()
				due := time.Now().Add(p.delay)
				p.mu.Unlock()
				chunks <- chunk{buffer[:n], due}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if !p.forward(open, d, to, c) {
			break
		}
	}
	// The end of one direction is passed on as such; a failure ends both.
	if half, ok := to.(*net.TCPConn); !ok || half.CloseWrite() != nil {
		open.close()
	}
	for range chunks { // the reader may be about to send
	}
	reader.Wait()
	if d == ToClient {
		open.close() // the server has ended: nobody answers the client any more
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d == ToClient {
		delete(p.pairs, open)
	}
}

// forward passes one chunk on when it is due, or as much of it as comes before a cut. It reports whether the
// connection goes on.
func (p *Proxy) forward(open *pair, d Direction, to net.Conn, c chunk) bool {
	timer := time.NewTimer(time.Until(c.due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ended:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && p.alive(open) {
		p.change.Wait()
	}
	if !p.alive(open) {
		return false
	}
	cut := p.cut[d] >= 0 && p.cut[d] <= int64(len(c.data))
	if cut {
		c.data = c.data[:p.cut[d]]
		p.cut[d] = -1
	} else if p.cut[d] >= 0 {
		p.cut[d] -= int64(len(c.data))
	}
	// Counted first and written unlocked: a receiver that does not read must not hold the other connections up.
	p.passed[d] += int64(len(c.data))
	p.mu.Unlock()
	_, err := to.Write(c.data)
	p.mu.Lock()
	if cut {
		p.cutAll()
	}
	return err == nil && !cut
}

func (p *Proxy) alive(open *pair) bool {
	_, ok := p.pairs[open]
	return ok && !p.closed
}
