package sandbox

import (
	_ "embed"
	"os"
	"path/filepath"

	"al.essio.dev/pkg/shellescape"
)

//go:embed power.sh
var powerScript string

//go:embed become.sh
var becomeScript string

//go:embed absent.sh
var absentScript string

// stubScripts holds the script of each command that a host replaces. Those that become another user or hand a command
// to a daemon are replaced because what runs behind them has another PATH, and would find the real shutdown there.
func stubScripts() map[string]string {
	names := map[string]string{}
	for _, n := range []string{"shutdown", "reboot", "poweroff", "halt", "init", "telinit", "systemctl"} {
		names[n] = powerScript
	}
	for _, n := range []string{"sudo", "doas"} {
		names[n] = becomeScript
	}
	for _, n := range []string{"su", "runuser", "pkexec", "systemd-run", "loginctl", "rtcwake", "kexec", "at", "batch", "crontab"} {
		names[n] = absentScript
	}
	return names
}

// writeStubs fills bin.
func writeStubs(bin, fifo, bootID, login string) error {
	for name, script := range stubScripts() {
		text := "#!/bin/sh\n" +
			"name=" + name + "\n" +
			"fifo=" + shellescape.Quote(fifo) + "\n" +
			"boot_id=" + shellescape.Quote(bootID) + "\n" +
			"login=" + shellescape.Quote(login) + "\n" +
			script
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}
