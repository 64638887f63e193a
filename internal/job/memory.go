package job

import (
	"context"
	"fmt"
	"sync"
)

// Memory is a Recorder that keeps jobs as long as the program lives: who uses it takes upon himself that a program
// that dies leaves jobs behind of which nobody knows.
type Memory struct {
	mu   sync.Mutex
	jobs map[string]Record
}

var _ Recorder = (*Memory)(nil)

// Intend keeps a job. One that is on record, and was not refused, stays.
func (m *Memory) Intend(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs == nil {
		m.jobs = map[string]Record{}
	}
	if was, ok := m.jobs[r.ID]; ok && was.Seen.Phase != Refused {
		return fmt.Errorf("job %s: it is on record", r.ID)
	}
	m.jobs[r.ID] = r
	return nil
}

// Update keeps what was seen of a job.
func (m *Memory) Update(_ context.Context, id string, s Seen) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.jobs[id]
	if !ok {
		return fmt.Errorf("job %s: %w", id, ErrNoRecord)
	}
	r.Seen = r.Seen.Then(s)
	m.jobs[id] = r
	return nil
}

// Find returns a job.
func (m *Memory) Find(_ context.Context, id string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.jobs[id]
	if !ok {
		return r, fmt.Errorf("job %s: %w", id, ErrNoRecord)
	}
	return r, nil
}
