package wirehost

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wait holds an answer back until one of the jobs is anything but running, for
// at most ms milliseconds of real time.
func (h *Host) wait(ctx context.Context, ms int64, dirs []string) {
	deadline := time.Now().Add(time.Duration(ms) * time.Millisecond)
	for ctx.Err() == nil {
		next, changed := h.nextEnd(dirs)
		left := min(next, time.Until(deadline))
		if left <= 0 {
			return
		}
		pause(ctx, min(left, h.step(next)), changed)
	}
}

// nextEnd returns how long it is until one of the jobs in these directories
// ends, 0 when one does not run, and what tells of a kill before that.
func (h *Host) nextEnd(dirs []string) (time.Duration, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, next := h.now(), endless
	for _, dir := range dirs {
		at := strings.LastIndexByte(dir, '/')
		base, whole := strings.CutSuffix(dir[:max(0, at)], "/v1")
		f := h.folder(base)
		if !whole || f == nil {
			return 0, nil
		}
		e := f.jobs[dir[at+1:]]
		if e == nil || e.cancelled() || e.over(now) {
			return 0, nil
		}
		next = min(next, e.lasts-now.Sub(e.began))
	}
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return next, h.changed
}

// look answers with the facts of jobs and the windows of their output that
// are asked for, each "ID/STREAM:OFFSET:MAX:FINAL".
func (h *Host) look(a *answer, base, windows string, ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts(a, h.folder(base), windows, ids)
}

func (h *Host) list(a *answer, base string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.folder(base)
	if f == nil {
		return
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(f.jobs)), 50) {
		h.facts(a, f, "", ids)
	}
}

// facts writes the raw lines of a look in the order in which a shell would:
// tokens, processes, directories, and what ended jobs have besides.
func (h *Host) facts(a *answer, f *folder, windows string, ids []string) {
	now := h.now()
	a.emit("+FACTS")
	fmt.Fprintln(a, "asked", strings.Join(ids, " "))
	if f == nil {
		a.trail()
		return
	}
	known := make([]string, 0, len(ids))
	for _, id := range ids {
		e := f.jobs[id]
		if e == nil {
			continue
		}
		known = append(known, id)
		fmt.Fprintln(a, h.token(id, e))
		if !e.gone && !e.cancelled() {
			fmt.Fprintf(a, "run %s %d %d .\n", id, e.pid+1, h.uptime(e.began))
		}
	}
	for _, id := range known {
		if e := f.jobs[id]; !e.cancelled() && !e.over(now) {
			fmt.Fprintf(a, "st %d S %d\n", e.pid, h.uptime(e.began))
		}
	}
	for _, id := range known {
		f.jobs[id].directory(a, id, now)
	}
	for _, id := range known {
		if e := f.jobs[id]; e.over(now) && e.cause != "" && !e.gone {
			fmt.Fprintf(a, "cause %s %s %d %d .\nkilled %s 0 0 .\n", id, e.cause, e.began.Add(e.lasts).Unix(), e.mercy, id)
		}
	}
	a.trail()
	for _, w := range strings.Fields(windows) {
		f.window(a, w, now)
	}
}

// token is the line of go.
func (h *Host) token(id string, e *entry) string {
	start := "-"
	if e.pid > 0 {
		start = strconv.FormatInt(h.uptime(e.began), 10)
	}
	return fmt.Sprintf("go %s 1 %s %d %s %s %s 1 %d %d %d %d .", id, e.attempt, e.pid, start, h.boot, h.kernel,
		e.began.Unix(), h.uptime(e.began), e.limit, e.grace)
}

// directory is what ls would say of the job's.
func (e *entry) directory(a *answer, id string, now time.Time) {
	file := func(name string, size int) {
		fmt.Fprintf(a, "-rw------- 1 1000 1000 %d Jan  1 00:00 %s/%s\n", size, id, name)
	}
	over := e.over(now)
	if !over && !e.cancelled() {
		fmt.Fprintf(a, "drwx------ 2 1000 1000 4096 Jan  1 00:00 %s/a.%s\n", id, e.attempt)
	}
	file("go", 100)
	if over {
		file(fmt.Sprintf("rc,%d,%c,%d", e.code, e.flag, int64(e.lasts/(10*time.Millisecond))), 0)
	}
	switch {
	case e.gone:
		file("gone", 0)
		return
	case e.cancelled():
		return
	}
	file("err", len(e.err))
	file("out", len(e.out))
	file("run", 40)
	if over && e.cause != "" {
		file("cause", 40)
		file("killed", 40)
	}
}

// window writes a stretch of output, if there is any of it.
func (f *folder) window(a *answer, spec string, now time.Time) {
	name, rest, _ := strings.Cut(spec, "/")
	w := strings.Split(rest, ":")
	e := f.jobs[name]
	if len(w) != 4 || e == nil || e.gone || e.cancelled() {
		return
	}
	data := e.out
	if w[0] == "err" {
		data = e.err
	}
	offset, most := number(w[1]), number(w[2])
	if e.over(now) {
		most = number(w[3])
	}
	size := int64(len(data))
	if offset < 0 {
		offset = max(0, size-most)
	}
	n := min(size-offset, most)
	if n <= 0 {
		return
	}
	a.emit("+D", name, w[0], offset, n, 0)
	a.Write(data[offset : offset+n])
	a.trail()
}

// number is s as a number, 0 when it is none, as an unset variable of a shell is.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
