package ui

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
)

// onTerminal runs f in a bubble of time with a UI on a terminal.
func onTerminal(t *testing.T, cols, rows int, f func(t *testing.T, v *vt, u *UI)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := newVT(t, cols)
		u := New(Options{Mode: Terminal, Out: v, Err: v, Color: true, Size: func() (int, int) {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.cols, rows
		}})
		defer func() { require.NoError(t, u.Close()) }()
		f(t, v, u)
	})
}

// settle lets the live area be drawn.
func settle() {
	time.Sleep(defaultInterval)
	synctest.Wait()
}

func TestLiveArea(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		sink := u.Sink()
		sink(event.Event{Kind: event.RunStart, Hosts: []string{"web1", "web2", "db"}})
		sink(event.Event{Kind: event.HostStart, Host: "web1"})
		sink(event.Event{Kind: event.HostStart, Host: "web2"})
		sink(event.Event{Kind: event.JobStart, Host: "web1", Job: "j-1", Name: "make world", Limit: 30 * time.Minute, Pos: "d.star:1:1"})
		sink(event.Event{Kind: event.CallStart, Host: "web2", Call: 1, Builtin: "run", Name: "apt-get update"})
		time.Sleep(63 * time.Second)
		sink(event.Event{Kind: event.JobLook, Host: "web1", Job: "j-1", Line: "10%\r\x1b[1mCC main.o\t日本", Elapsed: 63 * time.Second})
		settle()
		const head = "web1: started job j-1 \"make world\" (limit 30m) d.star:1:1\n"
		require.Equal(t, head+`web1  make world      1m03s/30m  | \x1b[1mCC main.o 日本
web2  apt-get update  1m03s
3 hosts: 2 running, 1 waiting; 1 job  1m03s
`, v.screen())

		sink(event.Event{Kind: event.Output, Host: "web2", Msg: "hello"})
		settle()
		require.Equal(t, head+`web2 | hello
web1  make world      1m03s/30m  | \x1b[1mCC main.o 日本
web2  apt-get update  1m03s
3 hosts: 2 running, 1 waiting; 1 job  1m03s
`, v.screen(), "what is printed goes above")

		sink(event.Event{Kind: event.CallEnd, Host: "web2", Call: 1})
		sink(event.Event{Kind: event.HostEnd, Host: "web2", State: "ok"})
		sink(event.Event{Kind: event.HostStatus, Host: "web1", Msg: "waiting for it"})
		settle()
		require.Equal(t, head+`web2 | hello
web1: waiting for it
web1  make world  1m03s/30m  | waiting for it
3 hosts: 1 running, 1 waiting, 1 ok; 1 job  1m03s
`, v.screen(), "fewer lines leave nothing of the old ones")

		sink(event.Event{Kind: event.JobEnd, Host: "web1", Job: "j-1", State: "succeeded", Elapsed: 64 * time.Second})
		sink(event.Event{Kind: event.HostEnd, Host: "web1", State: "ok"})
		sink(event.Event{Kind: event.RunEnd})
		settle()
		require.Equal(t, head+`web2 | hello
web1: waiting for it
web1: job j-1 succeeded after 1m04s

3 hosts: 2 ok, 1 not begun, in 1m03s
  ok  web1   1m03s
  ok  web2   1m03s
`, v.screen(), "nothing of the live area is left")
	})
}

// What has run for longest stands first, and a host that waits for its turn is not said to run.
func TestLiveAreaOfMany(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		sink := u.Sink()
		for i := range 20 {
			host := fmt.Sprintf("web%02d", 19-i)
			sink(event.Event{Kind: event.HostStart, Host: host})
			sink(event.Event{Kind: event.CallStart, Host: host, Call: int64(i), Name: "backup"})
			time.Sleep(time.Second)
			if i >= 4 {
				sink(event.Event{Kind: event.HostWaits, Host: host})
			}
		}
		settle()
		require.Equal(t, `web19  backup  20s
web18  backup  19s
web17  backup  18s
web16  backup  17s
20 hosts: 4 running, 16 waiting  20s
`, v.screen())
		for i := range 15 {
			sink(event.Event{Kind: event.HostTurn, Host: fmt.Sprintf("web%02d", i)})
		}
		settle()
		require.Equal(t, `web19  backup  20s
web18  backup  19s
web17  backup  18s
web16  backup  17s
web14  backup  0s
web13  backup  0s
… and 13 more
20 hosts: 19 running, 1 waiting  20s
`, v.screen())
	})
}

// The totals of a great run fit into eighty columns: the count of jobs gives way.
func TestTotalsFit(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		states := []string{"ok", "failed", "unreachable"}
		for i := range 1000 {
			host := fmt.Sprintf("web%03d", i)
			u.Sink()(event.Event{Kind: event.HostStart, Host: host})
			if i < 600 {
				u.Sink()(event.Event{Kind: event.HostEnd, Host: host, State: states[i%3]})
			} else {
				u.Sink()(event.Event{Kind: event.JobLook, Host: host, Job: "j-" + host, Name: "x"})
			}
		}
		settle()
		require.Contains(t, v.screen(), "\n1000 hosts: 400 running, 200 ok, 200 failed, 200 unreachable; 400 jobs  0s\n")
		v.mu.Lock()
		v.cols = 74
		v.mu.Unlock()
		settle()
		u.Sink()(event.Event{Kind: event.Output, Msg: "narrower"})
		settle()
		require.Contains(t, v.screen(), "\n1000 hosts: 400 running, 200 ok, 200 failed, 200 unreachable  0s\n")
	})
}

func TestLiveAreaIsCutToTheTerminal(t *testing.T) {
	onTerminal(t, 40, 24, func(t *testing.T, v *vt, u *UI) {
		for i := range 50 {
			host := fmt.Sprintf("web%02d", i)
			u.Sink()(event.Event{Kind: event.HostStart, Host: host})
			u.Sink()(event.Event{Kind: event.CallStart, Host: host, Call: int64(i), Name: "日本語日本語日本語日本語日本語日本語日本語日本語"})
		}
		settle()
		require.Equal(t, `web00  日本語日本語日本語日本語日…  0s
web01  日本語日本語日本語日本語日…  0s
web02  日本語日本語日本語日本語日…  0s
web03  日本語日本語日本語日本語日…  0s
web04  日本語日本語日本語日本語日…  0s
web05  日本語日本語日本語日本語日…  0s
… and 44 more
50 hosts: 50 running  0s
`, v.screen())
	})
}

func TestLiveAreaIsNarrow(t *testing.T) {
	onTerminal(t, 24, 24, func(t *testing.T, v *vt, u *UI) {
		u.Sink()(event.Event{Kind: event.JobStart, Host: "web1", Job: "j", Name: "upgrade packages", Limit: time.Hour})
		time.Sleep(3 * time.Second)
		settle()
		require.Contains(t, v.screen(), "\nweb1  upgrade p…  3s/1h\n")
	})
}

// A terminal that has become narrower has folded the old lines: all their rows must go.
func TestNarrowerTerminal(t *testing.T) {
	s := &screen{drawn: []string{"0123456789", "01234"}}
	require.Equal(t, "\r\x1b[1A", s.home(0))
	require.Equal(t, "\r\x1b[1A", s.home(10))
	require.Equal(t, "\r\x1b[4A", s.home(4))
	s.drawn = []string{"\x1b[2m0123456789\x1b[0m"}
	require.Equal(t, "\r", s.home(10), "colours take no room")
}

func TestRedrawIsCalm(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		sink := u.Sink()
		sink(event.Event{Kind: event.JobStart, Host: "web1", Job: "j", Name: "x"})
		settle()
		before := v.count()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, v.count()-before, 10, "once a second when only time passes")

		before = v.count()
		for i := range 1000 {
			sink(event.Event{Kind: event.JobLook, Host: "web1", Job: "j", Line: fmt.Sprint(i)})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		require.LessOrEqual(t, v.count()-before, 11, "ten times a second when there is more")
		settle()
		require.Contains(t, v.screen(), "| 999\n", "the last news is shown")
	})
}

func TestPause(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		u.Sink()(event.Event{Kind: event.JobStart, Host: "web1", Job: "j", Name: "x"})
		settle()
		goOn := u.Pause()
		fmt.Fprint(v, "password: ")
		u.Sink()(event.Event{Kind: event.Output, Host: "web1", Msg: "hello"})
		// The loop waits for a mutex now, which stops a bubble's time: only what is there can be looked at.
		require.Equal(t, "web1: started job j \"x\"\npassword:\n", v.screen())
		fmt.Fprintln(v)
		goOn()
		settle()
		require.Equal(t, "web1: started job j \"x\"\npassword:\nweb1 | hello\nweb1  x  0s\n", v.screen())
	})
}

func TestShownTask(t *testing.T) {
	job := func(key string) *task { return &task{key: key, job: true} }
	call := func(waits bool) *task { return &task{key: "call", waits: waits} }
	for _, tt := range []struct {
		name   string
		tasks  []*task
		want   string
		others int
	}{
		{"a call", []*task{call(false)}, "call", 0},
		{"a job of the call", []*task{call(false), job("a")}, "a", 0},
		{"an older job and a call", []*task{job("a"), call(false)}, "call", 1},
		{"an older job, and one of the call", []*task{job("a"), call(false), job("b")}, "b", 1},
		{"a call that waits", []*task{job("a"), job("b"), call(true)}, "a", 1},
		{"a call that waits for jobs of another run", []*task{call(true)}, "call", 0},
		{"jobs alone", []*task{job("a"), job("b"), job("c")}, "a", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, others := (&row{tasks: tt.tasks}).shown()
			require.Equal(t, tt.want, got.key)
			require.Equal(t, tt.others, others)
		})
	}
}

func TestRedrawInPlace(t *testing.T) {
	onTerminal(t, 80, 24, func(t *testing.T, v *vt, u *UI) {
		sink := u.Sink()
		for _, host := range []string{"web1", "web2"} {
			sink(event.Event{Kind: event.HostStart, Host: host})
			sink(event.Event{Kind: event.JobLook, Host: host, Job: "j-" + host, Name: "x", Line: "a long line of output"})
		}
		settle()
		sink(event.Event{Kind: event.JobLook, Host: "web1", Job: "j-web1", Name: "x", Line: "short"})
		settle()
		require.Equal(t, `web1  x  0s  | short
web2  x  0s  | a long line of output
2 hosts: 2 running; 2 jobs  0s
`, v.screen(), "nothing of a longer line is left")

		sink(event.Event{Kind: event.HostEnd, Host: "web1", State: "ok"})
		settle()
		require.Equal(t, `web2  x  0s  | a long line of output
2 hosts: 1 running, 1 ok; 1 job  0s
`, v.screen(), "a host whose thread has ended is not shown, whatever runs there")
	})
}
