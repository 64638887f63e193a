package job_test

import (
	"regexp"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/wire"
	"starling/internal/wire/wirehost"
)

// A host that drops out during a wait is waited for until its job must have ended by itself, by the clock and not by a
// count of looks; then it is the host that could not be asked, and that says nothing of the job.
func TestHostStaysAway(t *testing.T) {
	for _, row := range []struct {
		name  string
		limit time.Duration
		away  time.Duration // from when its job has run for a second; 0: for good
		after time.Duration // when the wait ends
	}{
		{"for good", 30 * time.Second, 0, 100 * time.Second},
		{"for good, with a longer limit", time.Hour, 0, time.Hour + 70*time.Second},
		{"beyond its job's end", 30 * time.Second, 90 * time.Second, 90 * time.Second},
		{"for less than its job runs", 30 * time.Second, 10 * time.Second, 20 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Bool
				host := wirehost.New("web1", wirehost.Options{Script: func(string) wirehost.Job { return wirehost.Job{Duration: 20 * time.Second} }})
				missed := 0
				engine := job.New(job.Config{Recorder: &job.Memory{}, Events: func(e event.Event) {
					if e.Kind == event.JobMissed {
						missed++
					}
				}})
				defer engine.Close()
				h := engine.Host(transport.Target{Name: "web1"}, func(transport.Target) transport.Transport {
					return fake.WithFaults(host, func(int, transport.Command) fake.Fault {
						if away.Load() {
							return fake.Unreachable("web1")
						}
						return nil
					})
				})
				began := time.Now()
				started, err := h.Start(t.Context(), job.Command{Text: "work", Display: "work", Limit: row.limit})
				require.NoError(t, err)
				time.AfterFunc(time.Second, func() {
					away.Store(true)
					host.Close()
				})
				if row.away > 0 {
					time.AfterFunc(row.away, func() { away.Store(false) })
				}
				results, err := engine.Wait(t.Context(), []job.Ref{{Host: h, ID: started.ID}}, job.Pace{Every: 5 * time.Second, Early: true})
				took := time.Since(began)
				require.GreaterOrEqual(t, took, row.after)
				require.LessOrEqual(t, took, row.after+6*time.Second)
				require.Positive(t, missed)
				if row.away > 0 {
					require.NoError(t, err)
					require.Equal(t, wire.Succeeded, results[0].State)
					return
				}
				var unasked *job.UnaskedError
				require.ErrorAs(t, err, &unasked)
				require.Equal(t, missed, unasked.Looks)
				require.InDelta(t, took.Seconds(), unasked.Over.Seconds(), 7)
				require.WithinDuration(t, began, unasked.Since, 2*time.Second)
				require.Regexp(t, regexp.MustCompile(`^web1: job \S+: the host could not be asked \([0-9]+ looks failed over [0-9hms.]+, it last answered at \S+Z\); the job may still run: web1: unreachable`), err.Error())
				require.Len(t, engine.Unreaped(), 1)
			})
		})
	}
}

// Where one host stays away, the jobs of the others are come back for all the same.
func TestOneHostOfTwoStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := job.New(job.Config{Recorder: &job.Memory{}})
		defer engine.Close()
		var away atomic.Bool
		var refs []job.Ref
		for _, name := range []string{"web1", "web2"} {
			host := wirehost.New(name, wirehost.Options{Script: func(string) wirehost.Job { return wirehost.Job{Duration: 5 * time.Second, Code: 3} }})
			h := engine.Host(transport.Target{Name: name}, func(transport.Target) transport.Transport {
				return fake.WithFaults(host, func(int, transport.Command) fake.Fault {
					if away.Load() && name == "web2" {
						return fake.Unreachable(name)
					}
					return nil
				})
			})
			started, err := h.Start(t.Context(), job.Command{Text: "work", Display: "work", Limit: 10 * time.Second})
			require.NoError(t, err)
			h.Rest()
			refs = append(refs, job.Ref{Host: h, ID: started.ID})
		}
		away.Store(true)
		results, err := engine.Wait(t.Context(), refs, job.Pace{Every: time.Second})
		var unasked *job.UnaskedError
		require.ErrorAs(t, err, &unasked)
		require.Equal(t, "web2", unasked.Host)
		require.Equal(t, wire.Failed, results[0].State)
		require.Zero(t, results[1])
		left := engine.Unreaped()
		require.Len(t, left, 1)
		require.Equal(t, refs[1].ID, left[0].ID)
	})
}
