package interp

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.starlark.net/starlark"
)

// loadingKey is the thread-local that marks a thread which executes the top level of a module.
const loadingKey = "starling.loading"

// Loading reports whether the thread executes the top level of a module brought in by load(), and which. Nothing may
// be done to a host from there: the module runs once, for all hosts.
func Loading(thread *starlark.Thread) (path string, ok bool) {
	m, ok := thread.Local(loadingKey).(*module)
	if !ok {
		return "", false
	}
	return m.name, true
}

// CycleError says that a module needs itself.
type CycleError struct {
	Chain []string // from the module to itself, both named
}

func (e *CycleError) Error() string { return "cycle of loads: " + strings.Join(e.Chain, " -> ") }

// Hint returns the cure.
func (e *CycleError) Hint() string { return "move what both need into a module of its own" }

// module is one file, loaded or being loaded.
type module struct {
	name    string  // as positions show it
	parent  *module // the one that asked first; nil for a script
	done    chan struct{}
	globals starlark.StringDict // set before done is closed, as are the next two
	err     error
	retry   bool    // the load was called off, which says nothing about the file
	waits   *module // what this one is loading now; guarded by the registry's mutex
}

// chain returns the names from the script to m, which may be nil for the script itself.
func (m *module) chain(script string) []string {
	if m == nil {
		return []string{script}
	}
	return append(m.parent.chain(script), m.name)
}

// registry has the modules by their real paths, each loaded at most once.
type registry struct {
	mu      sync.Mutex
	modules map[string]*module
}

func newRegistry() *registry { return &registry{modules: map[string]*module{}} }

// get returns the module at path and loads it if nobody has yet. from is the module that asks, nil for a script.
func (r *registry) get(ctx context.Context, from *module, path, name string, load func(*module) (starlark.StringDict, error)) (starlark.StringDict, error) {
	for {
		m, mine, err := r.enter(from, path, name)
		if err != nil {
			return nil, err
		}
		if mine {
			r.load(ctx, m, path, load)
		}
		select {
		case <-m.done:
		case <-ctx.Done():
		}
		r.leave(from)
		select {
		case <-m.done:
		default:
			return nil, fmt.Errorf("load of %s called off: %w", name, context.Cause(ctx))
		}
		if m.retry && !mine {
			continue
		}
		return m.globals, m.err
	}
}

// enter finds or makes the module and notes that from waits for it; mine says that the caller must load it.
func (r *registry) enter(from *module, path, name string) (m *module, mine bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m = r.modules[path]
	if m == nil {
		m = &module{name: name, parent: from, done: make(chan struct{})}
		r.modules[path] = m
		mine = true
	}
	if from == nil {
		return m, mine, nil
	}
	// Each module waits for one other at most, also when several threads load, so a cycle is a chain that comes back.
	var chain []string
	for at := m; at != nil; at = at.waits {
		chain = append(chain, at.name)
		if at == from {
			return nil, false, &CycleError{Chain: append(chain, m.name)}
		}
	}
	from.waits = m
	return m, mine, nil
}

func (r *registry) leave(from *module) {
	if from == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	from.waits = nil
}

// load runs load for m and publishes what came of it, also if it panics.
func (r *registry) load(ctx context.Context, m *module, path string, load func(*module) (starlark.StringDict, error)) {
	m.err = fmt.Errorf("load of %s: internal error", m.name)
	defer func() {
		if m.err != nil && ctx.Err() != nil {
			m.retry = true
			r.mu.Lock()
			delete(r.modules, path)
			r.mu.Unlock()
		}
		close(m.done)
	}()
	m.globals, m.err = load(m)
}
