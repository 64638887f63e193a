// Command starling runs Starlark scripts against machines over SSH. This package holds flags, wiring and exit codes,
// one file per subcommand; it is the only one that touches the arguments, the environment and the process.
package main

import (
	"errors"
	"io"
	"os"
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
	ctx, signals, stop := watchSignals()
	defer stop()
	err := newRoot(io, signals).run(ctx, args)
	voice{io.err}.report(err)
	return codeOf(err)
}
