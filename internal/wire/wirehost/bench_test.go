package wirehost_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/transport"
	"starling/internal/transport/local"
	"starling/internal/wire"
	"starling/internal/wire/wirehost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that is to happen soon.
const patience = 30 * time.Second

func nonce() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func newID() string { return "j-" + nonce() }

// commands is what the tests run: shell text for the real host, and what a
// host in memory takes it for.
var commands = map[string]wirehost.Job{
	"true":                           {},
	"echo some; exit 3":              {Code: 3, Stdout: []byte("some\n")},
	"echo out; echo err >&2; exit 5": {Code: 5, Stdout: []byte("out\n"), Stderr: []byte("err\n")},
	"echo 0123456789; echo oops >&2; exec sleep 300": {Duration: 300 * time.Second, Stdout: []byte("0123456789\n"), Stderr: []byte("oops\n")},
	"echo 0123456789; sleep 0.3":                     {Duration: 300 * time.Millisecond, Stdout: []byte("0123456789\n")},
	"cat; exit 4":                                    {Code: 4, Echo: true},
	"exec 'cat'\n":                                   {Echo: true},
	"exec sleep 301":                                 {Duration: -1},
}

func script(cmd string) wirehost.Job {
	job, ok := commands[cmd]
	if !ok {
		return wirehost.Job{Code: 127, Stderr: []byte("unknown: " + cmd)}
	}
	return job
}

// both runs a test on a host in memory and on a real shell.
func both(t *testing.T, test func(t *testing.T, c *client)) {
	t.Run("memory", func(t *testing.T) { test(t, newClient(t, wirehost.New("memory", wirehost.Options{Script: script}))) })
	t.Run("real", func(t *testing.T) { test(t, newClient(t, realHost(t))) })
}

// realHost is this machine with a home of its own.
func realHost(t *testing.T) transport.Transport {
	home, err := os.MkdirTemp("", "slreal") // a supervisor may still be leaving when t.TempDir would be removed
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	return local.New("real", local.Options{Dir: home, Env: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}})
}

// client asks a host, whichever it is, over one command channel, which the first question opens.
type client struct {
	t     *testing.T
	under transport.Transport
	ctx   context.Context
	nonce string
	seq   int
	in    *io.PipeWriter
	r     *wire.Reader
	base  string // once it was probed
}

func newClient(t *testing.T, under transport.Transport) *client {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	t.Cleanup(func() { require.NoError(t, under.Close()) })
	return &client{t: t, under: under, ctx: ctx, nonce: nonce()}
}

func (c *client) open() {
	ctx, cancel := context.WithCancel(c.ctx)
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	c.in, c.r = in, wire.NewReader(out, c.nonce)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := c.under.Exec(ctx, transport.Command{Line: wire.Lines()[0], Stdin: stdin, Stdout: stdout})
		if err != nil && ctx.Err() == nil {
			c.t.Error("the channel ended:", err)
		}
		stdout.Close()
	}()
	c.t.Cleanup(func() {
		in.Close()
		select { // its own end first, or a shell is killed in the middle of something
		case <-done:
		case <-time.After(patience):
		}
		cancel()
		out.Close()
		<-done
	})
}

// ask makes one exchange.
func (c *client) ask(r wire.Request) []wire.Frame {
	c.t.Helper()
	c.seq++
	text, err := wire.Encode(c.nonce, c.seq, r)
	require.NoError(c.t, err)
	if c.seq == 1 {
		c.open()
		text = append(wire.Open(c.nonce), text...)
	}
	_, err = c.in.Write(text)
	require.NoError(c.t, err)
	frames, err := c.r.Answer(c.seq)
	require.NoError(c.t, err, c.r.Noise())
	return frames
}

func (c *client) probe() wire.HostFacts {
	c.t.Helper()
	facts, err := wire.DecodeProbe(c.ask(wire.Probe{}))
	require.NoError(c.t, err)
	c.base = facts.Base
	return facts
}

// start starts cmd under a new id and a new attempt, unless s has them.
func (c *client) start(s wire.Start) (wire.Start, wire.Started) {
	c.t.Helper()
	if c.base == "" {
		c.probe()
	}
	if s.Base == "" {
		s.Base = c.base
	}
	if s.ID == "" {
		s.ID = newID()
	}
	if s.Attempt == "" {
		s.Attempt = nonce()
	}
	started, err := wire.DecodeStart(c.ask(s))
	require.NoError(c.t, err)
	return s, started
}

func (c *client) run(cmd string) string {
	c.t.Helper()
	s, started := c.start(wire.Start{Cmd: []byte(cmd)})
	require.Equal(c.t, wire.StartStarted, started.Outcome, started.Reason)
	return s.ID
}

func (c *client) look(l wire.Look) wire.Looked {
	c.t.Helper()
	looked, err := wire.DecodeLook(c.ask(l), l)
	require.NoError(c.t, err)
	return looked
}

// until looks with all of the output until the facts please.
func (c *client) until(id string, hold time.Duration, pleases func(wire.State, wire.Facts) bool) (wire.State, wire.Facts) {
	c.t.Helper()
	all := wire.Window{Max: 1 << 20, Final: 1 << 20}
	for deadline := time.Now().Add(patience); ; {
		looked := c.look(wire.Look{Wait: hold, Jobs: []wire.LookJob{{Base: c.base, ID: id, Out: all, Err: all}}})
		state, detail := looked.Jobs[0].Derive(looked.Identity)
		if pleases(state, looked.Jobs[0]) {
			return state, looked.Jobs[0]
		}
		require.True(c.t, time.Now().Before(deadline), "still %s (%s): %+v", state, detail, looked.Jobs[0])
	}
}

// ended waits until nothing of the job is left: a supervisor leaves a little after its result.
func (c *client) ended(id string) (wire.State, wire.Facts) {
	c.t.Helper()
	return c.until(id, 500*time.Millisecond, func(s wire.State, f wire.Facts) bool {
		return s.Final() && f.Supervisor == wire.Dead && f.Attempts == 0
	})
}

// attach runs an attached command.
func attach(ctx context.Context, under transport.Transport, r wire.Shell, stdin io.Reader, began func(wire.Attached)) (out, errs string, err error) {
	n := nonce()
	text, err := wire.Encode(n, 1, r)
	if err != nil {
		return "", "", err
	}
	var mu sync.Mutex
	var o, e bytes.Buffer
	streams := wire.NewShellStreams(n, locked{&mu, &o}, locked{&mu, &e}, began)
	err = under.Exec(ctx, transport.Command{Line: wire.Lines()[0], Stdout: streams.Stdout(), Stderr: streams.Stderr(),
		Stdin: io.MultiReader(bytes.NewReader(wire.Open(n)), bytes.NewReader(text), stdin)})
	mu.Lock()
	defer mu.Unlock()
	if !streams.Marked() {
		return o.String(), e.String(), errors.Join(errors.New("no marker came"), err)
	}
	return o.String(), e.String(), err
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
