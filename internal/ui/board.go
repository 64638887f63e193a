package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"starling/internal/event"
)

// board knows what runs at the moment and puts it into the few lines of the live area.
type board struct {
	began time.Time
	rows  []*row
	named map[string]*row
}

// row is one host.
type row struct {
	host  string
	state string // "" before its thread has begun, running, then that of its HostEnd
	queue bool   // it waits for its turn
	news  string // of its connection, until something else happens
	tasks []*task
}

// task is a call or a job that runs.
type task struct {
	key   string
	label string
	began time.Time
	limit time.Duration
	line  string // its last line of output
	job   bool
	waits bool // a call that only waits for jobs, which tell more than it does
}

func newBoard(hosts []string) *board {
	b := &board{named: map[string]*row{}}
	for _, h := range hosts {
		b.row(h)
	}
	return b
}

func (b *board) row(host string) *row {
	r := b.named[host]
	if r == nil {
		r = &row{host: host}
		b.named[host] = r
		b.rows = append(b.rows, r)
	}
	return r
}

func (b *board) take(e event.Event) {
	switch e.Kind {
	case event.RunStart:
		b.began = e.Time
		for _, h := range e.Hosts {
			b.row(h)
		}
		return
	case event.RunEnd:
		*b = *newBoard(nil)
		return
	case event.Output, event.Warning, event.Unreaped:
		return
	}
	if e.Host == "" {
		return
	}
	if b.began.IsZero() {
		b.began = e.Time
	}
	r := b.row(e.Host)
	switch e.Kind {
	case event.HostStatus, event.HostWaits, event.HostTurn:
	default:
		r.news = ""
	}
	switch e.Kind {
	case event.HostStart:
		r.state = "running"
	case event.HostEnd:
		r.state, r.tasks, r.queue = e.State, nil, false
	case event.HostWaits:
		r.queue = true
	case event.HostTurn:
		r.turn(e.Time)
	case event.CallStart:
		t := r.task(fmt.Sprintf("call %d", e.Call), e)
		t.waits = slices.Contains([]string{"wait", "wait_any", "async_status"}, e.Builtin)
	case event.CallEnd:
		r.drop(fmt.Sprintf("call %d", e.Call))
	case event.JobStart, event.JobLook:
		t := r.task("job "+e.Job, e)
		t.job = true
		if e.Kind == event.JobLook {
			t.line = visible(e.Line)
			if e.Elapsed > 0 {
				t.began = e.Time.Add(-e.Elapsed)
			}
		}
	case event.JobEnd:
		r.drop("job " + e.Job)
	case event.JobMissed:
		r.news = "cannot be asked: " + reason(e)
	case event.HostStatus:
		r.news = first(e.Msg)
	}
}

// task returns the task of that key, a new one if it is not there yet.
func (r *row) task(key string, e event.Event) *task {
	for _, t := range r.tasks {
		if t.key == key {
			return t
		}
	}
	t := &task{key: key, label: e.Name, began: e.Time, limit: e.Limit}
	if t.label == "" {
		t.label = e.Builtin + e.Job // one of the two
	}
	r.tasks = append(r.tasks, t)
	return t
}

func (r *row) drop(key string) {
	r.tasks = slices.DeleteFunc(r.tasks, func(t *task) bool { return t.key == key })
}

// shown picks the task that says most, and counts the other jobs: the call that is under way; or the job that this
// call has started; or, when it only waits for jobs or there is none, the oldest job.
func (r *row) shown() (_ *task, others int) {
	var call, oldest, newer *task // newer is the first job since the call began
	jobs := 0
	for _, t := range r.tasks {
		if !t.job {
			call, newer = t, nil
			continue
		}
		jobs++
		if oldest == nil {
			oldest = t
		}
		if newer == nil {
			newer = t
		}
	}
	switch {
	case oldest == nil:
		return call, 0
	case call == nil || call.waits:
		return oldest, jobs - 1
	case newer != nil:
		return newer, jobs - 1
	}
	return call, jobs
}

// lines draws the board in at most a third of the terminal's rows and cols columns: the hosts that have been at what
// they do for longest, and how many there are of all. It is empty when nothing runs.
func (b *board) lines(cols, rows int, now time.Time, paint painter) []string {
	var busy []*row
	running, ended, jobs := 0, map[string]int{}, 0
	for _, r := range b.rows {
		switch r.state {
		case "":
		case "running":
			if !r.queue {
				running++
			}
		default:
			ended[r.state]++
		}
		own := r.jobs()
		jobs += own
		if len(r.tasks) > 0 && !r.queue || own > 0 || r.news != "" && r.state == "running" {
			busy = append(busy, r)
		}
	}
	if len(busy) == 0 && running == 0 {
		return nil
	}
	slices.SortStableFunc(busy, func(a, b *row) int { return a.since(now).Compare(b.since(now)) })
	room := max(rows/3, 3) - 1 // the last is the totals
	hidden := 0
	if len(busy) > room {
		hidden = len(busy) - (room - 1)
		busy = busy[:room-1]
	}
	lines := table(busy, cols, now)
	if hidden > 0 {
		lines = append(lines, inOneLine(fmt.Sprintf("… and %d more", hidden), cols))
	}
	if len(b.rows) > 1 || len(busy) == 0 {
		passed := "  " + clock(now.Sub(b.began))
		total := totals(len(b.rows), running, jobs, ended) + passed
		if runewidth.StringWidth(total) > cols {
			total = totals(len(b.rows), running, 0, ended) + passed
		}
		total = inOneLine(total, cols)
		lines = append(lines, paint.in(dim, total))
	}
	return lines
}

// turn ends the wait for it: what the calls did until then was nothing.
func (r *row) turn(now time.Time) {
	r.queue = false
	for _, t := range r.tasks {
		if !t.job {
			t.began = now
		}
	}
}

// jobs counts the jobs that run.
func (r *row) jobs() int {
	n := 0
	for _, t := range r.tasks {
		if t.job {
			n++
		}
	}
	return n
}

// since is when the host began what is shown of it; now for one of which there is but news.
func (r *row) since(now time.Time) time.Time {
	if t, _ := r.shown(); t != nil {
		return t.began
	}
	return now
}

// table lays the rows out in columns: host, task, time, and what is left for the last line of output. In a narrow
// terminal the task gives way to the time.
func table(rows []*row, cols int, now time.Time) []string {
	cells := make([][4]string, len(rows))
	var width [3]int
	fit := func(c, limit int) {
		for i := range cells {
			cells[i][c] = inOneLine(cells[i][c], limit)
			width[c] = max(width[c], runewidth.StringWidth(cells[i][c]))
		}
	}
	for i, r := range rows {
		cells[i] = r.cells(now)
	}
	fit(0, 24)
	fit(2, 16)
	fit(1, min(max(cols-width[0]-width[2]-4, 6), 32))
	lines := make([]string, len(rows))
	for i, c := range cells {
		line := padded(c[0], width[0]) + "  " + padded(c[1], width[1]) + "  " + padded(c[2], width[2])
		if c[3] != "" {
			line += "  | " + c[3]
		}
		lines[i] = inOneLine(strings.TrimRight(line, " "), cols)
	}
	return lines
}

func (r *row) cells(now time.Time) [4]string {
	t, others := r.shown()
	if t == nil {
		return [4]string{r.host, "", "", r.news}
	}
	text := t.label
	if others > 0 {
		text = inOneLine(text, 24) + fmt.Sprintf(" (+%d)", others)
	}
	last := t.line
	if r.news != "" {
		last = r.news
	}
	return [4]string{r.host, text, passed(now.Sub(t.began), t.limit), last}
}

func totals(hosts, running, jobs int, ended map[string]int) string {
	parts := []string{}
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	done := 0
	for _, n := range ended {
		done += n
	}
	add(running, "running")
	add(hosts-running-done, "waiting")
	for _, state := range hostStates {
		add(ended[state], state)
	}
	text := count(hosts, "host") + ": " + strings.Join(parts, ", ")
	if jobs > 0 {
		text += "; " + count(jobs, "job")
	}
	return text
}
