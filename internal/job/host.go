package job

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// Host is one machine of an Engine. Its methods may be called from many goroutines at once. It keeps a connection
// only while something is asked of the machine, and Config.Idle longer.
type Host struct {
	engine    *Engine
	target    transport.Target
	transport transport.Transport

	turn     sync.Mutex   // held for one exchange on the command channel
	channel  *channel     // nil when none is open; guarded by turn
	line     atomic.Int32 // which of wire.Lines this host's login shell understands
	probed   *wire.HostFacts
	probedMu sync.Mutex

	mu       sync.Mutex
	users    int         // calls under way
	idle     *time.Timer // closes the connection; nil while in use or closed
	lastSeen time.Time   // when the host last answered anything
}

// Name returns what the host is called in scripts and messages.
func (h *Host) Name() string { return h.target.Name }

// Target returns where the host is.
func (h *Host) Target() transport.Target { return h.target }

// enter begins a call that uses the host: it takes one of the engine's slots. Every enter has its leave.
func (h *Host) enter(ctx context.Context) error {
	if err := h.engine.acquire(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users++
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
	return nil
}

func (h *Host) leave() {
	h.mu.Lock()
	h.users--
	if h.users == 0 {
		h.idle = time.AfterFunc(h.engine.cfg.Idle, h.Rest)
	}
	h.mu.Unlock()
	if h.engine.release() {
		h.Rest()
	}
}

// Rest closes the connection unless a call uses it. A wait rests between its looks, so that a host that is only
// waited for costs nothing.
func (h *Host) Rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users > 0 {
		return
	}
	h.drop()
}

// drop closes the connection whoever uses it. h.mu is held.
func (h *Host) drop() {
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
	h.transport.Close()
}

// disconnect drops the connection, whoever uses it: after it, the next call dials anew.
func (h *Host) disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
}

// close ends the host's use: no call may be under way or follow.
func (h *Host) close() {
	h.disconnect()
	h.turn.Lock()
	defer h.turn.Unlock()
	if h.channel != nil {
		h.channel.close()
		h.channel = nil
	}
}

func (h *Host) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastSeen = time.Now()
}

func (h *Host) seen() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastSeen
}

func (h *Host) emit(ev event.Event) {
	ev.Host = h.target.Name
	h.engine.emit(ev)
}

// facts returns what the probe found; it asks the host the first time. A host whose probe failed is asked again.
func (h *Host) facts(ctx context.Context) (wire.HostFacts, error) {
	h.probedMu.Lock()
	defer h.probedMu.Unlock()
	if h.probed != nil {
		return *h.probed, nil
	}
	frames, err := h.exchange(ctx, wire.Probe{}, answerTimeout)
	if err != nil {
		return wire.HostFacts{}, err
	}
	facts, err := wire.DecodeProbe(frames)
	if err != nil {
		return wire.HostFacts{}, h.garbled(err)
	}
	if facts.Base == "" {
		return wire.HostFacts{}, &ProtocolError{Host: h.Name(), Problem: "no folder for jobs on this host: " + facts.BaseReason,
			Help: "the user needs a folder to write to: its home, /var/tmp or /tmp"}
	}
	h.probed = &facts
	return facts, nil
}

func (h *Host) garbled(err error) error {
	return &ProtocolError{Host: h.Name(), Problem: "an answer could not be read: " + err.Error()}
}
