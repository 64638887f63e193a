package sshdtest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Account is a user of this machine that is there for one test.
type Account struct {
	Name     string
	Password string // random
	Home     string // mode 0700
	UID, GID int
}

// NewAccount makes a user, and removes it, its processes and its files when the test ends. It skips the test when that
// does not run as root.
func NewAccount(t testing.TB) *Account {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("sshdtest: making users takes root")
	}
	a := &Account{Name: "slt" + randomText(t, 5), Password: "pw-" + randomText(t, 12)}
	a.Home = filepath.Join("/home", a.Name)
	t.Cleanup(func() { a.remove(t) })
	retried(t, exec.Command("useradd", "-m", "-d", a.Home, "-s", "/bin/sh", a.Name), "")
	retried(t, exec.Command("chpasswd"), a.Name+":"+a.Password+"\n")
	found, err := user.Lookup(a.Name)
	must(t, err)
	a.UID, err = strconv.Atoi(found.Uid)
	must(t, err)
	a.GID, err = strconv.Atoi(found.Gid)
	must(t, err)
	must(t, os.Chmod(a.Home, 0o700))
	return a
}

// Sudoers adds lines to what sudo allows on this machine, until the test ends. They should name users of NewAccount.
func Sudoers(t testing.TB, lines ...string) {
	t.Helper()
	path := "/etc/sudoers.d/" + "slt" + randomText(t, 5)
	text := strings.Join(lines, "\n") + "\n"
	check := exec.Command("visudo", "-c", "-f", "-")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("sshdtest: these are no lines of sudoers: %v\n%s\n%s", err, out, text)
	}
	t.Cleanup(func() { must(t, os.RemoveAll(path)) })
	// sudo reads no file of the folder with a dot in its name, so that it never sees half of one.
	must(t, os.WriteFile(path+".next", []byte(text), 0o440))
	must(t, os.Rename(path+".next", path))
}

func (a *Account) remove(t testing.TB) {
	if a.UID == 0 {
		return // it was never made
	}
	gone := waitFor(func() bool {
		pids := a.Processes()
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone by itself is as good
		}
		return len(pids) == 0
	})
	if !gone {
		t.Errorf("sshdtest: processes of the user %s can't be killed", a.Name)
	}
	retried(t, exec.Command("userdel", "-r", a.Name), "")
	for _, dir := range []string{"/var/tmp", "/tmp"} {
		must(t, os.RemoveAll(filepath.Join(dir, "starling-"+strconv.Itoa(a.UID))))
	}
}

// Processes returns the ids of the user's processes, those aside that have ended and wait for their parents to see it.
func (a *Account) Processes() []int {
	var pids []int
	for _, p := range processes() {
		dir := "/proc/" + strconv.Itoa(p.pid)
		info, err := os.Stat(dir)
		if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != a.UID {
			continue
		}
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil || bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" Z")) {
			continue
		}
		pids = append(pids, p.pid)
	}
	return pids
}

// retried runs a command of the password database again while another program has that locked.
func retried(t testing.TB, cmd *exec.Cmd, input string) {
	t.Helper()
	var out []byte
	var err error
	done := waitFor(func() bool {
		again := exec.Command(cmd.Path, cmd.Args[1:]...)
		again.Stdin = strings.NewReader(input)
		out, err = again.CombinedOutput()
		return err == nil || !strings.Contains(string(out), "lock")
	})
	if err != nil || !done {
		t.Errorf("sshdtest: %s: %v\n%s", filepath.Base(cmd.Path), err, out)
		t.FailNow()
	}
}

func randomText(t testing.TB, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	must(t, err)
	return hex.EncodeToString(b)
}
