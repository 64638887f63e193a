package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/internal/journal"
	"starling/internal/sandbox"
	"starling/internal/wire/wirehost"
	"starling/interp/embed"
)

// hostsCommand is the program that the benchmarks run their hosts in, so that only the controller is measured: it
// keeps as many sandbox hosts as its argument says until its standard input ends.
func hostsCommand() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	s, err := sandbox.Start(context.Background(), n, sandbox.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Hosts()[0].ConfigFile)
	io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		panic(err)
	}
}

// sandboxHosts starts hosts in a process of their own and returns their ssh_config.
func sandboxHosts(b testing.TB, n int) (config string) {
	cmd := exec.Command(called(b, "sandbox-hosts"), strconv.Itoa(n))
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	config, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(config)
}

// fleetScript is what both benchmarks run on each host.
const fleetScript = `
jobs = [run("sleep 1; echo %d" % n, async="1h", poll=0) for n in range(10)]
wait(jobs)
`

// memoryCommand is the controller of BenchmarkFleetInMemory: the interpreter, the engine and the journal of the program,
// over a transport to hosts in memory. Its arguments are how many, and the journal's path.
func memoryCommand() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	recorder, err := journal.Open(ctx, os.Args[2])
	if err != nil {
		panic(err)
	}
	var meter wirehost.Meter
	var ended, queued, late atomic.Int64 // late: how many hosts waited for their turn to start jobs when the first end was seen
	options := wirehost.Options{Meter: &meter, Script: func(string) wirehost.Job {
		return wirehost.Job{Duration: time.Second, Stdout: []byte("done\n")}
	}}
	fleet := embed.Fleet{Recorder: recorder, Connect: func(h embed.Host) embed.Transport { return wirehost.New(h.Name, options) },
		Events: func(e embed.Event) {
			switch e.Kind {
			case event.HostWaits:
				queued.Add(1)
			case event.HostTurn:
				queued.Add(-1)
			case event.JobEnd:
				if ended.Add(1) == 1 {
					late.Store(queued.Load())
				}
			}
		}}
	for i := range n {
		fleet.Hosts = append(fleet.Hosts, embed.Host{Name: fmt.Sprint("host", i+1)})
	}
	report, err := fleet.Run(ctx, embed.Script{Path: "fleet.star", Source: []byte(fleetScript), On: []string{"all"}})
	if err != nil {
		panic(err)
	}
	for _, o := range report.Outcomes {
		if o.Err != nil {
			panic(o.Err)
		}
	}
	if err := recorder.Close(); err != nil {
		panic(err)
	}
	fmt.Println(meter.Starts(), len(report.Unreaped), meter.MostOpen(), late.Load(), meter.Exchanges())
}

// fleetSize is how many hosts a benchmark has: STARLING_FLEET, 100 when it is not set. docs/performance.md has the
// figures for 1,000.
func fleetSize(b *testing.B) int {
	text := os.Getenv("STARLING_FLEET")
	if text == "" {
		return 100
	}
	hosts, err := strconv.Atoi(text)
	require.NoError(b, err)
	return hosts
}

// called returns a path under which this test binary is another program.
func called(b testing.TB, name string) string {
	self, err := os.Executable()
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), name)
	require.NoError(b, os.Symlink(self, path))
	return path
}

// BenchmarkFleet starts, waits for and reaps ten jobs on each of many hosts, over real SSH.
func BenchmarkFleet(b *testing.B) {
	hosts := fleetSize(b)
	config := sandboxHosts(b, hosts)
	path := called(b, "starling")
	script := filepath.Join(b.TempDir(), "fleet.star")
	require.NoError(b, os.WriteFile(script, []byte(fleetScript), 0o600))
	for b.Loop() {
		cmd := exec.Command(path, "run", "-F", config, "--on", fmt.Sprintf("sandbox[1:%d]", hosts), script)
		cmd.Env = append(os.Environ(), "STARLING_JOURNAL="+filepath.Join(b.TempDir(), "journal.db"))
		var failed strings.Builder
		cmd.Stdout, cmd.Stderr = io.Discard, &failed
		began := time.Now()
		require.NoError(b, cmd.Start())
		most, stop := connections(cmd.Process.Pid)
		err := cmd.Wait()
		stop()
		require.NoError(b, err, tailOf(failed.String()))
		reportUsage(b, cmd, began)
		b.ReportMetric(float64(most.Load()), "connections")
	}
}

// BenchmarkFleetInMemory is the same without what the hosts and SSH take.
func BenchmarkFleetInMemory(b *testing.B) {
	hosts := fleetSize(b)
	path := called(b, "fleet-in-memory")
	for b.Loop() {
		cmd := exec.Command(path, strconv.Itoa(hosts), filepath.Join(b.TempDir(), "journal.db"))
		var failed strings.Builder
		cmd.Stderr = &failed
		began := time.Now()
		out, err := cmd.Output()
		require.NoError(b, err, tailOf(failed.String()))
		var starts, unreaped, most, late, exchanges int
		_, err = fmt.Sscan(string(out), &starts, &unreaped, &most, &late, &exchanges)
		require.NoError(b, err)
		require.Equal(b, []int{10 * hosts, 0}, []int{starts, unreaped})
		reportUsage(b, cmd, began)
		b.ReportMetric(float64(most), "connections")
		b.ReportMetric(float64(late), "hosts-late")
		b.ReportMetric(float64(exchanges)/float64(hosts), "exchanges/host")
	}
}

// reportUsage tells what a program that has ended took.
func reportUsage(b *testing.B, cmd *exec.Cmd, began time.Time) {
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	b.ReportMetric(time.Since(began).Seconds(), "wall-s")
	b.ReportMetric(float64(usage.Maxrss)/1024, "rss-MiB")
	b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
	b.ReportMetric(0, "ns/op")
}

// connections counts the sockets of a process until stop, and keeps the greatest number.
func connections(pid int) (most *atomic.Int64, stop func()) {
	most, done, ended := new(atomic.Int64), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			n := int64(0)
			for _, link := range links {
				if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:") {
					n++
				}
			}
			most.Store(max(most.Load(), n))
		}
	}()
	return most, func() { close(done); <-ended }
}

func tailOf(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
