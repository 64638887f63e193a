package job_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/transport"
	"starling/internal/transport/ssh"
	"starling/internal/wire"
)

// dropbear starts that server for an account, and returns an ssh_config that reaches it as "small".
func dropbear(t *testing.T, account *sshdtest.Account) (config string) {
	server, err := exec.LookPath("/usr/sbin/dropbear")
	require.NoError(t, err, "install the package dropbear-bin")
	dir := t.TempDir()
	hostKey, clientKey := filepath.Join(dir, "host"), filepath.Join(dir, "client")
	out, err := exec.Command("dropbearkey", "-t", "ed25519", "-f", hostKey).Output()
	require.NoError(t, err)
	var public string
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "ssh-ed25519 ") {
			public = line
		}
	}
	require.NotEmpty(t, public)
	require.NoError(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", clientKey).Run())
	client, err := os.ReadFile(clientKey + ".pub")
	require.NoError(t, err)
	keys := filepath.Join(account.Home, ".ssh")
	require.NoError(t, os.Mkdir(keys, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(keys, "authorized_keys"), client, 0o600))
	for _, path := range []string{keys, filepath.Join(keys, "authorized_keys")} {
		require.NoError(t, os.Chown(path, account.UID, account.GID))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	var log bytes.Buffer
	cmd := exec.Command(server, "-F", "-E", "-s", "-m", "-r", hostKey, "-p", fmt.Sprintf("127.0.0.1:%d", port), "-P", filepath.Join(dir, "pid"))
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond)
	known := filepath.Join(dir, "known_hosts")
	require.NoError(t, os.WriteFile(known, fmt.Appendf(nil, "[127.0.0.1]:%d %s\n", port, public), 0o600))
	config = filepath.Join(dir, "ssh_config")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `Host small
  HostName 127.0.0.1
  Port %d
  User %s
  IdentityFile %s
  IdentitiesOnly yes
  UserKnownHostsFile %s
  StrictHostKeyChecking yes
`, port, account.Name, clientKey, known), 0o600))
	return config
}

// Dropbear, unlike OpenSSH, makes no session of its own for a command: a job gets one all the same.
func TestDropbear(t *testing.T) {
	account := sshdtest.NewAccount(t)
	config := dropbear(t, account)
	ctx := t.Context()
	engine := job.New(job.Config{Recorder: &job.Memory{}})
	t.Cleanup(engine.Close)
	host := engine.Host(transport.Target{Name: "small", ConfigFile: config}, func(t transport.Target) transport.Transport {
		return ssh.New(t, ssh.Options{})
	})
	r, err := host.Run(ctx, job.Command{Text: "echo attached; exit 5"}, 0)
	require.NoError(t, err)
	require.Equal(t, "attached\n", string(r.Stdout))
	require.Equal(t, 5, r.RC)

	started, err := host.Start(ctx, job.Command{Text: "sleep 1; echo job", Limit: time.Minute})
	require.NoError(t, err)
	host.Rest()
	results, err := engine.Wait(ctx, []job.Ref{{Host: host, ID: started.ID}}, job.Pace{Every: 300 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, results[0].State, results[0].Msg)
	require.Equal(t, "job\n", string(results[0].Stdout))

	limited, err := host.Start(ctx, job.Command{Text: "setsid sleep 100 & sleep 100", Limit: time.Second})
	require.NoError(t, err)
	results, err = engine.Wait(ctx, []job.Ref{{Host: host, ID: limited.ID}}, job.Pace{Every: 300 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, wire.TimedOut, results[0].State)
	engine.Close()
	require.Eventually(t, func() bool { return len(account.Processes()) == 0 }, patience, 50*time.Millisecond, "nothing of the job is left")
}
