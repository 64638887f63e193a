package ssh

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
	"starling/internal/transport"
)

func unreachable(t *testing.T, err error, op string) *transport.UnreachableError {
	var e *transport.UnreachableError
	require.ErrorAs(t, err, &e)
	require.Equal(t, op, e.Op, "%v", err)
	return e
}

func TestRefused(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	s.Refuse(true)
	tr := to(t, target(s), options())
	e := unreachable(t, run(t, tr), "dial")
	require.Equal(t, s.Addr(), e.Addr)
	require.Equal(t, "web1: unreachable: dial "+s.Addr()+": connect: connection refused", e.Error())
	require.Contains(t, e.Hint, "is its sshd up")
	s.Refuse(false)
	require.NoError(t, run(t, tr))
}

func TestDoesNotResolve(t *testing.T) {
	e := unreachable(t, run(t, to(t, transport.Target{Name: "no-such-host.invalid"}, options())), "resolve")
	require.Contains(t, e.Hint, "no-such-host.invalid")
}

// plainServer is a TCP server that handles each connection with f, and closes it then.
func plainServer(t *testing.T, f func(net.Conn)) transport.Target {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer conn.Close()
				f(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return transport.Target{Name: "odd", Addr: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}
}

func TestNoSSHThere(t *testing.T) {
	readAll := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tests := []struct {
		name string
		peer func(net.Conn)
		want string
	}{
		{"http", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 10))
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n400 Bad Request")
		}, `answers, but with no SSH: got "HTTP/1.1 400 Bad Request"`},
		{"a greeting and then silence", func(c net.Conn) { _, _ = io.WriteString(c, "220 mail ready\r\n"); readAll(c) },
			`answers, but with no SSH: got "220 mail ready"`},
		{"silence", readAll, "takes the connection, but said nothing in 1s"},
		{"SSH and then silence", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-stuck\r\n"); readAll(c) },
			"speaks SSH, but was not done after 1s"},
		{"closes at once", func(net.Conn) {}, "closed the connection before it said anything"},
		{"too many", func(c net.Conn) { _, _ = io.WriteString(c, "Exceeded MaxStartups\r\n") }, "turned away: Exceeded MaxStartups"},
		{"closes in the key exchange", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-moody\r\n") },
			"closed the connection during the key exchange"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := plainServer(t, tt.peer)
			o := home(t, "ConnectTimeout 1\n", nil)
			e := unreachable(t, run(t, to(t, at, o)), "handshake")
			require.ErrorContains(t, e, tt.want)
		})
	}
}

func TestDropUnderCommand(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	tr := to(t, target(s), options())
	r, w := io.Pipe()
	go func() { // reads what comes, so that the command is known to run when the first byte is here
		_, _ = r.Read(make([]byte, 1))
		go func() { _, _ = io.Copy(io.Discard, r) }()
		s.DropAll()
	}()
	err := tr.Exec(context.Background(), transport.Command{Line: "echo up; sleep 60", Stdout: w})
	w.Close()
	var lost *transport.DisconnectedError
	require.ErrorAs(t, err, &lost)
	require.NoError(t, run(t, tr))
	require.Equal(t, 2, s.Accepted())
}

// TestDropBetweenCommands has the pooled connection die while nothing runs on it: nothing was sent, so nobody need know.
func TestDropBetweenCommands(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	tr := to(t, target(s), options())
	for range 5 {
		require.NoError(t, run(t, tr))
		s.DropAll()
	}
	s.Refuse(true)
	unreachable(t, run(t, tr), "dial")
}

// TestDeadConnectionIsReplaced has the pooled connection die at the first byte that the next command sends.
func TestDeadConnectionIsReplaced(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	p := sshdtest.NewProxy(t, s.Addr())
	tr := to(t, transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr())}, options())
	require.NoError(t, run(t, tr))
	p.CutAfter(sshdtest.ToServer, 0)
	require.NoError(t, run(t, tr))
	require.Equal(t, 2, s.Accepted())
}

// TestCutAnywhere cuts the connection after every so many bytes, in each direction: either the command's whole output
// came and its status with it, or the error says that it was lost or not sent.
func TestCutAnywhere(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	p := sshdtest.NewProxy(t, s.Addr())
	at := transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr())}
	command := func(out io.Writer) transport.Command {
		return transport.Command{Line: "cat; echo end", Stdin: strings.NewReader(strings.Repeat("x", 3000)), Stdout: out}
	}
	var whole bytes.Buffer
	tr := to(t, at, options())
	require.NoError(t, tr.Exec(context.Background(), command(&whole)))
	require.NoError(t, tr.Close())
	totals := map[sshdtest.Direction]int64{sshdtest.ToServer: p.Passed(sshdtest.ToServer), sshdtest.ToClient: p.Passed(sshdtest.ToClient)}
	for name, direction := range map[string]sshdtest.Direction{"to server": sshdtest.ToServer, "to client": sshdtest.ToClient} {
		t.Run(name, func(t *testing.T) {
			total := totals[direction]
			seen := map[string]int{}
			for n := int64(0); n < total+200; n += total / 23 {
				p.CutAfter(direction, n)
				tr := New(at, options())
				var out bytes.Buffer
				err := tr.Exec(context.Background(), command(&out))
				require.NoError(t, tr.Close())
				p.CutAfter(direction, -1)
				var lost *transport.DisconnectedError
				switch {
				case err == nil:
					require.Equal(t, whole.String(), out.String(), "cut after %d", n)
					seen["done"]++
				case transport.NotSent(err):
					require.Empty(t, out.String())
					unreachable(t, err, "handshake")
					seen["not sent"]++
				default:
					require.ErrorAs(t, err, &lost, "cut after %d", n)
					seen["lost"]++
				}
			}
			require.Positive(t, seen["not sent"], "%v", seen)
			require.Positive(t, seen["lost"], "%v", seen)
		})
	}
}

// TestStatusWithoutTheOutput has a command whose exit status comes while a child of its still holds the output open,
// and then the connection goes: the rest of the output may be missing, so a status of zero would be a lie.
func TestStatusWithoutTheOutput(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{LoginShell: "/bin/sh"})
	p := sshdtest.NewProxy(t, s.Addr())
	tr := to(t, transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr())}, options())
	shell := make(chan string, 1)
	w := writer(func(b []byte) (int, error) { shell <- strings.TrimSpace(string(b)); return len(b), nil })
	result := make(chan error, 1)
	go func() {
		result <- tr.Exec(context.Background(), transport.Command{Line: "sleep 60 & echo $$", Stdout: w})
	}()
	pid := <-shell
	require.Eventually(t, func() bool { // sshd has waited for the shell, and so sends its status
		_, err := os.Stat("/proc/" + pid)
		return os.IsNotExist(err)
	}, 20*time.Second, time.Millisecond)
	// A further command on the connection comes back behind the status.
	require.NoError(t, run(t, tr))
	p.Cut()
	var lost *transport.DisconnectedError
	require.ErrorAs(t, <-result, &lost)
}

func TestSilentHostIsNoticed(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	p := sshdtest.NewProxy(t, s.Addr())
	at := transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr(), "ServerAliveInterval 1", "ServerAliveCountMax 2", "ConnectTimeout 3")}
	tr := to(t, at, options())
	up := make(chan struct{})
	var once sync.Once
	out := writer(func(b []byte) (int, error) { once.Do(func() { close(up) }); return len(b), nil })
	result := make(chan error, 2)
	go func() {
		result <- tr.Exec(context.Background(), transport.Command{Line: "echo up; sleep 60", Stdout: out})
	}()
	<-up
	p.Freeze(true)
	var lost *transport.DisconnectedError
	require.ErrorAs(t, <-result, &lost)
	require.ErrorContains(t, lost, "silent")
	e := unreachable(t, run(t, tr), "handshake")
	require.ErrorContains(t, e, "said nothing in 3s")
	p.Freeze(false)
	require.NoError(t, run(t, tr))
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestQuietCommandIsNotSilence has a command that says nothing for longer than the host may be silent.
func TestQuietCommandIsNotSilence(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	tr := to(t, via(s, "ServerAliveInterval 1", "ServerAliveCountMax 2"), options())
	require.NoError(t, tr.Exec(context.Background(), transport.Command{Line: "sleep 5"}))
}

// TestCtxEndsEveryWait has a host go silent at each stage, and ctx end then.
func TestCtxEndsEveryWait(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	p := sshdtest.NewProxy(t, s.Addr())
	at := transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr(), "ConnectTimeout 60", "ServerAliveInterval 60")}
	for _, stage := range []string{"handshake", "open session", "much input", "output"} {
		t.Run(stage, func(t *testing.T) {
			tr := to(t, at, options())
			if stage != "handshake" {
				require.NoError(t, run(t, tr))
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			cmd := transport.Command{Line: "echo up; sleep 60"}
			switch stage {
			case "handshake", "open session":
				p.Freeze(true)
				before := time.AfterFunc(100*time.Millisecond, cancel)
				defer before.Stop()
			case "much input":
				cmd.Stdin = endless{}
				fallthrough
			case "output":
				var once sync.Once
				cmd.Stdout = writer(func(b []byte) (int, error) {
					once.Do(func() { p.Freeze(true); time.AfterFunc(100*time.Millisecond, cancel) })
					return len(b), nil
				})
			}
			result := make(chan error, 1)
			go func() { result <- tr.Exec(ctx, cmd) }()
			select {
			case err := <-result:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(30 * time.Second): // half of what any other limit here is
				t.Error("Exec does not return")
			}
			require.NoError(t, tr.Close())
			p.Freeze(false)
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLeavingADialDoesNotFailTheOthers(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	p := sshdtest.NewProxy(t, s.Addr())
	p.Freeze(true)
	tr := to(t, transport.Target{Name: s.Name, ConfigFile: s.ConfigVia(p.Addr())}, options())
	ctx, cancel := context.WithCancel(context.Background())
	first, others := make(chan error, 1), make(chan error, 3)
	go func() { first <- tr.Exec(ctx, transport.Command{Line: "true"}) }()
	require.Eventually(t, func() bool { return p.Connections() == 1 }, 10*time.Second, time.Millisecond)
	for range cap(others) {
		go func() { others <- run(t, tr) }()
	}
	require.Eventually(t, func() bool { // all four wait for the one dial
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.flight != nil && tr.flight.waiters == 4
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	p.Freeze(false)
	for range cap(others) {
		require.NoError(t, <-others)
	}
	require.Equal(t, 1, s.Accepted())
}

func TestCloseEndsADial(t *testing.T) {
	at := plainServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	tr := to(t, at, options())
	result := make(chan error, 1)
	go func() { result <- run(t, tr) }()
	require.Eventually(t, func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.flight != nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, tr.Close())
	var lost *transport.DisconnectedError
	require.ErrorAs(t, <-result, &lost)
}

func TestProxyJump(t *testing.T) {
	inner := sshdtest.Start(t, sshdtest.Options{Name: "inner"})
	middle := sshdtest.Start(t, sshdtest.Options{Name: "middle"})
	outer := sshdtest.Start(t, sshdtest.Options{Name: "outer"})
	config := strings.Join([]string{read(t, outer.ConfigFile), read(t, middle.ConfigFile), read(t, inner.ConfigFile)}, "")
	config = strings.Replace(config, "Host inner\n", "Host inner\n  ProxyJump outer,middle\n", 1)
	config = strings.Replace(config, "Host middle\n", "Host middle\n  ConnectTimeout 5\n", 1)
	o := home(t, config, nil)
	at := transport.Target{Name: "inner"}
	tr := to(t, at, o)
	require.Equal(t, []int{outer.Port(), middle.Port(), inner.Port()},
		[]int{tr.Resolved().Jumps[0].Port, tr.Resolved().Jumps[1].Port, tr.Resolved().Port})
	var out bytes.Buffer
	require.NoError(t, tr.Exec(context.Background(), transport.Command{Line: "pwd", Stdout: &out}))
	require.Equal(t, inner.Home+"\n", out.String())
	require.Equal(t, []int{1, 1, 1}, []int{outer.Accepted(), middle.Accepted(), inner.Accepted()})

	t.Run("a jump host dies under a command", func(t *testing.T) {
		var once sync.Once
		w := writer(func(b []byte) (int, error) { once.Do(func() { go middle.DropAll() }); return len(b), nil })
		err := tr.Exec(context.Background(), transport.Command{Line: "echo up; sleep 60", Stdout: w})
		var lost *transport.DisconnectedError
		require.ErrorAs(t, err, &lost)
		require.NoError(t, run(t, tr))
	})
	t.Run("nothing is left open", func(t *testing.T) {
		require.NoError(t, tr.Close())
		require.Eventually(t, func() bool {
			return outer.Connections()+middle.Connections()+inner.Connections() == 0
		}, 10*time.Second, time.Millisecond)
	})
	t.Run("a jump host refuses", func(t *testing.T) {
		outer.Refuse(true)
		defer outer.Refuse(false)
		e := unreachable(t, run(t, to(t, at, o)), "jump")
		require.Equal(t, outer.Addr(), e.Addr)
		require.ErrorContains(t, e, "refused")
	})
	t.Run("the target refuses", func(t *testing.T) {
		inner.Refuse(true)
		defer inner.Refuse(false)
		e := unreachable(t, run(t, to(t, at, o)), "jump")
		require.Equal(t, inner.Addr(), e.Addr)
		require.ErrorContains(t, e, "from middle")
	})
	t.Run("the key of a jump host is checked", func(t *testing.T) {
		middle.RotateHostKey()
		e := hostKeyError(t, run(t, to(t, at, o)), transport.HostKeyChanged)
		require.Equal(t, middle.Addr(), e.Addr)
		require.Equal(t, "inner", e.Host)
	})
}

func TestAddressFamily(t *testing.T) {
	s := sshdtest.Start(t, sshdtest.Options{})
	require.NoError(t, run(t, to(t, via(s, "AddressFamily inet"), options())))
	require.Error(t, run(t, to(t, via(s, "AddressFamily inet6"), options())))
}
