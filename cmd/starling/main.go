// Command starling runs Starlark scripts against machines over SSH. This package holds flags, wiring and exit codes,
// one file per subcommand; it is the only one that touches the arguments, the environment and the process.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of the context's end at Ctrl-C.
var errInterrupted = errors.New("interrupted")

func main() {
	os.Exit(starling(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are what the program reads and writes.
type streams struct {
	in       *os.File
	out, err io.Writer
}

// starling carries out one command line and returns its exit code.
func starling(args []string, io streams) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-signals:
			// A second signal is not caught any more: it ends a program that hangs.
			signal.Stop(signals)
			cancel(errInterrupted)
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	err := newRoot(io).run(ctx, args)
	cancel(nil)
	<-stopped
	voice{io.err}.report(err)
	return codeOf(err)
}
