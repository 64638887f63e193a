package job

import (
	"context"
	"errors"
	"io"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/wire"
)

var gateForm = regexp.MustCompile(`echo "([a-z0-9]+) BEGIN`)

// scripted is a becoming over a host that answers as play says; gate is the nonce of the line.
func scripted(b wire.Become, password func(context.Context) (string, error), play func(ctx context.Context, gate string, cmd transport.Command) error) *becoming {
	under := fake.New("web1", func(ctx context.Context, cmd transport.Command) error {
		return play(ctx, gateForm.FindStringSubmatch(cmd.Line)[1], cmd)
	})
	return &becoming{under: under, target: transport.Target{Name: "web1"}, become: b.Full(), password: password}
}

func known(password string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return password, nil }
}

// A program that says nothing is given up. What it was given before that may still be read: then it is in doubt.
func TestBecomeIsNoHang(t *testing.T) {
	silent := func(ctx context.Context, gate string, cmd transport.Command) error {
		io.WriteString(cmd.Stderr, gate+" BEGIN ann\n")
		<-ctx.Done()
		return context.Cause(ctx)
	}
	for _, row := range []struct {
		name     string
		password func(context.Context) (string, error)
		doubt    bool
	}{{"with the input sent", nil, true}, {"with the input held back", known("x"), false}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				in, input := io.Pipe()
				go input.Write([]byte("script"))
				host := scripted(wire.Become{User: "db"}, row.password, silent)
				err := host.Exec(t.Context(), transport.Command{Line: wire.Lines()[0], Stdin: in})
				require.Equal(t, entryPatience, time.Since(began))
				var failed *BecomeError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, BecomeSilent, failed.Problem)
				require.Equal(t, "ann", failed.Login)
				require.Equal(t, row.doubt, !notEntered(err))
				require.Equal(t, row.doubt, disconnected(err))
				require.False(t, permanent(err))
			})
		})
	}
}

// A program that goes on after the end of its input is given up as well.
func TestBecomeIsNoHangAfterAWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := scripted(wire.Become{User: "db"}, known("bad"), func(ctx context.Context, gate string, cmd transport.Command) error {
			io.WriteString(cmd.Stderr, gate+" BEGIN ann\n"+gate+":")
			line := make([]byte, 4)
			_, err := io.ReadFull(cmd.Stdin, line)
			require.NoError(t, err)
			require.Equal(t, "bad\n", string(line))
			io.WriteString(cmd.Stderr, "no: bad is wrong\n"+gate+":"+gate+":")
			rest, err := io.ReadAll(cmd.Stdin)
			require.NoError(t, err)
			require.Empty(t, rest, "nothing but the password is sent")
			<-ctx.Done()
			return context.Cause(ctx)
		})
		err := host.Exec(t.Context(), transport.Command{Line: wire.Lines()[0]})
		var failed *BecomeError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, BecomeWrongPassword, failed.Problem)
		require.True(t, permanent(err))
		require.NotContains(t, err.Error(), "bad")
		err = host.Exec(t.Context(), transport.Command{Line: wire.Lines()[0]})
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "ann", failed.Login)
		require.Len(t, host.under.(*fake.Transport).Lines(), 1, "it is not tried again")
		host.password = known("good")
		_ = host.Exec(t.Context(), transport.Command{Line: "no line"})
		require.NoError(t, host.hopeless(t.Context()), "another password is")
	})
}

func TestBecomeEnds(t *testing.T) {
	gone := &transport.DisconnectedError{Host: "web1", Err: io.EOF}
	for _, row := range []struct {
		name     string
		method   string
		password func(context.Context) (string, error)
		says     func(gate string) (out, err string)
		ends     error
		want     string
	}{
		{"the command's own end", "sudo", nil, func(g string) (string, string) { return g + " READY\n", g + " BEGIN\n" }, &transport.ExitError{Code: 3}, "exit status 3"},
		{"a line that is not understood", "sudo", nil, func(string) (string, string) { return "", "rbash: restricted" }, &transport.ExitError{Code: 1}, "exit status 1"},
		{"a connection that breaks", "sudo", nil, func(g string) (string, string) { return "", g + " BEGIN\n" }, gone, "connection lost"},
		{"words that are not known", "doas", nil, func(g string) (string, string) { return "", g + " BEGIN\nkein Zutritt\n" }, &transport.ExitError{Code: 1},
			`web1: can't become db: doas refused; it said: "kein Zutritt"`},
		{"no words at all", "sudo", nil, func(g string) (string, string) { return "", g + " BEGIN\n" }, nil, "web1: can't become db: sudo refused"},
		{"an echo of the password", "sudo", known("geheim"), func(g string) (string, string) { return "", g + " BEGIN\n" + g + ":your geheim is bad\n" }, &transport.ExitError{Code: 1}, "your ******** is bad"},
		{"a password of two lines", "sudo", known("a\nb"), func(g string) (string, string) { return "", g + " BEGIN\n" + g + ":" }, &transport.ExitError{Code: 1}, "more than one line"},
		{"a password that can't be had", "sudo", func(context.Context) (string, error) { return "", errors.New("vault is sealed") },
			func(g string) (string, string) { return "", g + " BEGIN\n" + g + ":" }, &transport.ExitError{Code: 1}, "vault is sealed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := scripted(wire.Become{Method: row.method, User: "db"}, row.password, func(_ context.Context, gate string, cmd transport.Command) error {
					out, errs := row.says(gate)
					io.WriteString(cmd.Stderr, errs)
					io.WriteString(cmd.Stdout, out)
					if row.password != nil {
						io.ReadFull(cmd.Stdin, make([]byte, len("geheim\n")))
					}
					return row.ends
				})
				noise := newTail(100)
				err := host.Exec(t.Context(), transport.Command{Line: wire.Lines()[0], Stderr: noise})
				require.ErrorContains(t, err, row.want)
				require.NotContains(t, err.Error(), "geheim")
				var exit *transport.ExitError
				require.Equal(t, row.want[:4] == "exit", errors.As(err, &exit), "only what is the command's own, or may be tried on another line")
				if row.name == "a line that is not understood" {
					require.Equal(t, "rbash: restricted", noise.String())
				}
			})
		})
	}
}

// The end of the caller's context ends it at once, wherever it is.
func TestBecomeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		host := scripted(wire.Become{User: "db"}, func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}, func(ctx context.Context, gate string, cmd transport.Command) error {
			io.WriteString(cmd.Stderr, gate+" BEGIN\n"+gate+":")
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorContains(t, host.Exec(ctx, transport.Command{Line: wire.Lines()[0]}), "enough")
	})
}
