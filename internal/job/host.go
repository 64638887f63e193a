package job

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// Host is one machine of an Engine, under one user: the login user, or another (As). Its methods may be called from
// many goroutines at once. It keeps a connection only while something is asked of the machine, and Config.Idle longer.
type Host struct {
	*machine
	become    wire.Become // zero: the login user
	transport transport.Transport

	turn    *semaphore.Weighted // held for one exchange on the command channel
	channel *channel            // nil when none is open; guarded by turn
	probing *semaphore.Weighted // held while probed is asked for
	probed  *wire.HostFacts
	lookout *lookout
}

// machine is what all users of one machine share: the connection, and the account of who uses it.
type machine struct {
	engine *Engine
	target transport.Target
	line   atomic.Int32 // which of wire.Lines this host's login shell understands

	mu       sync.Mutex
	users    int           // calls under way
	slot     bool          // one of the engine's is this machine's
	claim    *claim        // of the call that waits for a slot; nil: none does
	settled  chan struct{} // closed when that wait is over
	idle     *time.Timer   // closes the connection; nil while in use or closed
	idleFrom time.Time
	lastSeen time.Time // when the host last answered anything
	login    *Host     // never changes
	others   map[wire.Become]*Host
}

func newHost(e *Engine, target transport.Target, t transport.Transport) *Host {
	m := &machine{engine: e, target: target}
	m.login = m.as(wire.Become{}, t)
	return m.login
}

func (m *machine) as(b wire.Become, t transport.Transport) *Host {
	return &Host{machine: m, become: b, transport: t, turn: semaphore.NewWeighted(1), probing: semaphore.NewWeighted(1), lookout: newLookout()}
}

// everyone returns the machine under each of the users it was used as.
func (m *machine) everyone() []*Host {
	m.mu.Lock()
	defer m.mu.Unlock()
	hosts := []*Host{m.login}
	for _, h := range m.others {
		hosts = append(hosts, h)
	}
	return hosts
}

// Name returns what the host is called in scripts and messages.
func (h *Host) Name() string { return h.target.Name }

// Target returns where the host is.
func (h *Host) Target() transport.Target { return h.target }

// enter begins a call that uses the host: it takes one of the engine's slots unless the machine has one. Every enter
// has its leave, and there may be one within another.
func (h *Host) enter(ctx context.Context, u urgency) error {
	for {
		h.mu.Lock()
		if u == observe && h.users == 0 && h.slot && h.engine.slots.begins() {
			h.drop() // a look gives way also where the machine still has a slot from the call before
		}
		if h.slot {
			h.use()
			h.mu.Unlock()
			return nil
		}
		if h.claim == nil {
			return h.claimSlot(ctx, u)
		}
		claim, settled := h.claim, h.settled
		h.mu.Unlock()
		if u == begin {
			h.engine.slots.hasten(claim)
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// claimSlot waits for a slot on behalf of all calls of the machine. h.mu is held, and is not afterwards.
func (h *Host) claimSlot(ctx context.Context, u urgency) error {
	claim, idle := h.engine.slots.enqueue(u)
	settled := make(chan struct{})
	h.claim, h.settled = claim, settled
	h.mu.Unlock()
	for _, m := range idle {
		m.hurry()
	}
	select {
	case <-claim.granted:
	default:
		if u == begin {
			h.emit(event.Event{Kind: event.HostWaits})
			defer h.emit(event.Event{Kind: event.HostTurn})
		}
	}
	err := h.engine.slots.await(ctx, claim)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.claim = nil
	close(settled)
	if err != nil {
		return err
	}
	h.slot = true
	h.use()
	return nil
}

// use counts a call. h.mu is held.
func (m *machine) use() {
	m.users++
	if m.idle != nil {
		m.idle.Stop()
		m.idle = nil
		m.engine.slots.bestir(m)
	}
}

func (h *Host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users > 0 {
		return
	}
	patience := h.engine.cfg.Idle
	if h.engine.slots.lieIdle(h.machine) {
		patience = min(patience, linger)
	}
	h.idleFrom = time.Now()
	h.idle = time.AfterFunc(patience, h.Rest)
}

// hurry has an idle machine rest soon, since others wait for its slot.
func (m *machine) hurry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle != nil {
		m.idle.Reset(max(0, linger-time.Since(m.idleFrom)))
	}
}

// Rest closes the connection and lets others have the slot, unless a call uses them. A wait rests between its looks, so
// that a host that is only waited for costs nothing.
func (m *machine) Rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == 0 {
		m.drop()
	}
}

// Yield is Rest when other hosts wait for their turn: for a script that has come to its end on this one.
func (m *machine) Yield() {
	if m.engine.slots.crowded() {
		m.Rest()
	}
}

// drop closes the connection whoever uses it, and gives up the slot when nobody does. m.mu is held.
func (m *machine) drop() {
	if m.idle != nil {
		m.idle.Stop()
		m.idle = nil
		m.engine.slots.bestir(m)
	}
	m.login.transport.Close()
	if m.slot && m.users == 0 {
		m.slot = false
		m.engine.slots.release()
	}
}

// disconnect drops the connection, whoever uses it: after it, the next call dials anew.
func (m *machine) disconnect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
}

// close ends the machine's use, under all its users: no call may be under way or follow.
func (h *Host) close() {
	h.disconnect()
	for _, h := range h.everyone() {
		h.turn.Acquire(context.Background(), 1) // nobody holds it any more
		h.hangUp()
		h.turn.Release(1)
	}
}

// hangUp closes the command channel; turn is held.
func (h *Host) hangUp() {
	if h.channel != nil {
		h.channel.close()
		h.channel = nil
	}
}

// makeRoom closes the command channels on which no exchange is under way: a host that allows one session only has no
// room for anything beside one.
func (h *Host) makeRoom() {
	for _, h := range h.everyone() {
		if h.turn.TryAcquire(1) {
			h.hangUp()
			h.turn.Release(1)
		}
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
	if err := h.probing.Acquire(ctx, 1); err != nil {
		return wire.HostFacts{}, context.Cause(ctx)
	}
	defer h.probing.Release(1)
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
