//go:build unix

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// writable asks the system whether path, and its folder (the write-ahead log lies beside the file), can be written.
// SQLite would open the file for reading only and say so at the first write, when a run is already under way.
func writable(path string) error {
	if err := unix.Access(filepath.Dir(path), unix.W_OK); err != nil {
		return err
	}
	return unix.Access(path, unix.R_OK|unix.W_OK)
}

// classifyOS gives the system's own errors their kind.
func classifyOS(err error, kind func(error) error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return kind(ErrFull)
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return kind(ErrReadOnly)
	}
	return err
}

// turnstile is a lock beside the journal for which programs queue before they ask SQLite for its own. SQLite can
// only be asked again and again, and a few hundred programs that do so leave the one that writes no time to; here the
// system wakes one after the other. It protects nothing: who writes without it does no harm. One goroutine uses it.
type turnstile struct {
	file  *os.File
	asked bool          // a wait is under way
	turn  chan struct{} // its end
	gone  chan struct{} // closed when nobody looks for that any more
}

func newTurnstile(path string) (*turnstile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return &turnstile{file: f, turn: make(chan struct{}), gone: make(chan struct{})}, err
}

// take waits for the turn: ErrClosed when stop was closed first, ErrBusy after limit. On a file system without such
// locks it does not wait.
func (t *turnstile) take(stop <-chan struct{}, limit time.Duration) error {
	if !t.asked {
		if !errors.Is(lock(t.file, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			return nil
		}
		t.asked = true
		// The wait cannot be called off: it ends with the turn, for which take, late or close look.
		go func() {
			_ = lock(t.file, unix.LOCK_EX)
			select {
			case t.turn <- struct{}{}:
			case <-t.gone:
				_ = t.file.Close()
			}
		}()
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.turn:
		t.asked = false
		return nil
	case <-stop:
		return ErrClosed
	case <-timer.C:
		return ErrBusy
	}
}

// late gives the turn that a take no longer waited for; it must be released at once.
func (t *turnstile) late() <-chan struct{} { return t.turn }

func (t *turnstile) release() {
	t.asked = false
	_ = lock(t.file, unix.LOCK_UN)
}

// close leaves the queue. A wait under way is given a second to end; when another program that has the turn is
// stopped it takes longer, and then ends with that program or this one, whichever is first.
func (t *turnstile) close() error {
	if t.asked {
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		select {
		case <-t.turn:
		case <-timer.C:
			close(t.gone)
			return nil
		}
	}
	return t.file.Close() // and with it goes the turn
}

func lock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// lockNow locks f unless another program has, which it reports. On a file system without locks nobody is held off.
func lockNow(f *os.File) (held bool, err error) {
	err = lock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP) {
		return false, nil
	}
	return false, err
}
