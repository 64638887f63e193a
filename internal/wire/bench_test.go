package wire

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a look at jobs that run costs the host: processor time of the channel's
// shell and all it forks. The machine may be as slow as it likes: x-sh is the
// same in runs of `sh -c true` under the same shell, measured beside it.
func BenchmarkLook(b *testing.B) {
	window := Window{Offset: -1, Max: 400, Final: 64 << 10} // as the engine asks
	for _, s := range hostShells {
		b.Run(s.name, func(b *testing.B) {
			h := newHost(b, shell(b, s.program, s.pkg))
			c := h.open()
			jobs := make([]LookJob, 100)
			ids := make([]string, len(jobs))
			for i := range jobs {
				ids[i] = newID()
				jobs[i] = LookJob{Base: h.base, ID: ids[i], Out: window, Err: window}
				got := c.start(Start{Base: h.base, ID: ids[i], Cmd: []byte("exec sleep 900"), Limit: time.Hour})
				require.Equal(b, StartStarted, got.Outcome, got.Reason)
			}
			b.Cleanup(func() { waitGone(b, ids...) })
			for _, output := range []string{"silent", "printing"} {
				if output == "printing" {
					for _, id := range ids {
						for _, stream := range []string{"out", "err"} {
							require.NoError(b, os.WriteFile(h.base+"/v1/"+id+"/"+stream, []byte(strings.Repeat("a line of output\n", 120)), 0o600))
						}
					}
				}
				for _, n := range []int{1, 10, 100} {
					b.Run(fmt.Sprintf("%d-%s", n, output), func(b *testing.B) {
						bare, idle := h.bare(), h.spent(0, Look{})
						for b.Loop() {
						}
						each := (h.spent(b.N, Look{Jobs: jobs[:n]}) - idle) / time.Duration(b.N)
						b.ReportMetric(float64(each)/float64(bare), "x-sh")
						b.ReportMetric(float64(each.Microseconds())/1000, "cpu-ms")
						b.ReportMetric(0, "ns/op")
					})
				}
			}
		})
	}
}

// What a probe and a start cost the host until they are answered, in the same measure.
func BenchmarkAsk(b *testing.B) {
	for _, s := range hostShells {
		for name, do := range map[string]func(*host, *channel){
			"open":  func(*host, *channel) {},
			"probe": func(_ *host, c *channel) { c.ask(Probe{}) },
			"start": func(h *host, c *channel) {
				id := newID()
				c.start(Start{Base: h.base, ID: id, Cmd: []byte("true"), Limit: time.Hour})
				h.t.Cleanup(func() { waitGone(h.t, id) })
			},
		} {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				h := newHost(b, shell(b, s.program, s.pkg))
				bare, idle := h.bare(), h.times(0, nil)
				for b.Loop() {
				}
				each := (h.times(b.N, func(c *channel) { do(h, c) }) - idle) / time.Duration(b.N)
				if name == "open" {
					each = idle
				}
				b.ReportMetric(float64(each)/float64(bare), "x-sh")
				b.ReportMetric(float64(each.Microseconds())/1000, "cpu-ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// spent is the processor time of a channel that makes n such looks.
func (h *host) spent(n int, l Look) time.Duration {
	return h.times(n, func(c *channel) {
		for _, f := range c.look(l).Jobs {
			require.Equal(h.t, Alive, f.Supervisor)
			require.Equal(h.t, f.Out.Size > 0, len(f.Out.Data) > 0)
		}
	})
}

// times is the processor time of a channel that does something n times. What it leaves running is not counted.
func (h *host) times(n int, do func(*channel)) time.Duration {
	c := h.open()
	for range n {
		do(c)
	}
	c.close()
	return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
}

// bare is the processor time of one run of the shell that does nothing.
func (h *host) bare() (each time.Duration) {
	const runs = 20
	for range runs {
		cmd := exec.Command(h.sh, "-c", "true")
		require.NoError(h.t, cmd.Run())
		each += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return each / runs
}
