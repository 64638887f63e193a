package job_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// obey does what the host's shutdown asked for, once: it runs do when the host was told to reboot.
func (b *bench) obey(do func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{})
	b.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if os.Remove(b.home("rebooting")) == nil {
				do()
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
}

func rebooting(timeout time.Duration) job.Reboot {
	return job.Reboot{Timeout: timeout, ConnectTimeout: 5 * time.Second, TestCommand: "true"}
}

func TestReboot(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	kept := b.start("sleep 60", time.Minute)
	before, err := os.ReadFile(b.server.BootIDFile)
	require.NoError(t, err)
	b.obey(func() { b.server.Reboot(300 * time.Millisecond) })
	r, err := b.host.Reboot(b.ctx, rebooting(time.Minute))
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
	require.True(t, r.Changed)
	after, err := os.ReadFile(b.server.BootIDFile)
	require.NoError(t, err)
	require.Contains(t, r.Msg, strings.TrimSpace(string(before))+" -> "+strings.TrimSpace(string(after)))
	require.Equal(t, wire.Lost, b.wait(kept.ID).State, "a job that the reboot killed")
	ran, err := b.host.Run(b.ctx, job.Command{Text: "echo back"}, 0)
	require.NoError(t, err)
	require.Equal(t, "back\n", string(ran.Stdout))
}

func TestRebootThatFails(t *testing.T) {
	for _, row := range []struct {
		name     string
		do       func(b *bench) // when the host was told
		reboot   func(r *job.Reboot)
		rebooted bool
		want     string
	}{
		{"never goes down", func(*bench) {}, nil, false, "never went down"},
		{"never comes back", func(b *bench) { b.server.Reboot(time.Hour) }, nil, false, "did not come back"},
		{"noise for a boot id", func(b *bench) {
			require.NoError(b.t, os.WriteFile(b.server.BootIDFile, []byte("The system is going down for reboot NOW!\n"), 0o600))
		}, nil, false, "whether it has rebooted is not known"},
		{"only its clock moves", func(b *bench) {
			require.NoError(b.t, os.WriteFile(b.home("boots"), []byte("boottime:1700000001\n"), 0o600))
		}, func(r *job.Reboot) { r.BootIDCommand = "cat boots 2>/dev/null || echo boottime:1700000000" }, false, "never went down"},
		{"away for a moment", func(b *bench) {
			b.server.Refuse(true)
			b.server.DropAll()
			b.eventually("it is noticed", func() bool { return slices.Contains(b.said(event.HostStatus), "gone down") })
			b.server.Refuse(false)
		}, nil, false, "never went down"},
		{"another host key", func(b *bench) { b.server.RotateHostKey(); b.server.Reboot(100 * time.Millisecond) }, nil, false, "another host key"},
		{"refused", nil, func(r *job.Reboot) { r.Command = "echo not allowed >&2; exit 3" }, false, "rc 3: not allowed"},
		{"not ready", func(b *bench) { b.server.Reboot(100 * time.Millisecond) }, func(r *job.Reboot) { r.TestCommand, r.Timeout = "echo starting; exit 1", 12*time.Second }, true, "not ready"},
		{"no boot id to begin with", nil, func(r *job.Reboot) { r.BootIDCommand = "printf 'a\\nb\\n'" }, false, "want one line"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, sshdtest.Options{})
			if row.do != nil {
				b.obey(func() { row.do(b) })
			}
			ask := rebooting(6 * time.Second)
			if row.reboot != nil {
				row.reboot(&ask)
			}
			began := time.Now()
			r, err := b.host.Reboot(b.ctx, ask)
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "web1")
			require.Equal(t, wire.Failed, r.State)
			require.Less(t, time.Since(began), patience, "one deadline for all of it")
			var failed *job.RebootError
			if row.name != "no boot id to begin with" {
				require.ErrorAs(t, err, &failed)
				require.Equal(t, row.rebooted, failed.Rebooted)
				require.NotEmpty(t, failed.Hint())
			}
		})
	}
}

// A host whose sshd is up before it lets anybody in is waited for.
func TestRebootWithLateLogins(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	keys := filepath.Join(b.server.Dir(), "authorized_keys")
	b.obey(func() {
		text, err := os.ReadFile(keys)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(keys, nil, 0o600))
		<-b.server.Reboot(100 * time.Millisecond)
		before := b.server.Accepted()
		b.eventually("it is tried", func() bool { return b.server.Accepted() > before+1 })
		require.NoError(t, os.WriteFile(keys, text, 0o600))
	})
	r, err := b.host.Reboot(b.ctx, rebooting(time.Minute))
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
}

func TestRebootThroughJump(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	bastion := sshdtest.Start(t, sshdtest.Options{Name: "bastion"})
	config := filepath.Join(t.TempDir(), "ssh_config")
	target, err := os.ReadFile(b.server.ConfigFile)
	require.NoError(t, err)
	jump, err := os.ReadFile(bastion.ConfigFile)
	require.NoError(t, err)
	text := strings.Replace(string(target), "Host web1\n", "Host web1\n  ProxyJump bastion\n", 1) + "\n" + string(jump)
	require.Contains(t, text, "ProxyJump")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	_, host := b.controller(config)
	b.obey(func() { b.server.Reboot(200 * time.Millisecond) })
	r, err := host.Reboot(b.ctx, rebooting(time.Minute))
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
	require.Positive(t, bastion.Accepted())
}

// A program that died in the middle of a reboot left a note of the boot id: one that goes on does not reboot again
// when the host has booted since.
func TestRebootIsTakenUp(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	var noted string
	ask := rebooting(time.Minute)
	ask.Note = func(id string) error { noted = id; return fmt.Errorf("the program dies here") }
	_, err := b.host.Reboot(b.ctx, ask)
	require.ErrorContains(t, err, "dies here")
	<-b.server.Reboot(0)
	ask = rebooting(time.Minute)
	ask.Before = noted
	r, err := b.host.Reboot(b.ctx, ask)
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
	require.NoFileExists(t, b.home("rebooting"), "it was told to reboot once more")
}

// One that goes on while the host, told before, is about to go down waits for it and does not call it unreachable.
func TestRebootIsTakenUpAsTheHostGoesDown(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	text, err := os.ReadFile(b.server.BootIDFile)
	require.NoError(t, err)
	ask := rebooting(time.Minute)
	ask.Before = strings.TrimSpace(string(text))
	ask.Note = func(string) error { // between the look at the boot id and the word to reboot
		b.server.Reboot(300 * time.Millisecond)
		b.host.Rest()
		return nil
	}
	r, err := b.host.Reboot(b.ctx, ask)
	require.NoError(t, err)
	require.Equal(t, wire.Succeeded, r.State)
	require.NoFileExists(t, b.home("rebooting"))
}

func TestWaitForConnection(t *testing.T) {
	b := newBench(t, sshdtest.Options{})
	b.server.Refuse(true)
	done := make(chan error)
	go func() {
		_, err := b.host.WaitForConnection(b.ctx, job.Comeback{Timeout: time.Minute, Interval: 50 * time.Millisecond})
		done <- err
	}()
	b.server.Refuse(false)
	require.NoError(t, <-done)
	b.server.Refuse(true)
	b.server.DropAll()
	_, err := b.host.WaitForConnection(b.ctx, job.Comeback{Timeout: time.Second, Interval: 50 * time.Millisecond})
	require.ErrorContains(t, err, "not reachable within 1s")
}
