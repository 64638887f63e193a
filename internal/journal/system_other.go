//go:build !unix

package journal

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// writable leaves the question to the first write.
func writable(string) error { return nil }

// classifyOS gives the system's own errors their kind.
func classifyOS(err error, kind func(error) error) error {
	if errors.Is(err, fs.ErrPermission) {
		return kind(ErrReadOnly)
	}
	return err
}

// turnstile is always open: programs ask SQLite alone for their turn.
type turnstile struct{}

func newTurnstile(string) (*turnstile, error) { return &turnstile{}, nil }

func (*turnstile) take(<-chan struct{}, time.Duration) error { return nil }
func (*turnstile) late() <-chan struct{}                     { return nil }
func (*turnstile) release()                                  {}
func (*turnstile) close() error                              { return nil }

// lockNow holds nobody off.
func lockNow(*os.File) (held bool, err error) { return false, nil }
