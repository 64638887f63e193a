// Command starling runs Starlark scripts against machines over SSH. This package holds flags, wiring and exit codes,
// one file per subcommand; it is the only one that touches the arguments, the environment and the process.
package main

import (
	"errors"
	"io"
	"os"
	"sync"
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
	out := &checked{w: io.out}
	io.out = out
	err := newRoot(io, signals).run(ctx, args)
	voice{io.err}.report(err)
	code := codeOf(err)
	// What was asked for and could not be written is no success, whatever else went well.
	if failed := out.error(); failed != nil && !errors.Is(err, failed) {
		voice{io.err}.report(failed)
		if code == exitOK {
			code = exitFailed
		}
	}
	return code
}

// checked is a stream that remembers the first error in writing to it.
type checked struct {
	w      io.Writer
	mu     sync.Mutex
	failed error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failed == nil {
			c.failed = err
		}
	}
	return n, err
}

func (c *checked) error() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
