package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"starling/internal/event"
	"starling/internal/transport"
	"starling/internal/wire"
)

// Ping connects to the host, logs in and has its shell answer.
func (h *Host) Ping(ctx context.Context) (Result, error) {
	began := time.Now()
	if err := h.enter(ctx, begin); err != nil {
		return Result{}, err
	}
	defer h.leave()
	if _, err := h.exchange(ctx, wire.Ping{}, answerTimeout); err != nil {
		return Result{}, err
	}
	return Result{Host: h.Name(), Cmd: "ping", State: wire.Succeeded, HasRC: true, Started: began, Elapsed: time.Since(began)}, nil
}

// Comeback says how to wait for a host that can't be reached now.
type Comeback struct {
	Timeout, Delay, Interval time.Duration
}

// attemptTimeout is the deadline of one attempt to reach a host.
const attemptTimeout = 10 * time.Second

// WaitForConnection waits until the host answers over a connection of its own. A host key that is not the known one
// is an error at once. The Result is filled in for every outcome.
func (h *Host) WaitForConnection(ctx context.Context, c Comeback) (Result, error) {
	began := time.Now()
	r := Result{Host: h.Name(), Cmd: "wait_for_connection", State: wire.Failed, Started: began, Limit: c.Timeout}
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	err := h.pause(limited, c.Delay)
	for tries := 1; err == nil; tries++ {
		failed := h.afresh(limited, func() error {
			attempt, cancel := context.WithTimeoutCause(limited, attemptTimeout, fmt.Errorf("no answer within %s", attemptTimeout))
			defer cancel()
			_, err := h.Ping(attempt)
			return err
		})
		r.Elapsed = time.Since(began)
		if failed == nil {
			r.State, r.HasRC = wire.Succeeded, true
			return r, nil
		}
		var key *transport.HostKeyError
		if errors.As(failed, &key) {
			r.Msg = failed.Error()
			return r, failed
		}
		if tries == 1 {
			h.emit(event.Event{Kind: event.HostStatus, Msg: "waited for: " + failed.Error(), Limit: c.Timeout})
		}
		if err = h.pause(limited, c.Interval); err != nil {
			err = fmt.Errorf("%s: not reachable within %s (%d attempts): %w", h.Name(), c.Timeout, tries, failed)
		}
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	r.Msg = err.Error()
	return r, err
}

// afresh has ask reach the host over a connection of its own: one from before may look alive for a long while. To wait
// for the host's turn takes none of ask's time.
func (h *Host) afresh(ctx context.Context, ask func() error) error {
	if err := h.enter(ctx, begin); err != nil {
		return err
	}
	defer h.leave()
	h.disconnect()
	return ask()
}
