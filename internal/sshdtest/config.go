package sshdtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"
)

// sshdConfig writes the sshd_config of the host. The first value of a keyword wins.
func (s *Server) sshdConfig(o Options) []byte {
	env := map[string]string{"HOME": s.Home, envCookie: s.cookie, envBootID: s.BootIDFile}
	for name, value := range o.SetEnv {
		env[name] = value
	}
	setEnv := "SetEnv"
	for name, value := range env {
		setEnv += " " + quoteConfig(name+"="+value)
	}
	match := firstMatch(o.ExtraConfig)
	lines := append([]string{}, o.ExtraConfig[:match]...)
	lines = append(lines,
		setEnv,
		"HostKey "+s.hostKeyFile(),
		"AuthorizedKeysFile "+s.path("authorized_keys"),
		"ForceCommand "+s.forceCommand(o.LoginShell),
		"Subsystem sftp "+sftpServer(),
		"StrictModes no",
		"UsePAM no",
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"UseDNS no",
		"PidFile none",
		"PrintMotd no",
		"PrintLastLog no",
	)
	lines = append(lines, o.ExtraConfig[match:]...)
	return []byte(strings.Join(lines, "\n") + "\n")
}

// forceCommand makes every session start in Home, which sshd would do for the home directory of the password
// database only, and has the chosen shell parse the command line as it would as a login shell. No command is an
// interactive shell, as ever.
func (s *Server) forceCommand(shell string) string {
	if shell == "" {
		shell = `"$SHELL"`
	}
	return fmt.Sprintf(`cd %s && case ${SSH_ORIGINAL_COMMAND+set} in set) exec %s -c "$SSH_ORIGINAL_COMMAND";; esac; exec %s`,
		s.Home, shell, shell)
}

// sftpServer finds the program behind the sftp subsystem. internal-sftp will not do: under a ForceCommand the
// subsystem is given to a shell.
func sftpServer() string {
	for _, path := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "/bin/false"
}

// config writes an ssh_config with the host's alias, reached at port.
func (s *Server) config(port int, knownHosts string, extra []string) string {
	lines := append([]string{"Host " + s.Name},
		"HostName 127.0.0.1",
		"Port "+strconv.Itoa(port),
		"User "+s.User,
		"IdentityFile "+s.IdentityFile,
		"IdentitiesOnly yes",
		"IdentityAgent none",
		"UserKnownHostsFile "+knownHosts,
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
	)
	return strings.Join(append(lines[:1:1], append(extra, lines[1:]...)...), "\n  ") + "\n"
}

// ConfigVia writes a further ssh_config, in which the host's alias is reached through addr (a Proxy's), whose host
// key is known, and returns its path. Lines of extra win over the usual ones.
func (s *Server) ConfigVia(addr string, extra ...string) string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	must(s.t, err)
	number, err := strconv.Atoi(port)
	must(s.t, err)
	if addr != s.Addr() {
		s.Trust(addr)
	}
	file, err := os.CreateTemp(s.dir, "ssh_config_")
	must(s.t, err)
	defer file.Close()
	_, err = file.WriteString(s.config(number, s.KnownHosts, extra))
	must(s.t, err)
	return file.Name()
}

// Trust adds the host's present key to KnownHosts under addr.
func (s *Server) Trust(addr string) {
	s.t.Helper()
	public, err := os.ReadFile(s.hostKeyFile() + ".pub")
	must(s.t, err)
	key, _, _, _, err := ssh.ParseAuthorizedKey(public)
	must(s.t, err)
	file, err := os.OpenFile(s.KnownHosts, os.O_APPEND|os.O_WRONLY, 0o600)
	must(s.t, err)
	defer file.Close()
	_, err = fmt.Fprintln(file, knownhosts.Line([]string{addr}, key))
	must(s.t, err)
}

// RotateHostKey gives the host a new key, which nobody knows yet, and returns it. Open connections are not touched.
func (s *Server) RotateHostKey() ssh.PublicKey {
	s.t.Helper()
	return writeKey(s.t, s.hostKeyFile())
}

func (s *Server) writeBootID() {
	// Renamed into place, as the reader must never see half a line.
	next := s.BootIDFile + ".next"
	must(s.t, os.WriteFile(next, []byte(uuid.NewString()+"\n"), 0o644))
	must(s.t, os.Rename(next, s.BootIDFile))
}

// writeKey makes an ed25519 key pair in path and path.pub, each put in place whole: an sshd may be starting.
func writeKey(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, filepath.Base(path))
	must(t, err)
	public, err := ssh.NewPublicKey(private.Public())
	must(t, err)
	must(t, os.WriteFile(path+".next", pem.EncodeToMemory(block), 0o600))
	must(t, os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(public), 0o644))
	must(t, os.Rename(path+".next", path))
	return public
}

// reusePort lets the listener share the port with the socket that holds it.
func reusePort(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
