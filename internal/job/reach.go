package job

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"starling/internal/transport"
)

// busyPatience is how long a host that turns connections away, as an sshd at its MaxStartups does, is tried again.
const busyPatience = 30 * time.Second

// reach carries out what begins with a connection, again as long as the host turns that away before anything was
// sent. It waits longer each time and never in step with others, so that a host that many want is not stormed.
func (h *Host) reach(ctx context.Context, do func() error) error {
	pace := &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.8, Multiplier: 1.6, MaxInterval: 3 * time.Second}
	pace.Reset()
	began := time.Now()
	for tries := 1; ; tries++ {
		err := do()
		var busy *transport.UnreachableError
		if !errors.As(err, &busy) || !busy.Busy {
			return err
		}
		busy.Tries, busy.Over = tries, time.Since(began)
		pause := pace.NextBackOff()
		if time.Since(began)+pause > busyPatience {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
