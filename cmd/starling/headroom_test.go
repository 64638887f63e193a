package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/wire"
)

func TestTightness(t *testing.T) {
	stats := journal.Stats{Count: 12, P95: 50 * time.Minute, Max: 70 * time.Minute}
	for name, row := range map[string]struct {
		state job.State
		took  time.Duration
		limit time.Duration
		want  string // "" is no warning
	}{
		"room":                        {wire.Succeeded, 40 * time.Minute, time.Hour, ""},
		"at the share":                {wire.Succeeded, 48 * time.Minute, time.Hour, ""},
		"above the share":             {wire.Succeeded, 49 * time.Minute, time.Hour, "took 49m of its ceiling of 1h; seen so far: 12 that took up to 1h10m, 95 of 100 no more than 50m"},
		"a failed one as well":        {wire.Failed, 59 * time.Minute, time.Hour, "took 59m"},
		"killed, others took longer":  {wire.TimedOut, time.Hour, time.Hour, "was killed at its ceiling of 1h, and earlier ones took longer"},
		"killed, none took as long":   {wire.TimedOut, 2 * time.Hour, 2 * time.Hour, ""},
		"cancelled says nothing":      {wire.Cancelled, 59 * time.Minute, time.Hour, ""},
		"lost says nothing of a time": {wire.Lost, 59 * time.Minute, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := job.Record{ID: "j-0123456789abcdef", Cmd: "make world", Limit: row.limit, Seen: job.Seen{State: row.state, Ended: time.Now()}}
			msg := ""
			if tight(r, row.took) {
				msg = tightness(r, row.took, stats)
			}
			if row.want == "" {
				require.Empty(t, msg)
				return
			}
			require.Contains(t, msg, `job j-0123456789abcdef, "make world", `+row.want)
		})
	}
	require.Equal(t, 105*time.Minute, roomy(stats, time.Hour))
	require.Equal(t, 2*time.Hour, roomy(journal.Stats{Killed: 3}, time.Hour))
}
