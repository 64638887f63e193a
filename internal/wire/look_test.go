package wire

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestManyJobsInOneLook(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		// One real job; the others are its facts under other names.
		var l Look
		var first string
		for i := range 120 {
			id := newID()
			l.Jobs = append(l.Jobs, LookJob{Base: h.base, ID: id, Out: Window{Final: 100}})
			dir := h.base + "/v1/" + id
			switch {
			case i == 0:
				first = id
				c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo first; sleep 300")})
				c.until(h.base, id, "first", printed("first\n"))
			case i%2 == 0:
				require.NoError(t, os.MkdirAll(dir, 0o700))
				for name, text := range map[string]string{
					"go": "go " + id + " 1 " + nonce() + " 999999999 1 - vm 1 1700000000 100 0 10000 .\n", "rc,3,-,250": "", "out": "text\n", "err": ""} {
					require.NoError(t, os.WriteFile(dir+"/"+name, []byte(text), 0o600))
				}
			}
		}
		got := c.look(l)
		require.Len(t, got.Jobs, 120)
		for i, f := range got.Jobs {
			require.Equal(t, l.Jobs[i].ID, f.ID)
			st, detail := f.Derive(got.Identity)
			switch {
			case i == 0:
				require.Equal(t, Running, st, detail)
				require.Equal(t, Alive, f.Supervisor)
				require.Positive(t, f.LeaderPid)
				require.Positive(t, f.Elapsed)
				require.EqualValues(t, 6, f.Out.Size)
				require.Nil(t, f.Out.Data, "Final is for jobs that have ended")
			case i%2 == 0:
				require.Equal(t, Failed, st, detail)
				require.Equal(t, "text\n", string(f.Out.Data))
				require.EqualValues(t, 1700000003, f.EndEpoch)
			default:
				require.Equal(t, Absent, st, detail)
			}
		}
		list, err := DecodeList(c.ask(List{Base: h.base}), List{Base: h.base})
		require.NoError(t, err)
		require.Len(t, list.Jobs, 60)
		waitGone(t, first)
	})
}

// Each window gets its own file, in whatever order ls tells of them, and though some have none.
func TestWindowsInAnyOrder(t *testing.T) {
	real, err := exec.LookPath("ls")
	require.NoError(t, err)
	for name, order := range map[string]string{"sorted": "sort -k9", "backwards": "sort -rk9", "shuffled": "shuf"} {
		t.Run(name, func(t *testing.T) {
			onHosts(t, func(t *testing.T, h *host, _ *channel) {
				h.fakes(map[string]string{"ls": real + ` "$@" | ` + order + "\n"})
				c := h.open()
				var l Look
				for i := range 40 {
					id := newID()
					if i%5 == 4 {
						id = l.Jobs[i-1].ID + "-x" // sorts before the other with what follows, and behind it alone
					}
					j := LookJob{Base: h.base, ID: id, Out: Window{Max: 10}, Err: Window{Max: 10, Final: 20}}
					if i%7 == 0 {
						j.Err = Window{}
					}
					l.Jobs = append(l.Jobs, j)
					if i%3 == 0 {
						continue // absent
					}
					dir := h.base + "/v1/" + id
					require.NoError(t, os.MkdirAll(dir, 0o700))
					for stream, text := range map[string]string{"out": fmt.Sprint("out", i), "err": ""} {
						if i%2 == 0 && stream == "err" {
							text = fmt.Sprintf("err%d, which is longer", i)
						}
						require.NoError(t, os.WriteFile(dir+"/"+stream, []byte(text), 0o600))
					}
					if i%4 == 0 {
						require.NoError(t, os.WriteFile(dir+"/rc,0,-,250", nil, 0o600))
					}
				}
				for i, f := range c.look(l).Jobs {
					out, errs := "", ""
					if i%3 != 0 {
						out = fmt.Sprint("out", i)
					}
					if i%3 != 0 && i%2 == 0 && i%7 != 0 {
						errs = fmt.Sprintf("err%d, which is longer", i)[:10]
						if i%4 == 0 {
							errs = fmt.Sprintf("err%d, which is longer", i)[:20]
						}
					}
					require.Equal(t, out, string(f.Out.Data), "%d", i)
					require.Equal(t, errs, string(f.Err.Data), "%d", i)
				}
			})
		})
	}
}

func TestOutputByOffset(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		big := everyByte(1_300_007)
		id := newID()
		c.start(Start{Base: h.base, ID: id, Cmd: []byte("cat; printf err >&2"), Stdin: big})
		st, _, f := c.await(h.base, id)
		require.Equal(t, Succeeded, st)
		require.EqualValues(t, len(big), f.Out.Size)
		for _, w := range []Window{
			{0, 1, 0}, {1, 511, 0}, {511, 2, 0}, {513, 16384, 0}, {700_001, 200_003, 0}, {3, 16 << 20, 0}, {1_300_000, 100, 0},
			{-1, 10, 0}, {-1, 5 << 20, 0}, {-1, 100_000, 0}, {0, 0, 300_000}, {77, 10, 20}, {1_300_007, 5, 0}, {1_300_008, 5, 0},
		} {
			got := c.look(Look{Jobs: []LookJob{{Base: h.base, ID: id, Out: w, Err: Window{Offset: 1, Max: 5}}}}).Jobs[0]
			most := max(w.Max, w.Final)
			from := w.Offset
			if from < 0 {
				from = max(0, int64(len(big))-most)
			}
			from = min(from, int64(len(big)))
			want := big[from:min(int64(len(big)), from+most)]
			require.True(t, bytes.Equal(want, got.Out.Data), "%+v: %d bytes at %d", w, len(got.Out.Data), got.Out.Start)
			require.Equal(t, w.Offset > int64(len(big)), got.Out.Shrunk)
			if len(want) > 0 {
				require.Equal(t, from, got.Out.Start)
			}
			require.Equal(t, "rr", string(got.Err.Data))
		}
	})
}

// A job's output can't pass for a frame, and doesn't end one.
func TestOutputLikeFrames(t *testing.T) {
	h := newHost(t, shell(t, "dash", "dash"))
	c := h.open()
	text := "\n" + nonce() + " 1 E\n\n" + c.nonce[:20] + " 2 E\n\n" + magic + "\n"
	id := newID()
	c.start(Start{Base: h.base, ID: id, Cmd: []byte("cat"), Stdin: []byte(text)})
	_, _, f := c.await(h.base, id)
	require.Equal(t, text, string(f.Out.Data))
}

func TestLongPoll(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		short, long, absent := newID(), newID(), newID()
		c.start(Start{Base: h.base, ID: long, Cmd: []byte("sleep 300")})
		c.start(Start{Base: h.base, ID: short, Cmd: []byte("until [ -e go.on ]; do sleep 0.1; done; echo x")})
		jobs := []LookJob{{Base: h.base, ID: long}, {Base: h.base, ID: short, Out: Window{Final: 10}}}

		start := time.Now()
		got := c.look(Look{Jobs: jobs, Wait: 400 * time.Millisecond})
		require.GreaterOrEqual(t, time.Since(start), 400*time.Millisecond, "it waits when nothing changes")
		for _, f := range got.Jobs {
			require.False(t, f.Ended)
		}
		timer := time.AfterFunc(300*time.Millisecond, func() { _ = os.WriteFile(h.home+"/go.on", nil, 0o600) })
		defer timer.Stop()
		start = time.Now()
		got = c.look(Look{Jobs: jobs, Wait: 5 * time.Minute})
		require.Less(t, time.Since(start), time.Minute)
		require.True(t, got.Jobs[1].Ended)
		require.Equal(t, "x\n", string(got.Jobs[1].Out.Data), "state and output in one look")

		start = time.Now()
		c.look(Look{Jobs: jobs, Wait: 5 * time.Minute}) // one has ended and is not Settled
		c.look(Look{Jobs: []LookJob{jobs[0], {Base: h.base, ID: absent}}, Wait: 5 * time.Minute})
		require.Less(t, time.Since(start), time.Minute)
		jobs[1].Settled = true
		start = time.Now()
		c.look(Look{Jobs: jobs, Wait: 300 * time.Millisecond})
		require.GreaterOrEqual(t, time.Since(start), 300*time.Millisecond)
		waitGone(t, long)
	})
}
