package ui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain shows events in plain mode and returns both streams.
func plain(t *testing.T, o Options, events ...event.Event) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	o.Out, o.Err = &out, &err
	u := New(o)
	sink := u.Sink()
	for _, e := range events {
		sink(e)
	}
	require.NoError(t, u.Close())
	return out.String(), err.String()
}

func rc(n int) *int { return &n }

func TestPlainLines(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		verbose int
		events  []event.Event
		want    string
	}{
		{"job starts", 0, []event.Event{{Kind: event.JobStart, Host: "web1", Job: "j-1", Name: "make world", Limit: 30 * time.Minute, Pos: "deploy.star:12:9"}},
			"web1: started job j-1 \"make world\" (limit 30m) deploy.star:12:9\n"},
		{"without a limit", 0, []event.Event{{Kind: event.JobStart, Host: "web1", Job: "j-1"}}, "web1: started job j-1\n"},
		{"job succeeds", 0, []event.Event{{Kind: event.JobEnd, Host: "web1", Job: "j-1", State: "succeeded", RC: rc(0), Elapsed: 200 * time.Second}},
			"web1: job j-1 succeeded after 3m20s\n"},
		{"job fails", 0, []event.Event{{Kind: event.JobEnd, Host: "web1", Job: "j-1", State: "failed", RC: rc(2), Elapsed: time.Second, Msg: "no space\nleft"}},
			"web1: job j-1 failed (rc 2) after 1s: no space\n"},
		{"an end seen twice is told once", 0, []event.Event{
			{Kind: event.JobEnd, Host: "web1", Job: "j-1", State: "lost"},
			{Kind: event.JobEnd, Host: "web1", Job: "j-1", State: "lost"}},
			"web1: job j-1 lost\n"},
		{"looks are quiet", 0, []event.Event{{Kind: event.JobLook, Host: "web1", Job: "j-1", Elapsed: time.Hour}}, ""},
		{"looks once a minute", 1, []event.Event{
			{Kind: event.JobLook, Time: start, Host: "web1", Job: "j-1"},
			{Kind: event.JobLook, Time: start.Add(59 * time.Second), Host: "web1", Job: "j-1"},
			{Kind: event.JobLook, Time: start.Add(61 * time.Second), Host: "web1", Job: "j-1", Elapsed: 61 * time.Second, Limit: time.Hour, Line: "10%\r20%\n"},
			{Kind: event.JobLook, Time: start.Add(100 * time.Second), Host: "web1", Job: "j-1"}},
			"web1: job j-1 still runs after 1m01s/1h: 20%\n"},
		{"a host that can't be asked is told once", 0, []event.Event{
			{Kind: event.JobMissed, Host: "web1", Msg: "no route"},
			{Kind: event.JobMissed, Host: "web1", Msg: "no route"},
			{Kind: event.JobLook, Host: "web1", Job: "j-1"},
			{Kind: event.JobMissed, Host: "web1", Msg: "no route"}},
			"web1: cannot be asked for its jobs: no route\nweb1: cannot be asked for its jobs: no route\n"},
		{"warning of several lines", 0, []event.Event{{Kind: event.Warning, Host: "web1", Msg: "web1: job j-1 failed\n  stdout: no\x1b"}},
			"web1: warning: job j-1 failed\n  stdout: no\\x1b\n"},
		{"warning with a hint", 0, []event.Event{{Kind: event.Warning, Msg: "little headroom", Hint: "raise async"}},
			"starling: warning: little headroom\nstarling: hint: raise async\n"},
		{"calls are quiet", 0, []event.Event{{Kind: event.CallStart, Host: "web1", Builtin: "run", Name: "true"}, {Kind: event.CallEnd, Host: "web1", Builtin: "run", Name: "true", State: "succeeded"}}, ""},
		{"call with -v", 1, []event.Event{{Kind: event.CallEnd, Host: "web1", Builtin: "run", Name: "false", State: "failed", RC: rc(1), Elapsed: 20 * time.Millisecond}},
			"web1: run \"false\" failed (rc 1) after 20ms\n"},
		{"host status", 0, []event.Event{{Kind: event.HostStatus, Host: "web1", Msg: "going down"}}, "web1: going down\n"},
		{"what a host sends can't drive the terminal", 0, []event.Event{{Kind: event.Warning, Host: "web\x1b1", Msg: "\x1b[2J\u202e"}},
			"web\\x1b1: warning: \\x1b[2J\\u202e\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := plain(t, Options{Verbose: tt.verbose}, tt.events...)
			require.Empty(t, out)
			require.Equal(t, tt.want, err)
		})
	}
}

func TestOutputGoesToOut(t *testing.T) {
	printed := event.Event{Kind: event.Output, Host: "web1", Msg: "hi\x1b[1m\nthere"}
	for _, tt := range []struct {
		name  string
		hosts []string
		e     event.Event
		want  string
	}{
		{"one host", []string{"web1"}, printed, "hi\\x1b[1m\nthere\n"},
		{"several hosts", []string{"web1", "web2"}, printed, "web1 | hi\\x1b[1m\nweb1 | there\n"},
		{"hosts not known before", nil, printed, "web1 | hi\\x1b[1m\nweb1 | there\n"},
		{"a difference", []string{"web1", "web2"}, event.Event{Kind: event.Diff, Host: "web1", Builtin: "copy", Msg: "-a\x1b[1m\n+b"}, "web1 | -a\\x1b[1m\nweb1 | +b\n"},
		{"the controller's own", nil, event.Event{Kind: event.Output, Msg: ""}, "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := plain(t, Options{Hosts: tt.hosts}, tt.e)
			require.Equal(t, tt.want, out)
			require.Empty(t, err)
		})
	}
}

func TestRecap(t *testing.T) {
	t0 := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := plain(t, Options{},
		event.Event{Time: t0, Kind: event.RunStart, Hosts: []string{"web1", "web2", "db"}},
		event.Event{Time: t0, Kind: event.HostStart, Host: "web1"},
		event.Event{Kind: event.CallEnd, Host: "web1", Changed: true},
		event.Event{Kind: event.CallEnd, Host: "web1", Changed: true},
		event.Event{Kind: event.CallEnd, Host: "db", Changed: true},
		event.Event{Kind: event.CallEnd, Host: "web1"},
		event.Event{Time: t0.Add(time.Second), Kind: event.HostEnd, Host: "db", State: "unreachable", Msg: "run: db: unreachable: no route to host"},
		event.Event{Time: t0.Add(2 * time.Second), Kind: event.HostEnd, Host: "web2", State: "failed", Elapsed: 2 * time.Second, Msg: "run: web2: rc 1\nTraceback", Hint: "look at it"},
		event.Event{Time: t0.Add(63 * time.Second), Kind: event.HostEnd, Host: "web1", State: "ok"},
		event.Event{Kind: event.Unreaped, Host: "web1", Job: "j-9", State: "running", Name: "backup", Pos: "deploy.star:9:5", Hint: "starling jobs reap j-9"},
		event.Event{Kind: event.Unreaped, Host: "db", Job: "j-8", State: "unknown", Msg: "db: no route to host", Hint: "starling jobs reap j-8"},
		event.Event{Time: t0.Add(64 * time.Second), Kind: event.RunEnd, Code: rc(3)},
	)
	require.Equal(t, `db: unreachable: run: no route to host
web2: failed: run: rc 1

3 hosts: 1 ok, 1 failed, 1 unreachable, 3 changes, 2 unreaped jobs, in 1m04s
  ok           web1   1m03s  2 changes
  failed       web2      2s             run: rc 1
  unreachable  db        0s  1 change   run: no route to host
the first of these was db, after 1s: run: no route to host
jobs that nobody reaped:
  web1  j-9  running "backup"  deploy.star:9:5
    starling jobs reap j-9
  db  j-8  unknown
    no route to host
    starling jobs reap j-8
`, err)
}

func TestRecapOfManyHosts(t *testing.T) {
	var events []event.Event
	for i := range 30 {
		e := event.Event{Kind: event.HostEnd, Host: fmt.Sprintf("web%d", i), State: "ok"}
		if i == 7 {
			e.State, e.Msg, e.Elapsed = "failed", "boom", time.Second
		}
		events = append(events, e)
	}
	_, err := plain(t, Options{}, append(events, event.Event{Kind: event.RunEnd})...)
	require.Equal(t, "web7: failed: boom\n\n30 hosts: 29 ok, 1 failed\n  failed  web7      1s  boom\n", err)
}

// On a terminal a host has one line, however long its reason is; the line of its end has had all of it.
func TestRecapOnATerminal(t *testing.T) {
	var events []event.Event
	for _, host := range []string{"web1", "web2"} {
		events = append(events, event.Event{Time: time.Unix(3, 0), Kind: event.HostEnd, Host: host, State: "failed", RC: rc(9), Elapsed: time.Second, Msg: "run: " + host + ": " + strings.Repeat("字\x1b", 30)})
	}
	whole := strings.Repeat(`字\x1b`, 30)
	for cols, want := range map[int]string{
		60: "web1: failed: run: " + whole + "\nweb2: failed: run: " + whole + `

2 hosts: 2 failed, in 3s
  failed  web1      1s  rc 9: run: 字\x1b字\x1b字\x1b字\x1b…
  failed  web2      1s  rc 9: run: 字\x1b字\x1b字\x1b字\x1b…
the first of these was web1, after 3s: run: 字\x1b字\x1b字\…
`,
		10: "web1: failed: run: " + whole + "\nweb2: failed: run: " + whole + `

2 hosts: 2 failed, in 3s
  failed  web1      1s  rc 9: run: 字\x1b字…
  failed  web2      1s  rc 9: run: 字\x1b字…
the first of these was web1, after 3s: run: 字\x1b字\x1b字…
`,
	} {
		_, err := plain(t, Options{Mode: Terminal, Interval: time.Hour, Size: func() (int, int) { return cols, 24 }},
			append([]event.Event{{Time: time.Unix(0, 0), Kind: event.RunStart, Hosts: []string{"web1", "web2"}}}, append(events, event.Event{Time: time.Unix(3, 0), Kind: event.RunEnd})...)...)
		require.Equal(t, want, err, "%d columns", cols)
	}
}

// A session at the prompt has jobs, and no hosts that came to an end.
func TestRecapOfJobsAlone(t *testing.T) {
	_, err := plain(t, Options{}, event.Event{Kind: event.Unreaped, Host: "web1", Job: "j-9", State: "running", Name: "backup"})
	require.Equal(t, "\njobs that nobody reaped:\n  web1  j-9  running \"backup\"\n", err)
}

// Ctrl-C on many hosts does not flood a terminal.
func TestInterruptedOnATerminal(t *testing.T) {
	events := []event.Event{{Time: time.Unix(0, 0), Kind: event.RunStart}}
	for i := range 30 {
		e := event.Event{Time: time.Unix(2, 0), Kind: event.HostEnd, Host: fmt.Sprintf("web%d", i), State: "interrupted", Pos: "d.star:1:2", Msg: "run: interrupted"}
		if i == 25 {
			e.State, e.Msg = "failed", "boom"
		}
		events = append(events, e)
	}
	for i := range 30 {
		job := fmt.Sprintf("j-%02d", i)
		e := event.Event{Kind: event.Unreaped, Host: "web1", Job: job, State: "running", Name: "x", Hint: "starling jobs reap " + job}
		if i == 0 {
			e.State, e.Hint = "unknown", "starling jobs show "+job
		}
		events = append(events, e)
	}
	_, err := plain(t, Options{Mode: Terminal, Interval: time.Hour}, append(events, event.Event{Time: time.Unix(3, 0), Kind: event.RunEnd})...)
	require.Contains(t, err, "web3: interrupted at d.star:1:2\n")
	require.NotContains(t, err, "web24")
	require.Contains(t, err, "\n30 hosts: 1 failed, 29 interrupted, 30 unreaped jobs, in 3s\n  failed  web25      0s  boom\njobs that nobody reaped:\n  web1  j-00  unknown \"x\"\n")
	require.Contains(t, err, "  web1  j-19  running \"x\"\n  … and 10 more\n    starling jobs reap\n")
	require.NotContains(t, err, "j-20")
}

func TestReason(t *testing.T) {
	for msg, want := range map[string]string{
		"run: web1: unreachable: dial: refused": "run: dial: refused",
		"web1: unreachable: dial: refused":      "dial: refused",
		"run: web1: job j-1: it is lost\nmore":  "run: job j-1: it is lost",
		"deploy.star:3:1: run: web1: rc 1":      "deploy.star:3:1: run: web1: rc 1",
		"fail: web10: no":                       "fail: web10: no",
		"unreachable":                           "unreachable",
	} {
		require.Equal(t, want, reason(event.Event{Kind: event.HostEnd, Host: "web1", State: "unreachable", Msg: msg}))
	}
	require.Equal(t, "rc 3", reason(event.Event{Kind: event.HostEnd, State: "failed", RC: rc(3)}))
}

func TestRecapWithoutRunEnd(t *testing.T) {
	_, err := plain(t, Options{}, event.Event{Kind: event.HostEnd, Host: "web1", State: "ok"})
	require.Equal(t, "\n1 host: 1 ok\n", err)
}

func TestJSON(t *testing.T) {
	var out, errs bytes.Buffer
	u := New(Options{Mode: JSON, Out: &out, Err: &errs})
	u.Sink()(event.Event{Kind: event.Output, Host: "web1", Msg: "a <b> \x1b\xff\n"})
	u.Sink()(event.Event{Time: time.Unix(1e15, 0), Kind: event.RunEnd, Code: rc(0)})
	require.NoError(t, u.Close())
	require.Empty(t, errs.String())

	lines := bufio.NewScanner(&out)
	var got []map[string]any
	for lines.Scan() {
		var m map[string]any
		require.NoError(t, json.Unmarshal(lines.Bytes(), &m), lines.Text())
		got = append(got, m)
	}
	require.Len(t, got, 3)
	require.Equal(t, map[string]any{"kind": "version", "version": 1.0}, got[0])
	require.Equal(t, "a <b> \x1b\ufffd\n", got[1]["msg"])
	require.NotEmpty(t, got[1]["time"])
	require.Equal(t, 0.0, got[2]["code"])
}

func TestJSONOfNothingHasItsVersion(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, New(Options{Mode: JSON, Out: &out}).Close())
	require.Equal(t, "{\"kind\":\"version\",\"version\":1}\n", out.String())
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriteErrorIsTold(t *testing.T) {
	u := New(Options{Out: broken{}})
	u.Sink()(event.Event{Kind: event.Output, Msg: "x"})
	require.ErrorContains(t, u.Close(), "full")
	require.ErrorContains(t, u.Close(), "full", "again")
	u.Sink()(event.Event{Kind: event.Output, Msg: "after the end"})
}

func TestManySinks(t *testing.T) {
	var out bytes.Buffer
	u := New(Options{Out: &out, Mode: Terminal})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 1000 {
				u.Sink()(event.Event{Kind: event.Output, Host: fmt.Sprint(i), Msg: fmt.Sprint(j)})
			}
		})
	}
	wg.Wait()
	require.NoError(t, u.Close())
	require.Equal(t, 8000, strings.Count(out.String(), "\n"))
	next := map[string]int{}
	for line := range strings.Lines(out.String()) {
		host, text, _ := strings.Cut(strings.TrimSpace(line), " | ")
		require.Equal(t, fmt.Sprint(next[host]), text, "order within a host")
		next[host]++
	}
}

// stuck is a pipe that nobody reads until it is opened.
type stuck struct {
	open chan struct{}
	text bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) { <-s.open; return s.text.Write(p) }

// A reader that stands still holds up who prints, not who has news of hosts and jobs.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{open: make(chan struct{})}
		u := New(Options{Out: out})
		sink := u.Sink()
		printed := make(chan struct{})
		go func() {
			for range 3 * outputRoom {
				sink(event.Event{Kind: event.Output, Msg: "x"})
			}
			close(printed)
		}()
		synctest.Wait()
		select {
		case <-printed:
			t.Fatal("what is printed is held in memory without a bound")
		default:
		}
		for range 2 * lookRoom {
			sink(event.Event{Kind: event.JobLook, Host: "web1", Job: "j"})
		}
		sink(event.Event{Kind: event.JobEnd, Host: "web1", Job: "j", State: "succeeded"})
		u.mu.Lock()
		require.LessOrEqual(t, len(u.queue), lookRoom+1)
		u.mu.Unlock()

		close(out.open)
		<-printed
		require.NoError(t, u.Close())
		require.Equal(t, 3*outputRoom, strings.Count(out.text.String(), "x\n"))
	})
}

// With many hosts the lines of what goes well give way to the live area, and what goes badly stays.
func TestCalmWithManyHosts(t *testing.T) {
	var err bytes.Buffer
	u := New(Options{Mode: Terminal, Err: &err, Interval: time.Hour})
	for n := range 3 * recapHosts {
		host := fmt.Sprintf("web%d", n)
		u.Sink()(event.Event{Kind: event.JobStart, Host: host, Job: "j-" + host})
		u.Sink()(event.Event{Kind: event.JobEnd, Host: host, Job: "j-" + host, State: []string{"succeeded", "failed"}[n%2]})
	}
	require.NoError(t, u.Close())
	require.Contains(t, err.String(), "started job j-web3")
	require.NotContains(t, err.String(), "started job j-web50")
	require.NotContains(t, err.String(), "job j-web50 succeeded")
	require.Contains(t, err.String(), "job j-web51 failed")
}
