package job_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	gossh "golang.org/x/crypto/ssh"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// A host that allows one session has its command channel closed when an attached command wants it, and back.
func TestOneSession(t *testing.T) {
	b := newBench(t, sshdtest.Options{ExtraConfig: []string{"MaxSessions 1"}})
	for range 3 {
		started := b.start("echo job", time.Minute)
		_, err := b.host.Start(b.ctx, job.Command{Text: "a NUL \x00", Limit: time.Minute})
		require.ErrorContains(t, err, "NUL") // its channel must not stay in the way
		r, err := b.host.Run(b.ctx, job.Command{Text: "echo attached"}, 0)
		require.NoError(t, err)
		require.Equal(t, "attached\n", string(r.Stdout))
		require.Equal(t, wire.Succeeded, b.wait(started.ID).State)
	}
}

// 64 addresses of one sshd, which turns most connections away while others log in: none is lost.
func TestMaxStartups(t *testing.T) {
	b := newBench(t, sshdtest.Options{ExtraConfig: []string{"MaxStartups 10:30:60", "MaxSessions 1"}})
	const hosts = 64
	port := daemon(t, b.server)
	config := addresses(t, b.server, hosts, port)
	engine := job.New(job.Config{Recorder: b.journal, Events: b.take, Forks: hosts})
	t.Cleanup(engine.Close)
	var wg sync.WaitGroup
	errs := make([]error, hosts)
	for i := range hosts {
		h := b.named(engine, fmt.Sprintf("n%d", i+1), config)
		wg.Go(func() {
			r, err := h.Start(b.ctx, job.Command{Text: fmt.Sprintf("echo ran >>$HOME/counter-%d", i), Limit: time.Minute})
			if err == nil {
				_, err = h.Run(b.ctx, job.Command{Text: "true"}, 0)
			}
			if err == nil {
				_, err = engine.Wait(b.ctx, []job.Ref{{Host: h, ID: r.ID}}, job.Pace{Every: time.Second, Early: true})
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for i, err := range errs {
		require.NoError(t, err, "host %d", i)
		require.Equal(t, 1, b.lines(fmt.Sprintf("counter-%d", i)))
	}
}

// daemon starts an sshd that listens by itself, as only such a one keeps to MaxStartups, and returns its port.
func daemon(t testing.TB, server *sshdtest.Server) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	require.NoError(t, err)
	cmd := exec.Command(sshd, "-D", "-f", filepath.Join(server.Dir(), "sshd_config"), "-p", strconv.Itoa(port))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond)
	return port
}

// addresses is an ssh_config for n1, n2, … at 127.0.0.1, 127.0.0.2, …
func addresses(t testing.TB, server *sshdtest.Server, hosts, port int) string {
	known := filepath.Join(t.TempDir(), "known_hosts")
	var keys, config strings.Builder
	for i := range hosts {
		fmt.Fprintf(&keys, "[127.0.0.%d]:%d %s", i+1, port, gossh.MarshalAuthorizedKey(server.HostKey))
		fmt.Fprintf(&config, "Host n%d\n  HostName 127.0.0.%d\n", i+1, i+1)
	}
	fmt.Fprintf(&config, "Host *\n  Port %d\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n",
		port, server.User, server.IdentityFile, known)
	path := filepath.Join(t.TempDir(), "ssh_config")
	require.NoError(t, os.WriteFile(known, []byte(keys.String()), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(config.String()), 0o600))
	return path
}
