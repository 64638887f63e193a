package job_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
)

// The figures are ratios to what the same connection takes for one exec of true, measured in the same run: the machine
// may be as slow as it likes.

// speed is a warm host, its transport, and what one bare exec costs on it.
type speed struct {
	ctx  context.Context
	host *job.Host
	bare time.Duration
}

func newSpeed(b *testing.B) *speed {
	server := sshdtest.Start(b, sshdtest.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	b.Cleanup(cancel)
	j, err := journal.Open(ctx, filepath.Join(b.TempDir(), "journal.db"))
	require.NoError(b, err)
	b.Cleanup(func() { j.Close() })
	engine := job.New(job.Config{Recorder: j, Idle: time.Hour})
	b.Cleanup(engine.Close)
	var link transport.Transport
	s := &speed{ctx: ctx, host: engine.Host(transport.Target{Name: "web1", ConfigFile: server.ConfigFile}, func(t transport.Target) transport.Transport {
		link = ssh.New(t, ssh.Options{Home: b.TempDir()})
		return link
	})}
	_, err = s.host.Ping(ctx)
	require.NoError(b, err)
	const execs = 20
	began := time.Now()
	for range execs {
		require.NoError(b, link.Exec(ctx, transport.Command{Line: "true"}))
	}
	s.bare = time.Since(began) / execs
	return s
}

// report ends a benchmark with its ratio.
func (s *speed) report(b *testing.B) {
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(each)/float64(s.bare), "x-exec")
	b.ReportMetric(float64(s.bare.Microseconds())/1000, "exec-ms")
}

func BenchmarkStart(b *testing.B) {
	s := newSpeed(b)
	for b.Loop() {
		_, err := s.host.Start(s.ctx, job.Command{Text: "true", Limit: time.Minute})
		require.NoError(b, err)
	}
	s.report(b)
}

func BenchmarkAttached(b *testing.B) {
	s := newSpeed(b)
	for b.Loop() {
		_, err := s.host.Run(s.ctx, job.Command{Text: "true"}, 0)
		require.NoError(b, err)
	}
	s.report(b)
}

func BenchmarkLook(b *testing.B) {
	for _, jobs := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			s := newSpeed(b)
			ids := make([]string, jobs)
			for i := range ids {
				r, err := s.host.Start(s.ctx, job.Command{Text: "sleep 600", Limit: time.Hour})
				require.NoError(b, err)
				ids[i] = r.ID
			}
			for b.Loop() {
				_, err := s.host.Look(s.ctx, ids, 0)
				require.NoError(b, err)
			}
			s.report(b)
		})
	}
}

// Jobs of a second on many cold hosts, started and reaped, against the same with bare execs over the same SSH: one that
// leaves a process behind and one that waits for what it has written.
func BenchmarkFireAndReap(b *testing.B) {
	for _, fleet := range []struct{ hosts, jobs int }{{1, 1}, {8, 10}, {32, 1}} {
		b.Run(fmt.Sprintf("%dx%d", fleet.hosts, fleet.jobs), func(b *testing.B) {
			server := sshdtest.Start(b, sshdtest.Options{ExtraConfig: []string{"MaxStartups 200"}})
			config := addresses(b, server, fleet.hosts, daemon(b, server))
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			b.Cleanup(cancel)
			j, err := journal.Open(ctx, filepath.Join(b.TempDir(), "journal.db"))
			require.NoError(b, err)
			b.Cleanup(func() { j.Close() })
			dial := func(t transport.Target) transport.Transport { return ssh.New(t, ssh.Options{Home: b.TempDir()}) }
			all := func(do func(transport.Target) error) time.Duration {
				began := time.Now()
				errs := make([]error, fleet.hosts)
				var wg sync.WaitGroup
				for i := range fleet.hosts {
					wg.Go(func() { errs[i] = do(transport.Target{Name: fmt.Sprintf("n%d", i+1), ConfigFile: config}) })
				}
				wg.Wait()
				require.NoError(b, errors.Join(errs...))
				return time.Since(began)
			}
			var bare, ours time.Duration
			for round := 0; b.Loop(); round++ {
				bare += all(func(t transport.Target) error {
					link := dial(t)
					defer link.Close()
					left := fmt.Sprintf("left-%s-%d", t.Name, round)
					fire, reap := "", ""
					for n := range fleet.jobs {
						fire += fmt.Sprintf("{ sleep 1; echo >%s-%d; } >/dev/null 2>&1 & ", left, n)
						reap += fmt.Sprintf("until [ -e %s-%d ]; do sleep 0.05; done; ", left, n)
					}
					return errors.Join(link.Exec(ctx, transport.Command{Line: fire}), link.Exec(ctx, transport.Command{Line: reap}))
				})
				engine := job.New(job.Config{Recorder: j})
				ours += all(func(t transport.Target) error {
					h := engine.Host(t, dial)
					refs := make([]job.Ref, fleet.jobs)
					for n := range refs {
						r, err := h.Start(ctx, job.Command{Text: "sleep 1", Limit: time.Minute})
						if err != nil {
							return err
						}
						refs[n] = job.Ref{Host: h, ID: r.ID}
					}
					results, err := engine.Wait(ctx, refs, job.Pace{Every: time.Second, Early: true})
					for _, r := range results {
						if r.Failed() {
							err = errors.Join(err, fmt.Errorf("%s: %s", t.Name, r.State))
						}
					}
					return err
				})
				engine.Close()
			}
			b.ReportMetric(float64(ours)/float64(bare), "x-bare")
			b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
