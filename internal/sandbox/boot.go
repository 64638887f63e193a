package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// boot is a host from the moment it comes up to the moment it goes down: a listener, connections and commands.
type boot struct {
	host     *host
	id       string
	listener net.Listener
	running  sync.WaitGroup // every goroutine of this boot
	over     chan struct{}  // closed by cut

	// mu is held for reading while a process is being started, so that after cut none begins.
	mu    sync.RWMutex
	dead  bool
	conns map[net.Conn]bool
}

func newBoot(h *host, id string, l net.Listener) *boot {
	return &boot{host: h, id: id, listener: l, over: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// accept serves connections until the listener closes.
func (b *boot) accept() {
	for {
		conn, err := b.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, for one: others may be freed
			select {
			case <-b.over:
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		b.mu.Lock()
		if b.dead {
			b.mu.Unlock()
			conn.Close()
			return
		}
		b.conns[conn] = true
		b.running.Go(func() {
			b.serve(conn)
			conn.Close()
			b.mu.Lock()
			delete(b.conns, conn)
			b.mu.Unlock()
		})
		b.mu.Unlock()
	}
}

// cut ends the boot: no connection is accepted, none stays, no process begins. Those that run are left alone. It may
// be called again.
func (b *boot) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead {
		return
	}
	b.dead = true
	close(b.over)
	b.listener.Close()
	for conn := range b.conns {
		conn.Close()
	}
}

// wait returns when every goroutine of the boot has ended, which needs cut and the end of its processes, or with an
// error when ctx ends first.
func (b *boot) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		b.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: commands do not end: %w", b.host.name, context.Cause(ctx))
	}
}
