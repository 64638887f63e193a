package job

import (
	"container/list"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// urgency says which of two calls goes first when both wait for a slot.
type urgency int

const (
	// begin is a call that has the host do something, or whose answer is wanted now.
	begin urgency = iota
	// observe is a look of a wait. It gives way to what wants to begin, so that all jobs of a fleet are started before
	// the first ones are looked at.
	observe
)

const (
	// observePatience is how long a look gives way. A fleet on which more hosts than slots are busy with attached
	// commands would keep it away for as long as these take.
	observePatience = 5 * time.Minute
	// linger is how long a host keeps a slot that others wait for, once its last call has ended: its script comes with
	// the next call after it has written down the last one, and would have to connect again.
	linger = 100 * time.Millisecond
)

// slots are the permissions to use a host, Config.Forks of them. A machine takes one for its first call and keeps it
// from call to call, with its connection, until it rests or others have waited for longer than linger.
type slots struct {
	mu     sync.Mutex
	free   int
	queues [observe + 1]*list.List // of *claim, by urgency; empty while a slot is free
	idle   map[*machine]bool       // those that have a slot and no call under way
}

// claim is a place in a queue for a slot. Its fields belong to the slots' mutex.
type claim struct {
	granted chan struct{} // closed when the slot is the claimant's
	since   time.Time
	queue   *list.List // nil once granted or given up
	element *list.Element
}

func newSlots(n int) *slots {
	return &slots{free: n, queues: [...]*list.List{list.New(), list.New()}, idle: map[*machine]bool{}}
}

// enqueue takes a slot, or a place in the queue for one. Then idle are the machines that have a slot for nothing: the
// caller has them hurry.
func (s *slots) enqueue(u urgency) (c *claim, idle []*machine) {
	c = &claim{granted: make(chan struct{}), since: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		close(c.granted)
		return c, nil
	}
	c.join(s.queues[u])
	return c, slices.Collect(maps.Keys(s.idle))
}

func (c *claim) join(queue *list.List) { c.queue, c.element = queue, queue.PushBack(c) }

func (c *claim) quit() {
	c.queue.Remove(c.element)
	c.queue = nil
}

// await returns when the slot is the claimant's, or with the cause of ctx when that ends first.
func (s *slots) await(ctx context.Context, c *claim) error {
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.queue == nil {
		s.pass()
	} else {
		c.quit()
	}
	return context.Cause(ctx)
}

// hasten makes a claim as urgent as a call that begins something.
func (s *slots) hasten(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.queue == s.queues[observe] {
		c.quit()
		c.join(s.queues[begin])
	}
}

// release gives a slot back.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass gives a slot to the next claim. s.mu is held.
func (s *slots) pass() {
	next := s.queues[begin].Front()
	if late := s.queues[observe].Front(); late != nil && (next == nil || time.Since(late.Value.(*claim).since) > observePatience) {
		next = late
	}
	if next == nil {
		s.free++
		return
	}
	c := next.Value.(*claim)
	c.quit()
	close(c.granted)
}

// crowded reports whether somebody waits for a slot.
func (s *slots) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waited()
}

// begins reports whether a call that begins something waits for a slot.
func (s *slots) begins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[begin].Len() > 0
}

func (s *slots) waited() bool { return s.queues[begin].Len()+s.queues[observe].Len() > 0 }

// lieIdle notes that a machine has a slot and no call, and reports whether somebody waits for it.
func (s *slots) lieIdle(m *machine) (wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle[m] = true
	return s.waited()
}

func (s *slots) bestir(m *machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.idle, m)
}
