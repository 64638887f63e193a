package job

import (
	"context"
	"slices"
	"sync"
	"time"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// Defaults of a Config.
const (
	DefaultOutputCap = 1 << 20         // bytes of each stream in a Result
	DefaultIdle      = 2 * time.Second // how long an unused connection stays open
	DefaultForks     = 50
)

// Config is what the jobs of one program share.
type Config struct {
	Run      string     // id of the run, written into every record; may be ""
	Recorder Recorder   // required: no job is started unrecorded
	Events   event.Sink // nil discards
	// OutputCap bounds each stream of a Result, in bytes; 0 is DefaultOutputCap. What is on the host is never cut.
	OutputCap int64
	// Idle is how long a connection that nothing uses stays open; 0 is DefaultIdle. A wait does not keep it open.
	Idle time.Duration
	// Forks is how many hosts may be in use, and have a connection, at an instant; 0 is DefaultForks. A wait takes part
	// only while it looks.
	Forks int
	// Dry makes it a dry run: a job that this program did not start is looked at, and neither reaped nor cleaned away.
	Dry bool
	// Password returns the password that becoming a user on a host takes, or "" when it is not known; nil: none is. It
	// is called when the host asks, maybe often, and should answer at once: the host has no patience.
	Password func(ctx context.Context, host string, b wire.Become) (string, error)
}

// Engine holds the hosts of one program and the jobs it started on them.
type Engine struct {
	cfg   Config
	slots *slots

	mu     sync.Mutex
	hosts  map[string]*Host
	ledger []*Record // in the order the jobs were started
	byID   map[string]*Record
	byStep map[string][]*Record // without those that have no step
}

// New returns an engine without hosts.
func New(cfg Config) *Engine {
	if cfg.OutputCap == 0 {
		cfg.OutputCap = DefaultOutputCap
	}
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Events == nil {
		cfg.Events = func(event.Event) {}
	}
	if cfg.Forks == 0 {
		cfg.Forks = DefaultForks
	}
	return &Engine{cfg: cfg, slots: newSlots(cfg.Forks), hosts: map[string]*Host{}, byID: map[string]*Record{}, byStep: map[string][]*Record{}}
}

// Host returns the engine's host of this target's name. The first call for a name makes it, with the transport that
// dial returns; the engine closes that one.
func (e *Engine) Host(target transport.Target, dial func(transport.Target) transport.Transport) *Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h, ok := e.hosts[target.Name]; ok {
		return h
	}
	h := newHost(e, target, dial(target))
	e.hosts[target.Name] = h
	return h
}

// Close closes all connections and waits until nothing of the engine runs. The jobs go on.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	var wg sync.WaitGroup
	for _, h := range e.hosts {
		wg.Go(h.close)
	}
	wg.Wait()
}

// Ledger returns the jobs started through this engine, in the order they were started, as they were last seen.
func (e *Engine) Ledger() []Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Record, len(e.ledger))
	for i, r := range e.ledger {
		out[i] = *r
	}
	return out
}

// Unreaped returns those jobs of the ledger that may run or have run and whose end nobody has seen.
func (e *Engine) Unreaped() []Record {
	var out []Record
	for _, r := range e.Ledger() {
		if r.Seen.Phase == Intended || r.Seen.Phase == Started {
			out = append(out, r)
		}
	}
	return out
}

// Adopt puts jobs that an earlier program started for the same run into the ledger.
func (e *Engine) Adopt(records []Record) {
	for _, r := range records {
		e.enter(r)
	}
}

// step returns the job that a step of this run started.
func (e *Engine) step(step string) (Record, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.byStep[step] {
		if r.Seen.Phase != Refused {
			return *r, true
		}
	}
	return Record{}, false
}

// Taken reports whether this step of the run has begun a job, which Start takes up again.
func (e *Engine) Taken(step string) bool {
	_, ok := e.step(step)
	return ok
}

// enter puts a job into the ledger. One that is there already, as that of a key may be, has its place and keeps it.
func (e *Engine) enter(r Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := e.byID[r.ID]
	if entry == nil {
		entry = new(Record)
		e.ledger = append(e.ledger, entry)
		e.byID[r.ID] = entry
	}
	*entry = r
	if r.Step != "" && !slices.Contains(e.byStep[r.Step], entry) {
		e.byStep[r.Step] = append(e.byStep[r.Step], entry)
	}
}

// note keeps the ledger in step with the journal.
func (e *Engine) note(id string, s Seen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.byID[id]; r != nil {
		r.Seen = r.Seen.Then(s)
	}
}

func (e *Engine) emit(ev event.Event) {
	ev.Time = time.Now()
	ev.Run = e.cfg.Run
	e.cfg.Events(ev)
}

// Find returns what is known of a job: from this program's own ledger, else from the journal.
func (e *Engine) Find(ctx context.Context, id string) (Record, error) {
	e.mu.Lock()
	if r := e.byID[id]; r != nil {
		defer e.mu.Unlock()
		return *r, nil
	}
	e.mu.Unlock()
	return e.cfg.Recorder.Find(ctx, id)
}

// Run returns the id of the run that the engine works for; "" when there is none.
func (e *Engine) Run() string { return e.cfg.Run }
