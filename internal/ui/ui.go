// Package ui is what a person or a program sees of a run: plain lines for a pipe, lines with a live area below them
// for a terminal, a stream of JSON for a program, and the recap at the end. It is made from events alone and answers
// nobody. It does not look at flags, the environment or whether a file is a terminal, and it formats no usage errors:
// that is cmd's.
package ui

import (
	"bytes"
	"io"
	"sync"
	"time"

	"starling/internal/event"
)

// Mode is a way of showing a run.
type Mode int

const (
	Plain    Mode = iota // one line per thing that happened, nothing is ever taken back
	Terminal             // the same lines, and a live area below them; Err must be a terminal
	JSON                 // one event per line on Out, nothing on Err (docs/events.md)
)

const (
	// defaultInterval lies between two drawings of the live area.
	defaultInterval = 100 * time.Millisecond
	// outputRoom is how many events may wait before a script that prints has to wait as well.
	outputRoom = 1024
	// lookRoom is how many events may wait before the news that a job still runs is left out.
	lookRoom = 8192
)

// Options say what to show and where.
type Options struct {
	Mode Mode
	// Out takes what scripts print, and the JSON stream. Err takes all the rest. Nil discards.
	Out, Err io.Writer
	// Size tells the terminal's columns and rows before each drawing of the live area. Nil, or a zero, is 80 by 24.
	Size func() (cols, rows int)
	// Color allows colours; text from hosts and scripts never brings its own.
	Color bool
	// Hosts are the hosts of the run, when they are known before its RunStart event. Lines that a script prints begin
	// with the host's name unless there is exactly one.
	Hosts []string
	// Verbose shows more: from 1 each call's end and once a minute that a job still runs, from 2 each call's start
	// and each look.
	Verbose int
	// Interval lies between two drawings of the live area; 0 is a tenth of a second.
	Interval time.Duration
}

// UI shows one run. Its methods may be called from many goroutines at once.
type UI struct {
	opts   Options
	render func(batch []event.Event)
	finish func()
	screen *screen
	stop   chan struct{}
	done   chan struct{}
	wake   chan struct{}

	drawing sync.Mutex // held while anything is written, and between Pause and its end

	mu     sync.Mutex
	room   *sync.Cond // the queue has been taken
	queue  []event.Event
	closed bool
}

// New starts a UI. Close must be called.
func New(o Options) *UI {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Err == nil {
		o.Err = io.Discard
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	u := &UI{
		opts:   o,
		screen: &screen{out: o.Out, err: o.Err},
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		wake:   make(chan struct{}, 1),
	}
	u.room = sync.NewCond(&u.mu)
	if o.Mode == JSON {
		u.render, u.finish = u.jsonRenderer()
	} else {
		u.render, u.finish = u.textRenderer()
	}
	go u.loop()
	return u
}

// Sink returns the UI's sink. It queues the event and returns; only what a script prints waits, when it comes faster
// than it can be written. After Close it does nothing.
func (u *UI) Sink() event.Sink { return u.take }

func (u *UI) take(e event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for e.Kind == event.Output && len(u.queue) >= outputRoom && !u.closed {
		u.room.Wait()
	}
	if u.closed || e.Kind == event.JobLook && len(u.queue) >= lookRoom {
		return
	}
	u.queue = append(u.queue, e)
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Pause takes the live area away and holds everything back, so that a person can be asked something. The function
// that it returns, to be called once, goes on.
func (u *UI) Pause() (goOn func()) {
	u.drawing.Lock()
	u.screen.clear()
	return func() {
		u.drawing.Unlock()
		select {
		case u.wake <- struct{}{}:
		default:
		}
	}
}

// Flush shows what is still waiting to be shown.
func (u *UI) Flush() { u.flush(false) }

// Close shows what is still waiting to be shown, takes the live area away and returns the first error that writing
// met, if any. It must not be called between Pause and its end.
func (u *UI) Close() error {
	u.mu.Lock()
	already := u.closed
	u.closed = true
	u.room.Broadcast()
	u.mu.Unlock()
	if !already {
		close(u.stop)
	}
	<-u.done
	return u.screen.failed
}

// loop is the one goroutine that writes.
func (u *UI) loop() {
	defer close(u.done)
	timer := time.NewTimer(u.opts.Interval)
	timer.Stop()
	defer timer.Stop()
	var tick <-chan time.Time // set while a live area may have to be redrawn
	for {
		select {
		case <-u.stop:
			u.flush(true)
			return
		case <-tick:
			tick = nil
		case <-u.wake:
			if tick != nil && u.opts.Mode == Terminal {
				continue // what has come is shown at the next tick
			}
		}
		live := u.flush(false)
		if live {
			timer.Reset(u.opts.Interval)
			tick = timer.C
		}
	}
}

// flush shows all that is queued and reports whether a live area is on the screen.
func (u *UI) flush(last bool) bool {
	u.drawing.Lock()
	defer u.drawing.Unlock()
	u.mu.Lock()
	batch := u.queue
	u.queue = nil
	u.room.Broadcast()
	u.mu.Unlock()
	u.render(batch)
	if last {
		u.finish()
	}
	return len(u.screen.drawn) > 0
}

// textRenderer shows events as lines and, on a terminal, the live area.
func (u *UI) textRenderer() (func([]event.Event), func()) {
	paint := painter(u.opts.Color)
	lines := newLines(u.opts, paint)
	board := newBoard(u.opts.Hosts)
	recap := newRecap(paint)
	render := func(batch []event.Event) {
		var text scroll
		var live []string
		var cols, rows int
		if u.opts.Mode == Terminal {
			cols, rows = u.size()
		}
		for _, e := range batch {
			lines.add(&text, e)
			board.take(e)
			recap.take(e)
			if e.Kind == event.RunEnd {
				recap.write(&text, e, cols)
			}
		}
		if u.opts.Mode == Terminal {
			live = board.lines(cols-1, rows, time.Now(), paint)
		}
		u.screen.update(text, live, cols)
	}
	finish := func() {
		var text scroll
		var cols int
		if u.opts.Mode == Terminal {
			cols, _ = u.size()
		}
		recap.write(&text, event.Event{Time: time.Now()}, cols)
		u.screen.update(text, nil, 0)
	}
	return render, finish
}

func (u *UI) size() (cols, rows int) {
	if u.opts.Size != nil {
		cols, rows = u.opts.Size()
	}
	if cols <= 0 {
		cols = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return cols, rows
}

// jsonRenderer writes events as they are, after a line that tells the version of the format.
func (u *UI) jsonRenderer() (func([]event.Event), func()) {
	begun := false
	render := func(batch []event.Event) {
		var text bytes.Buffer
		if !begun {
			begun = true
			text.WriteString(`{"kind":"version","version":1}` + "\n")
		}
		for _, e := range batch {
			appendJSON(&text, e)
		}
		u.screen.update(scroll{{toOut: true, text: text.String()}}, nil, 0)
	}
	return render, func() {}
}
