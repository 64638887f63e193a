package sshdtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const (
	envCookie = "STARLING_TEST_HOST"
	envBootID = "STARLING_BOOT_ID_FILE"
)

// Options says how a host differs from the plain one. The zero value is a host named web1 with the login shell of
// the user the test runs as.
type Options struct {
	// Name is the alias in Server.ConfigFile; "" is web1.
	Name string
	// LoginShell is the path of the shell that parses every command line, as SHELL -c LINE; "" is the user's own.
	LoginShell string
	// ExtraConfig are lines of sshd_config. They win over what Start writes, but for SetEnv, which has a field of its
	// own because sshd honours one such line only. Lines from the first Match on are put at the end.
	ExtraConfig []string
	// SetEnv is the environment of every session beside HOME, the cookie and the boot id file. sshd lets it name any
	// variable, PATH and HOME included.
	SetEnv map[string]string
	// User is whom every session runs as; nil is the user the test runs as. HOME is the Server's all the same.
	User *Account
}

// Server is one host. Its methods may be called from many goroutines at once.
type Server struct {
	Name         string        // the alias in ConfigFile
	Home         string        // HOME and the working directory of every session; empty at the start
	ConfigFile   string        // an ssh_config with Host Name, complete with port, user, key and known_hosts
	KnownHosts   string        // the known_hosts file that ConfigFile names
	IdentityFile string        // the user's private key, ed25519, not encrypted; its public half is beside it, with .pub
	BootIDFile   string        // stands in for /proc/sys/kernel/random/boot_id; sessions know it as $STARLING_BOOT_ID_FILE
	User         string        // the user the sessions run as
	HostKey      ssh.PublicKey // as of Start; RotateHostKey does not change it

	t      testing.TB
	dir    string
	cookie string
	port   int
	hold   int // a bound socket that never listens: the port stays ours while the host refuses

	ctx  context.Context // ends when the test does
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while the host refuses
	refused  int          // how many reasons there are to refuse: Refuse and each Reboot under way
	refusing bool         // what Refuse said last
	closed   bool
	accepted int
	procs    map[*exec.Cmd]struct{} // the sshd of every open connection
}

// Start starts a host and ends it, with all it left running, when the test ends. It fails the test when there is no
// sshd. When the test has failed it prints the host's log.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	sshd := findSSHD(t)
	if os.Geteuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755)) // where sshd, as root, confines the part of it that is not trusted yet
	}
	me, err := user.Current()
	must(t, err)
	random := make([]byte, 16)
	_, err = rand.Read(random)
	must(t, err)
	dir := tempDir(t)
	s := &Server{
		Name: o.Name, User: me.Username, t: t, dir: dir, cookie: hex.EncodeToString(random),
		Home: filepath.Join(dir, "home"), ConfigFile: filepath.Join(dir, "ssh_config"),
		KnownHosts: filepath.Join(dir, "known_hosts"), IdentityFile: filepath.Join(dir, "id_ed25519"),
		BootIDFile: filepath.Join(dir, "boot_id"), procs: map[*exec.Cmd]struct{}{},
	}
	if s.Name == "" {
		s.Name = "web1"
	}
	must(t, os.Mkdir(s.Home, 0o755))
	if o.User != nil {
		s.User = o.User.Name
		must(t, os.Chmod(dir, 0o755))
		must(t, os.Chmod(s.Home, 0o700))
		must(t, os.Chown(s.Home, o.User.UID, o.User.GID))
	}
	s.hold, s.port = holdPort(t)
	s.ctx, s.stop = context.WithCancel(context.Background())
	t.Cleanup(s.cleanup)

	s.HostKey = writeKey(t, s.hostKeyFile())
	userKey := writeKey(t, s.IdentityFile)
	must(t, os.WriteFile(s.path("authorized_keys"), ssh.MarshalAuthorizedKey(userKey), 0o644))
	s.writeBootID()
	must(t, os.WriteFile(s.path("sshd_config"), s.sshdConfig(o), 0o600))
	must(t, os.WriteFile(s.KnownHosts, nil, 0o600))
	s.Trust(s.Addr())
	must(t, os.WriteFile(s.ConfigFile, []byte(s.config(s.port, s.KnownHosts, nil)), 0o600))
	if out, err := exec.Command(sshd, "-t", "-f", s.path("sshd_config")).CombinedOutput(); err != nil {
		t.Fatalf("sshdtest: sshd refuses its configuration: %v\n%s", err, out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	must(t, s.listen(sshd))
	return s
}

// Addr returns the host:port the host listens on. It stays the same while the host refuses or reboots.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Port returns the port of Addr.
func (s *Server) Port() int { return s.port }

// Dir returns the host's own directory, which holds all its files. It is removed when the test ends.
func (s *Server) Dir() string { return s.dir }

// Connections returns how many connections are open now, logged in or not.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.procs)
}

// Accepted returns how many connections were ever accepted.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Log returns what sshd logged so far.
func (s *Server) Log() string {
	log, _ := os.ReadFile(s.path("sshd.log")) // not there before the first connection
	return string(log)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }
func (s *Server) hostKeyFile() string     { return s.path("host_ed25519") }

// listen opens the port and starts the accept loop. The caller holds mu.
func (s *Server) listen(sshd string) error {
	config := net.ListenConfig{Control: reusePort}
	listener, err := config.Listen(s.ctx, "tcp4", s.Addr())
	if err != nil {
		return err
	}
	s.listener = listener
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed: the host refuses, or the test is over
			}
			s.serve(sshd, conn.(*net.TCPConn))
		}
	}()
	return nil
}

// serve hands the connection to an sshd of its own.
func (s *Server) serve(sshd string, conn *net.TCPConn) {
	defer conn.Close()
	socket, err := conn.File()
	if err != nil {
		return
	}
	defer socket.Close()
	log, err := os.OpenFile(s.path("sshd.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer log.Close()
	cmd := exec.Command(sshd, "-i", "-e", "-f", s.path("sshd_config"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), envCookie + "=" + s.cookie}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener == nil {
		return // accepted just before the port was closed
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(log, "sshdtest: %v\n", err)
		return
	}
	s.accepted++
	s.procs[cmd] = struct{}{}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		_ = cmd.Wait() // how an sshd ended is in its log
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.procs, cmd)
	}()
}

func (s *Server) cleanup() {
	s.stop()
	s.mu.Lock()
	s.closed = true
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	s.mu.Unlock()
	s.killHost()
	s.wg.Wait()
	unix.Close(s.hold)
	if s.t.Failed() {
		s.t.Logf("sshd of %s logged:\n%s", s.Name, s.Log())
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Errorf("sshdtest: %v", err)
	}
}

// holdPort binds a free port without listening on it. Connections are refused as on a closed port, but no other
// process is given the number.
func holdPort(t testing.TB) (fd, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := unix.Getsockname(fd)
	must(t, err)
	return fd, name.(*unix.SockaddrInet4).Port
}

// tempDir is not t.TempDir: that one is removed before the processes of the host are known to be gone, and its path,
// made of the test's name, may be too long for a unix socket.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sshd")
	must(t, err)
	return dir
}

func findSSHD(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("sshd")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/sshd") // not in the PATH of everybody
	}
	if err != nil {
		t.Fatal("sshdtest: no sshd on this machine, and these tests need one: apt-get install -y openssh-server")
	}
	path, err = filepath.Abs(path) // sshd insists on an absolute path to start itself again
	must(t, err)
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("sshdtest: %v", err)
	}
}

// quoteConfig quotes a value for sshd_config and ssh_config.
func quoteConfig(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// firstMatch returns the index of the first Match line, or the number of lines.
func firstMatch(lines []string) int {
	for i, line := range lines {
		if word, _, _ := bytes.Cut(bytes.TrimSpace([]byte(line)), []byte(" ")); bytes.EqualFold(word, []byte("match")) {
			return i
		}
	}
	return len(lines)
}

// waitFor polls until done says so; the deadline is generous because it only ends a test that is broken anyway.
func waitFor(done func() bool) bool {
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
