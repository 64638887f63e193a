package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// spawn starts processes that try to get away, and returns their ids. All have left the session and lost their parent
// but keep one trace: the environment, the process group or an ancestor.
func spawn(t *testing.T, client *ssh.Client) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for name, line := range map[string]string{
		"setsid":          `setsid sh -c 'echo $$ >pid; exec sleep 1000' </dev/null >/dev/null 2>&1 &`,
		"double fork":     `setsid sh -c 'sleep 1000 & echo $! >pid' </dev/null >/dev/null 2>&1`,
		"deaf to TERM":    `setsid sh -c 'trap "" TERM; echo $$ >pid; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &`,
		"stopped":         `setsid sh -c 'echo $$ >pid; kill -STOP $$; sleep 1000' </dev/null >/dev/null 2>&1 &`,
		"own group":       `set -m; sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >pid`,
		"no environment":  `env -i sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >pid`,
		"bare descendant": `setsid sh -c 'env -i setsid sleep 1000 & echo $! >pid; wait' </dev/null >/dev/null 2>&1 &`,
	} {
		text := output(t, client, "rm -f pid; "+line+`
			n=0; until [ -s pid ] || [ $n -gt 500 ]; do sleep 0.01; n=$((n+1)); done; cat pid`)
		pid, err := strconv.Atoi(text)
		require.NoError(t, err, name)
		require.True(t, alive(pid), name)
		pids[name] = pid
	}
	return pids
}

func requireDead(t *testing.T, pids map[string]int) {
	t.Helper()
	for name, pid := range pids {
		require.False(t, alive(pid), name)
	}
}

func TestReboot(t *testing.T) {
	log := &journal{}
	s := start(t, 2, Options{Log: log})
	for _, line := range []string{"reboot", "shutdown -r now 'kernel update'", "systemctl reboot", "init 6", "sudo -n reboot -f", "reboot; sleep 1"} {
		t.Run(line, func(t *testing.T) {
			client, other := dial(t, s, 0), dial(t, s, 1)
			before, beforeOther := output(t, client, "cat $STARLING_BOOT_ID_FILE"), output(t, other, "cat $STARLING_BOOT_ID_FILE")
			pids := spawn(t, client)
			port := s.hosts[0].port

			require.Empty(t, output(t, client, line), "the exit status comes before the fall")
			require.Error(t, client.Wait(), "the connection is cut")

			var after string
			eventually(t, func() bool {
				c, err := tryDial(s, 0)
				if err != nil {
					return false
				}
				defer c.Close()
				after = output(t, c, "cat $STARLING_BOOT_ID_FILE; cat pid")
				return true
			})
			requireDead(t, pids)
			require.NotContains(t, after, before)
			require.Contains(t, after, "\n", "the home folder is still there")
			require.Equal(t, port, s.hosts[0].port)
			require.Equal(t, beforeOther, output(t, other, "cat $STARLING_BOOT_ID_FILE"), "the other host goes on")
		})
	}
}

func TestDowntimeRefusesConnections(t *testing.T) {
	s := start(t, 1, Options{Downtime: time.Hour})
	require.Empty(t, output(t, dial(t, s, 0), "reboot"))
	eventually(t, func() bool {
		_, err := tryDial(s, 0)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func TestPoweroffIsForGood(t *testing.T) {
	for _, line := range []string{"poweroff", "halt", "shutdown now", "systemctl poweroff"} {
		t.Run(line, func(t *testing.T) {
			log := &journal{}
			s := start(t, 1, Options{Log: log})
			client := dial(t, s, 0)
			pids := spawn(t, client)
			output(t, client, line)
			log.await(t, "sandbox1: down")
			requireDead(t, pids)
			_, err := tryDial(s, 0)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}

func TestScheduledAndCancelled(t *testing.T) {
	log := &journal{}
	s := start(t, 1, Options{Log: log})
	// Were the reboot not called off, it would come half a second before the poweroff.
	output(t, dial(t, s, 0), "shutdown -r +1s; shutdown -c; (sleep 1.5; poweroff) </dev/null >/dev/null 2>&1 &")
	log.await(t, "sandbox1: down")
	require.NotContains(t, log.String(), "reboot")
}

func TestScheduledComes(t *testing.T) {
	log := &journal{}
	s := start(t, 1, Options{Log: log})
	output(t, dial(t, s, 0), "shutdown -r +1s")
	require.NotContains(t, log.String(), "going down")
	log.await(t, "sandbox1: back")
}

func TestOpenSSHClientSeesTheCut(t *testing.T) {
	s := start(t, 1, Options{Downtime: time.Hour})
	err := openssh(t, s.config, "sandbox1", "reboot; sleep 1000").Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 255, exit.ExitCode())
}

func TestTermComesBeforeKill(t *testing.T) {
	log := &journal{}
	s := start(t, 1, Options{Log: log})
	output(t, dial(t, s, 0), `setsid sh -c 'trap "echo saved >state; exit" TERM; : >ready; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &
		until [ -e ready ]; do sleep 0.01; done; reboot`)
	log.await(t, "sandbox1: back")
	require.Equal(t, "saved", output(t, dial(t, s, 0), "cat state"))
}

// Every option that people know must be understood: one that is not might mean a reboot where none was meant.
func TestPowerStubs(t *testing.T) {
	dir := t.TempDir()
	fifo, bootID := filepath.Join(dir, "fifo"), filepath.Join(dir, "boot_id")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.WriteFile(bootID, []byte("b1\n"), 0o600))
	require.NoError(t, writeStubs(dir, fifo, bootID, "me"))
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0)
	require.NoError(t, err)
	defer pipe.Close()
	lines := bufio.NewScanner(pipe)

	for _, tt := range []struct {
		line string
		want string // what is asked, "" for nothing
		rc   int
	}{
		{"reboot", "reboot 0", 0},
		{"reboot --force", "reboot 0", 0},
		{"reboot -d 5", "reboot 0", 0},
		{"reboot --help", "", 0},
		{"reboot -w", "", 0},
		{"reboot -p", "poweroff 0", 0},
		{"halt", "halt 0", 0},
		{"halt -p", "poweroff 0", 0},
		{"poweroff --reboot", "reboot 0", 0},
		{"init 6", "reboot 0", 0},
		{"telinit 0", "poweroff 0", 0},
		{"init 3", "", 1},
		{"init", "", 1},
		{"systemctl reboot", "reboot 0", 0},
		{"systemctl --no-block -i reboot", "reboot 0", 0},
		{"systemctl soft-reboot", "reboot 0", 0},
		{"systemctl poweroff", "poweroff 0", 0},
		{"systemctl halt", "halt 0", 0},
		{"systemctl status reboot", "", 1},
		{"systemctl --version", "", 1},
		{"systemctl suspend", "", 1},
		{"shutdown", "poweroff 60", 0},
		{"shutdown now", "poweroff 0", 0},
		{"shutdown -r now", "reboot 0", 0},
		{"shutdown -r now -P is only a word", "reboot 0", 0},
		{"shutdown now -r", "poweroff 0", 0},
		{"shutdown -r +1 'be back soon'", "reboot 60", 0},
		{"shutdown -r 10", "reboot 600", 0},
		{"shutdown -r +007", "reboot 420", 0},
		{"shutdown -r +30s", "reboot 30", 0},
		{"shutdown -r +30sec", "reboot 30", 0},
		{"shutdown -r +2h", "reboot 7200", 0},
		{"shutdown -rf now", "reboot 0", 0},
		{"shutdown -fr now", "reboot 0", 0},
		{"shutdown -t 5 -r now", "reboot 0", 0},
		{"shutdown -t5 -r now", "reboot 0", 0},
		{"shutdown -h +1", "poweroff 60", 0},
		{"shutdown -H now", "halt 0", 0},
		{"shutdown --reboot --no-wall now", "reboot 0", 0},
		{"shutdown -c", "cancel 0", 0},
		{"shutdown -c 'never mind'", "cancel 0", 0},
		{"shutdown -k now", "", 0},
		{"shutdown -r soon", "", 1},
		{"shutdown -r +x", "", 1},
		{"shutdown -r 25", "reboot 1500", 0},
		{"shutdown -r 1:2:3", "", 1},
		{"sudo reboot", "reboot 0", 0},
		{"sudo -u root -H -n -S -p '' -- shutdown -r now", "reboot 0", 0},
		{"sudo --preserve-groups reboot", "reboot 0", 0},
		{"sudo -nu me env X=1 reboot", "reboot 0", 0},
		{"sudo X=1 reboot", "reboot 0", 0},
		{"sudo -i reboot", "reboot 0", 0},
		{"doas -u root reboot", "reboot 0", 0},
		{"sudo -u nobody reboot", "", 1},
		{"sudo -v", "", 0},
		{"sudo", "", 1},
		{"su -c reboot", "", 1},
		{"systemd-run reboot", "", 1},
	} {
		t.Run(tt.line, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", tt.line)
			cmd.Env = []string{"PATH=" + dir + ":" + standardPath}
			out, err := cmd.CombinedOutput()
			if tt.rc == 0 {
				require.NoError(t, err, "%s", out)
			} else {
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit)
				require.Equal(t, tt.rc, exit.ExitCode())
				require.NotEmpty(t, out, "an error says why")
			}
			_, err = io.WriteString(pipe, "end\n")
			require.NoError(t, err)
			var asked []string
			for lines.Scan() && lines.Text() != "end" {
				asked = append(asked, lines.Text())
			}
			if tt.want == "" {
				require.Empty(t, asked)
				return
			}
			// The session is that of this test, which the stubs inherit.
			session, err := unix.Getsid(0)
			require.NoError(t, err)
			require.Equal(t, []string{fmt.Sprintf("%s b1 %d", tt.want, session)}, asked)
		})
	}

	t.Run("at a time of day", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "shutdown"), "-r", "08:09")
		require.NoError(t, cmd.Run())
		require.True(t, lines.Scan())
		seconds, err := strconv.Atoi(strings.Fields(lines.Text())[1])
		require.NoError(t, err)
		at := time.Now().Add(time.Duration(seconds) * time.Second)
		next := time.Date(at.Year(), at.Month(), at.Day(), 8, 9, 0, 0, time.Local)
		require.WithinDuration(t, next, at, time.Minute)
	})
}

func TestRequestOfAnEarlierBootIsIgnored(t *testing.T) {
	log := &journal{}
	s := start(t, 1, Options{Log: log})
	client := dial(t, s, 0)
	output(t, client, "printf 'poweroff 0 some-other-boot 0\\nnonsense\\nreboot -1 x 0\\nexplode 0 x 0\\n' >../power; reboot")
	log.await(t, "sandbox1: back")
	require.NotContains(t, log.String(), "poweroff")
}
