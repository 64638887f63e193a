package wirehost

import "sync/atomic"

// Meter counts what a controller does to all hosts that share it. Its methods
// may be called from many goroutines at once. The zero Meter is ready, a nil
// one counts nothing.
type Meter struct {
	open, mostOpen, execs, exchanges, starts atomic.Int64
}

// Open returns how many connections are open now: an Exec under way is one,
// until its host is closed.
func (m *Meter) Open() int { return m.read(func() *atomic.Int64 { return &m.open }) }

// MostOpen returns how many connections were open at the fullest instant.
func (m *Meter) MostOpen() int { return m.read(func() *atomic.Int64 { return &m.mostOpen }) }

// Execs returns how many Execs were begun, attached commands included.
func (m *Meter) Execs() int { return m.read(func() *atomic.Int64 { return &m.execs }) }

// Exchanges returns how many requests came, attached commands included.
func (m *Meter) Exchanges() int { return m.read(func() *atomic.Int64 { return &m.exchanges }) }

// Starts returns how many detached jobs were started: a request for one that
// was started before is none.
func (m *Meter) Starts() int { return m.read(func() *atomic.Int64 { return &m.starts }) }

func (m *Meter) read(field func() *atomic.Int64) int {
	if m == nil {
		return 0
	}
	return int(field().Load())
}

func (m *Meter) entered() {
	if m == nil {
		return
	}
	m.execs.Add(1)
	n := m.open.Add(1)
	for most := m.mostOpen.Load(); n > most && !m.mostOpen.CompareAndSwap(most, n); {
		most = m.mostOpen.Load()
	}
}

func (m *Meter) left() {
	if m != nil {
		m.open.Add(-1)
	}
}

func (m *Meter) asked() {
	if m != nil {
		m.exchanges.Add(1)
	}
}

func (m *Meter) started() {
	if m != nil {
		m.starts.Add(1)
	}
}
