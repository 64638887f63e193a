// Package transporttest holds the contract of transport.Transport as one suite of tests, run over every
// implementation. It tests nothing that only one of them has.
package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"starling/internal/transport"
)

// patience ends a test that hangs. Nothing is measured against it.
const patience = 30 * time.Second

// Run runs the suite. make returns a new transport to a host with a POSIX shell; the suite closes it.
func Run(t *testing.T, make func(t *testing.T) transport.Transport) {
	tests := []struct {
		name string
		run  func(t *testing.T, tr transport.Transport)
	}{
		{"ends of a command", ends},
		{"streams stay apart", streamsApart},
		{"all bytes pass unchanged", binary},
		{"much output to a slow reader", slowReader},
		{"a blocked reader holds nobody else up", blockedReader},
		{"no input is an empty one", noInput},
		{"input that is not read", unreadInput},
		{"input is closed and unblocked", inputClosed},
		{"input is closed when ctx is over before it begins", closedUnused},
		{"a failing writer", failingWriter},
		{"a failing reader", failingReader},
		{"ctx ends under a command", cancelled},
		{"ctx carries its cause", cause},
		{"a deadline ends a command", deadline},
		{"no write after the end", noLateWrite},
		{"Close under a command", closeDuring},
		{"Exec after Close", execAfterClose},
		{"Close without Exec, and twice", closeTwice},
		{"thirty at once", thirty},
		{"a line with everything in it", hardLine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// What the host of the implementation runs is not the transport's to end.
			host := make(t)
			before := goleak.IgnoreCurrent()
			tt.run(t, host)
			require.NoError(t, host.Close())
			goleak.VerifyNone(t, before)
		})
	}
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// output runs a line and returns its standard output.
func output(ctx context.Context, tr transport.Transport, line string) (string, error) {
	var out bytes.Buffer
	err := tr.Exec(ctx, transport.Command{Line: line, Stdout: &out})
	return out.String(), err
}

func ends(t *testing.T, tr transport.Transport) {
	ctx := limited(t)
	require.NoError(t, tr.Exec(ctx, transport.Command{Line: "true"}))
	for _, code := range []int{1, 2, 42, 126, 127, 255} {
		var exit *transport.ExitError
		require.ErrorAs(t, tr.Exec(ctx, transport.Command{Line: fmt.Sprintf("exit %d", code)}), &exit)
		require.Equal(t, transport.ExitError{Code: code}, *exit)
	}
	for _, signal := range []string{"TERM", "KILL", "HUP"} {
		var exit *transport.ExitError
		require.ErrorAs(t, tr.Exec(ctx, transport.Command{Line: "kill -" + signal + " $$; sleep 60"}), &exit)
		require.Equal(t, transport.ExitError{Signal: signal}, *exit)
	}
}

func streamsApart(t *testing.T, tr transport.Transport) {
	var out, errs bytes.Buffer
	err := tr.Exec(limited(t), transport.Command{Line: "echo one; echo two >&2; echo three; exit 3", Stdout: &out, Stderr: &errs})
	var exit *transport.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, "one\nthree\n", out.String())
	require.Equal(t, "two\n", errs.String())
}

func binary(t *testing.T, tr transport.Transport) {
	in := make([]byte, 3<<20)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(in)
	for i := range 256 {
		in[i] = byte(i)
	}
	var out, errs bytes.Buffer
	// Not tee >(…): the shell may be any.
	err := tr.Exec(limited(t), transport.Command{Line: "cat", Stdin: bytes.NewReader(in), Stdout: &out, Stderr: &errs})
	require.NoError(t, err)
	require.True(t, bytes.Equal(in, out.Bytes()))
	require.Empty(t, errs.String())
	out.Reset()
	err = tr.Exec(limited(t), transport.Command{Line: "cat >&2", Stdin: bytes.NewReader(in), Stdout: &out, Stderr: &errs})
	require.NoError(t, err)
	require.True(t, bytes.Equal(in, errs.Bytes()))
	require.Empty(t, out.String())
}

func slowReader(t *testing.T, tr transport.Transport) {
	const size = 6 << 20 // more than any window or pipe on the way holds
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := tr.Exec(limited(t), transport.Command{Line: fmt.Sprintf("head -c %d /dev/zero", size), Stdout: w})
		w.Close()
		result <- err
	}()
	got := 0
	buffer := make([]byte, 64<<10)
	for {
		n, err := r.Read(buffer)
		got += n
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, size, got)
	require.NoError(t, <-result)
}

func blockedReader(t *testing.T, tr transport.Transport) {
	r, w := io.Pipe()
	result := make(chan error, 1)
	ctx := limited(t)
	go func() {
		result <- tr.Exec(ctx, transport.Command{Line: "head -c 4194304 /dev/zero", Stdout: w})
		w.Close()
	}()
	_, err := io.ReadFull(r, make([]byte, 10)) // it runs, and is now held back
	require.NoError(t, err)
	out, err := output(ctx, tr, "echo through")
	require.NoError(t, err)
	require.Equal(t, "through\n", out)
	_, err = io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.NoError(t, <-result)
}

func noInput(t *testing.T, tr transport.Transport) {
	out, err := output(limited(t), tr, "cat; echo end")
	require.NoError(t, err)
	require.Equal(t, "end\n", out)
}

func unreadInput(t *testing.T, tr transport.Transport) {
	in := bytes.NewReader(make([]byte, 4<<20))
	var out bytes.Buffer
	err := tr.Exec(limited(t), transport.Command{Line: "echo done", Stdin: in, Stdout: &out})
	require.NoError(t, err)
	require.Equal(t, "done\n", out.String())
}

// input blocks in Read until it is closed.
type input struct {
	once   sync.Once
	closed chan struct{}
	reads  atomic.Int64
}

func newInput() *input { return &input{closed: make(chan struct{})} }

func (i *input) Read([]byte) (int, error) {
	i.reads.Add(1)
	<-i.closed
	return 0, io.ErrClosedPipe
}

func (i *input) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

func (i *input) isClosed() bool {
	select {
	case <-i.closed:
		return true
	default:
		return false
	}
}

func inputClosed(t *testing.T, tr transport.Transport) {
	in := newInput()
	require.NoError(t, tr.Exec(limited(t), transport.Command{Line: "true", Stdin: in}))
	require.True(t, in.isClosed())
}

func closedUnused(t *testing.T, tr transport.Transport) {
	in := newInput()
	ctx, cancel := context.WithCancel(limited(t))
	cancel()
	require.ErrorIs(t, tr.Exec(ctx, transport.Command{Line: "true", Stdin: in}), context.Canceled)
	require.True(t, in.isClosed())
	require.Zero(t, in.reads.Load())
}

var errStream = errors.New("the stream is broken")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errStream }
func (failing) Read([]byte) (int, error)  { return 0, errStream }

func failingWriter(t *testing.T, tr transport.Transport) {
	ctx := limited(t)
	err := tr.Exec(ctx, transport.Command{Line: "echo out", Stdout: failing{}})
	require.ErrorIs(t, err, errStream)
	err = tr.Exec(ctx, transport.Command{Line: "echo err >&2", Stderr: failing{}})
	require.ErrorIs(t, err, errStream)
	require.NoError(t, tr.Exec(ctx, transport.Command{Line: "true"}), "the connection is as good as before")
}

func failingReader(t *testing.T, tr transport.Transport) {
	err := tr.Exec(limited(t), transport.Command{Line: "cat", Stdin: failing{}})
	require.ErrorIs(t, err, errStream)
}

// started runs a line that prints up and then stays, and calls then once it is up.
func started(t *testing.T, ctx context.Context, tr transport.Transport, in io.Reader, then func()) error {
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := tr.Exec(ctx, transport.Command{Line: "echo up; exec sleep 60", Stdin: in, Stdout: w})
		w.CloseWithError(err)
		result <- err
	}()
	_, err := io.ReadFull(r, make([]byte, 3))
	require.NoError(t, err)
	then()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		t.Fatal("Exec does not return")
		return nil
	}
}

func cancelled(t *testing.T, tr transport.Transport) {
	ctx, cancel := context.WithCancel(limited(t))
	in := newInput()
	require.ErrorIs(t, started(t, ctx, tr, in, cancel), context.Canceled)
	require.True(t, in.isClosed())
	out, err := output(limited(t), tr, "echo next")
	require.NoError(t, err)
	require.Equal(t, "next\n", out)
}

func cause(t *testing.T, tr transport.Transport) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(limited(t))
	defer cancel(nil)
	err := started(t, ctx, tr, nil, func() { cancel(why) })
	require.ErrorIs(t, err, why)
	require.False(t, transport.NotSent(err))
}

func deadline(t *testing.T, tr transport.Transport) {
	ctx, cancel := context.WithTimeout(limited(t), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, tr.Exec(ctx, transport.Command{Line: "sleep 60"}), context.DeadlineExceeded)
}

// lateWriter counts what is written after the end.
type lateWriter struct{ over, late atomic.Bool }

func (l *lateWriter) Write(p []byte) (int, error) {
	if l.over.Load() {
		l.late.Store(true)
	}
	return len(p), nil
}

func noLateWrite(t *testing.T, tr transport.Transport) {
	w := &lateWriter{}
	ctx, cancel := context.WithCancel(limited(t))
	up := make(chan struct{})
	var once sync.Once
	out := writerFunc(func(p []byte) (int, error) {
		once.Do(func() { close(up) })
		return w.Write(p)
	})
	result := make(chan error, 1)
	go func() {
		err := tr.Exec(ctx, transport.Command{Line: "while :; do echo flood; done", Stdout: out})
		w.over.Store(true)
		result <- err
	}()
	<-up
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	// Whatever was under way has time to go wrong while another command runs.
	require.NoError(t, tr.Exec(limited(t), transport.Command{Line: "sleep 0.1"}))
	require.False(t, w.late.Load())
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func closeDuring(t *testing.T, tr transport.Transport) {
	in := newInput()
	err := started(t, limited(t), tr, in, func() { require.NoError(t, tr.Close()) })
	var lost *transport.DisconnectedError
	require.ErrorAs(t, err, &lost)
	require.False(t, transport.NotSent(err))
	require.NotEmpty(t, lost.Host)
	require.True(t, in.isClosed())
}

func execAfterClose(t *testing.T, tr transport.Transport) {
	for range 3 {
		out, err := output(limited(t), tr, "echo again")
		require.NoError(t, err)
		require.Equal(t, "again\n", out)
		require.NoError(t, tr.Close())
	}
}

func closeTwice(t *testing.T, tr transport.Transport) {
	require.NoError(t, tr.Close())
	require.NoError(t, tr.Close())
}

func thirty(t *testing.T, tr transport.Transport) {
	ctx := limited(t)
	var wg sync.WaitGroup
	errs := make([]error, 30)
	outs := make([]string, 30)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var out bytes.Buffer
			in := strings.NewReader(fmt.Sprintf("number %d", i))
			errs[i] = tr.Exec(ctx, transport.Command{Line: fmt.Sprintf("cat; sleep 0.05; exit %d", i), Stdin: in, Stdout: &out})
			outs[i] = out.String()
		}()
	}
	wg.Wait()
	require.NoError(t, errs[0])
	for i := range errs {
		require.Equal(t, fmt.Sprintf("number %d", i), outs[i])
		if i > 0 {
			require.Equal(t, &transport.ExitError{Code: i}, errs[i])
		}
	}
}

func hardLine(t *testing.T, tr transport.Transport) {
	out, err := output(limited(t), tr, "printf '%s|' 'a\"b' \"c'd\" e\\ f 'ü\n\t$HOME `x` *' \"$((1+1))\"")
	require.NoError(t, err)
	require.Equal(t, "a\"b|c'd|e f|ü\n\t$HOME `x` *|2|", out)
}
