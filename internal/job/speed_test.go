package job_test

import (
	"context"
	"fmt"
	"path/filepath"
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
