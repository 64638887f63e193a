//go:build unix

package inventory

import (
	"os/exec"
	"syscall"
)

// ownGroup has the end of cmd's context end what cmd has started, too.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
