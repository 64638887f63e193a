package wirehost

import "strings"

// key is what the host keeps of a job's key.
type key struct {
	salt string
	next int64 // the generation behind the last that was reaped
}

// keyed carries out a wire.Key or a wire.Mark, which are shell text and no
// calls of the prelude; false: it is neither.
func (h *Host) keyed(a *answer, script string) bool {
	text, ok := strings.CutPrefix(script, "umask 077\nif ")
	if !ok {
		return false
	}
	if asks, ok := strings.CutPrefix(text, "mkdir -p "); ok {
		dir, text, ok1 := word(asks)
		_, text, ok2 := strings.Cut(text, `printf '%s\n' `)
		salt, _, ok3 := word(text)
		if ok1 && ok2 && ok3 {
			h.current(a, dir, salt)
		}
		return ok1 && ok2 && ok3
	}
	dir, text, ok1 := word(strings.TrimPrefix(text, "cd "))
	_, text, ok2 := strings.Cut(text, "true >reaped.")
	generation, _, ok3 := strings.Cut(text, ";")
	if ok1 && ok2 && ok3 {
		h.mark(a, dir, number(generation))
	}
	return ok1 && ok2 && ok3
}

func (h *Host) current(a *answer, dir, salt string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.keys[dir]
	if k == nil {
		if h.keys == nil {
			h.keys = map[string]*key{}
		}
		k = &key{salt: salt}
		h.keys[dir] = k
	}
	a.emit("R", "keyed", k.salt, k.next)
}

func (h *Host) mark(a *answer, dir string, generation int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.keys[dir]
	if k == nil {
		a.emit("R", "failed", "the key can not be marked")
		return
	}
	k.next = max(k.next, generation+1)
	a.emit("R", "pong")
}
