package wirehost

import "time"

// folder is a base directory.
type folder struct{ jobs map[string]*entry }

// entry is what the host keeps of a detached job. Its end is settled when it
// begins, and moved forward when it is killed.
type entry struct {
	attempt string // cancelled: the token was taken by a cancel
	began   time.Time
	lasts   time.Duration
	limit   int64 // ms, as the start said
	grace   int64
	pid     int // of the supervisor; the leader's is the next
	code    int
	flag    byte
	cause   string // who ended it: "", timeout or cancel
	mercy   int64  // ms from TERM to KILL that it was given then
	gone    bool   // cleaned
	out     []byte
	err     []byte
}

const (
	cancelled = "cancelled"
	timeout   = "timeout"
	byTERM    = 128 + 15
	byKILL    = 128 + 9
)

func (e *entry) cancelled() bool { return e.attempt == cancelled }

// over reports whether a result is recorded.
func (e *entry) over(now time.Time) bool { return !e.cancelled() && now.Sub(e.began) >= e.lasts }

// kill has the job end after it ran for that long.
func (e *entry) kill(after time.Duration, cause string, grace int64) {
	e.lasts, e.cause, e.mercy = after, cause, grace
	e.flag, e.code = 'c', byTERM
	if cause == timeout {
		e.flag = 'l'
	}
	if grace < 0 {
		e.code = byKILL
	}
}

// begin puts a job that was not there into the folder; host.mu is held.
func (h *Host) begin(f *folder, id, attempt, cmd string, limit, grace int64, stdin []byte) *entry {
	job := h.script(cmd)
	h.pid += 2
	e := &entry{attempt: attempt, began: h.now(), lasts: lasting(job.Duration), limit: limit, grace: grace,
		pid: h.pid - 1, code: job.Code, flag: '-', out: job.Stdout, err: job.Stderr}
	if job.Echo && len(stdin) > 0 {
		e.out = append(e.out[:len(e.out):len(e.out)], stdin...)
	}
	if most := time.Duration(limit) * time.Millisecond; limit > 0 && e.lasts > most {
		e.kill(most, timeout, grace)
	}
	f.put(id, e)
	h.o.Meter.started()
	return e
}

// put keeps an entry.
func (f *folder) put(id string, e *entry) {
	if f.jobs == nil {
		f.jobs = map[string]*entry{}
	}
	f.jobs[id] = e
}

// folder returns a base directory that was made, or nil; h.mu is held.
func (h *Host) folder(base string) *folder { return h.folders[base] }

// makeFolder is folder, but makes it.
func (h *Host) makeFolder(base string) *folder {
	f := h.folders[base]
	if f == nil {
		if h.folders == nil {
			h.folders = map[string]*folder{}
		}
		f = &folder{}
		h.folders[base] = f
	}
	return f
}

// wake has those look again who wait for a change; h.mu is held.
func (h *Host) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}
