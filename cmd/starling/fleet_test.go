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

	"starling/internal/sandbox"
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
	self, err := os.Executable()
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "sandbox-hosts")
	require.NoError(b, os.Symlink(self, path))
	cmd := exec.Command(path, strconv.Itoa(n))
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

// BenchmarkFleet starts, waits for and reaps ten jobs on each of many hosts, over real SSH. STARLING_FLEET is how
// many, 100 when it is not set; docs/performance.md has the figures for 1,000.
func BenchmarkFleet(b *testing.B) {
	hosts := 100
	if text := os.Getenv("STARLING_FLEET"); text != "" {
		var err error
		hosts, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	config := sandboxHosts(b, hosts)
	self, err := os.Executable()
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "starling")
	require.NoError(b, os.Symlink(self, path))
	script := filepath.Join(b.TempDir(), "fleet.star")
	require.NoError(b, os.WriteFile(script, []byte(`
jobs = [run("sleep 1; echo %d" % n, async="1h", poll=0) for n in range(10)]
wait(jobs)
`), 0o600))
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
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		b.ReportMetric(time.Since(began).Seconds(), "wall-s")
		b.ReportMetric(float64(usage.Maxrss)/1024, "rss-MiB")
		b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
		b.ReportMetric(float64(most.Load()), "connections")
	}
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
