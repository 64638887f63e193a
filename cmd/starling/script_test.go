package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"starling/internal/sshdtest"
)

// The program as a person meets it: testdata/script/*.txtar run the real command line against a real sshd and against
// the sandbox. Beside testscript's own commands they have those of scriptCommands.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"starling": main, "sandbox-hosts": hostsCommand, "fleet-in-memory": memoryCommand})
}

// patience is how long a test waits for something that is to happen soon.
const patience = 30 * time.Second

func TestScript(t *testing.T) {
	shared := newFleet(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			return shared.setup(env)
		},
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// fleet is one sshd that answers to five names, and hosts that are not as they should be.
type fleet struct {
	server *sshdtest.Server
	config string // of all
}

// newFleet starts the sshd: web1 to web5 are the same host; down refuses, mute speaks no SSH, nowhere does not resolve,
// stranger is in no known_hosts file and changed is there with another key.
func newFleet(t *testing.T) *fleet {
	server := sshdtest.Start(t, sshdtest.Options{})
	mute, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { mute.Close() })
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "220 mail.example.net ready\r\n")
			conn.Close()
		}
	}()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	known, err := os.ReadFile(server.KnownHosts)
	require.NoError(t, err)
	other, err := os.ReadFile(server.IdentityFile + ".pub")
	require.NoError(t, err)
	changed := filepath.Join(t.TempDir(), "known_hosts_changed")
	host, _, _ := strings.Cut(string(known), " ")
	require.NoError(t, os.WriteFile(changed, []byte(host+" "+string(other)), 0o600))
	unknown := filepath.Join(t.TempDir(), "known_hosts_empty")
	require.NoError(t, os.WriteFile(unknown, nil, 0o600))
	config, err := os.ReadFile(server.ConfigFile)
	require.NoError(t, err)
	_, body, _ := strings.Cut(string(config), "\n")
	text := "Host down\n  Port " + port(closed.Addr()) + "\n" +
		"Host mute\n  Port " + port(mute.Addr()) + "\n" +
		"Host nowhere\n  HostName no-such-host.invalid\n" +
		"Host stranger\n  UserKnownHostsFile " + unknown + "\n" +
		"Host changed\n  UserKnownHostsFile " + changed + "\n" +
		"Host web1 web2 web3 web4 web5 down mute nowhere stranger changed\n" + body
	f := &fleet{server: server, config: filepath.Join(t.TempDir(), "ssh_config")}
	require.NoError(t, os.WriteFile(f.config, []byte(text), 0o600))
	return f
}

func port(addr net.Addr) string { return strconv.Itoa(addr.(*net.TCPAddr).Port) }

// setup gives a script a home, a journal and a state folder of its own.
func (f *fleet) setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"HOME": home, "XDG_STATE_HOME": filepath.Join(home, "state"), "STARLING_JOURNAL": "", "SSH_AUTH_SOCK": "", "NO_COLOR": "", "TERM": "xterm",
		"F": "--ssh-config=" + f.config, "CONFIG": f.config, "HOSTHOME": f.server.Home, "EXAMPLES": examples,
	} {
		env.Setenv(name, value)
	}
	env.Values[ownKey{}] = &ownHost{t: env.T().(testing.TB)}
	return nil
}

var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":  exits,
	"after":  after,
	"jid":    jid,
	"await":  await,
	"like":   like,
	"told":   told,
	"events": events,
	"sshd":   startHost,
	"idle":   idle,
}

// exits CODE PROGRAM ARG…: run the program and demand the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	demand(ts, args[0], ts.Exec(args[1], args[2:]...))
}

func demand(ts *testscript.TestScript, want string, err error) {
	got := "0"
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && !exit.Exited():
		got = exit.Sys().(syscall.WaitStatus).Signal().String()
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}

// after MARKER SIGNAL CODE PROGRAM ARG…: run the program; as soon as its output has the marker send it the signal (INT,
// KILL), and demand the exit code ("killed" after KILL).
func after(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: after MARKER SIGNAL CODE PROGRAM ARG…")
	}
	signals := map[string]os.Signal{"INT": os.Interrupt, "KILL": os.Kill}
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_STATE_HOME", "STARLING_JOURNAL", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out := &watched{marker: args[0], seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		ts.Fatalf("ended (%v) before it said %q:\n%s", err, args[0], out.buf.Bytes())
	case <-time.After(patience):
		cmd.Process.Kill()
		<-ended
		ts.Fatalf("never said %q:\n%s", args[0], out.buf.Bytes())
	}
	ts.Check(cmd.Process.Signal(signals[args[1]]))
	began := time.Now()
	err := <-ended
	ts.Logf("[ended %s after the signal]\n%s", time.Since(began).Round(time.Millisecond), out.buf.Bytes())
	demand(ts, args[2], err)
	ts.Check(os.WriteFile(ts.MkAbs("said"), out.buf.Bytes(), 0o600))
}

// watched is output that is waited for. exec writes it from one goroutine only, since both streams are the same.
type watched struct {
	marker string
	seen   chan struct{}
	buf    bytes.Buffer
	told   bool
}

func (w *watched) Write(p []byte) (int, error) {
	w.buf.Write(p)
	if !w.told && bytes.Contains(w.buf.Bytes(), []byte(w.marker)) {
		w.told = true
		close(w.seen)
	}
	return len(p), nil
}

var (
	jobID   = regexp.MustCompile(`\bj-[0-9a-z]{16}\b`)
	varying = regexp.MustCompile(`\b[0-9.]+m?s\b`)
)

// jid VAR FILE: put the first job id in the file (stdout, stderr) into the variable.
func jid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jid VAR FILE")
	}
	id := jobID.FindString(ts.ReadFile(args[1]))
	if id == "" {
		ts.Fatalf("no job id in %s", args[1])
	}
	ts.Setenv(args[0], id)
}

var leftOver = regexp.MustCompile(`hint: (starling run .* --on @(\S+)) `)

// told SCRIPT FILE: make a script of the command that the file (stdout, stderr) tells for the hosts that are left over,
// and put the path of the list of these into $FAILED.
func told(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: told SCRIPT FILE")
	}
	m := leftOver.FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s tells no command", args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(m[1]+"\n"), 0o600))
	ts.Setenv("FAILED", m[2])
}

// await FILE: wait until there is such a file, with something in it.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] await FILE")
	}
	eventually(ts, args[0], func() bool {
		info, err := os.Stat(ts.MkAbs(args[0]))
		return neg == (err != nil || info.Size() == 0)
	})
}

func eventually(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// like FILE PATTERN: demand that the file (stdout, stderr) is as the pattern file says, in which … is any text.
func like(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: like FILE PATTERN")
	}
	if err := matches(ts.ReadFile(args[0]), ts.ReadFile(args[1])); err != nil {
		ts.Fatalf("%v", err)
	}
}

// matches compares text with a pattern, in which … is any text within a line.
func matches(text, pattern string) error {
	form := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(pattern, "\n")), "…", `[^\n]*`)
	if !regexp.MustCompile(`^` + form + `$`).MatchString(strings.TrimRight(text, "\n")) {
		return fmt.Errorf("got\n%s\nwant\n%s", text, pattern)
	}
	return nil
}

// events CODE KIND…: demand that standard output is a stream of JSON events that begins with its version and ends with
// run_end and the exit code, and that it has each of the kinds.
func events(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: events CODE KIND…")
	}
	kinds := map[string]bool{}
	var last struct {
		Kind string
		Code *int
	}
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		last.Code = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			ts.Fatalf("line %d is no JSON: %v: %s", i+1, err, line)
		}
		if i == 0 && line != `{"kind":"version","version":1}` {
			ts.Fatalf("the first line is no version: %s", line)
		}
		kinds[last.Kind] = true
	}
	if last.Kind != "run_end" || last.Code == nil || strconv.Itoa(*last.Code) != args[0] {
		ts.Fatalf("the last event is %+v, want run_end with code %s", last, args[0])
	}
	for _, kind := range args[1:] {
		if !kinds[kind] {
			ts.Fatalf("no %s among the events", kind)
		}
	}
}

// ownKey is where a script keeps its own host.
type ownKey struct{}

type ownHost struct {
	t      testing.TB
	server *sshdtest.Server // nil until sshd was called
}

// sshd: start a host for this script alone, named own; $OWN is its flag, $OWNHOME its home. It reboots when a file
// rebooting appears in its home, and goes down for good when that file is named off.
func startHost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sshd")
	}
	own := ts.Value(ownKey{}).(*ownHost)
	own.server = sshdtest.Start(own.t, sshdtest.Options{Name: "own"})
	ts.Setenv("OWN", "--ssh-config="+own.server.ConfigFile)
	ts.Setenv("OWNHOME", own.server.Home)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		own.obey(stop)
	}()
	ts.Defer(func() {
		close(stop)
		<-stopped
	})
}

// obey reboots the host, or takes it down, when a command on it has asked for that.
func (h *ownHost) obey(stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if os.Remove(filepath.Join(h.server.Home, "rebooting")) == nil {
			h.server.Reboot(300 * time.Millisecond)
		}
		if os.Remove(filepath.Join(h.server.Home, "off")) == nil {
			h.server.Refuse(true)
			h.server.DropAll()
		}
	}
}

// idle: wait until nobody is connected to the script's own host.
func idle(ts *testscript.TestScript, neg bool, args []string) {
	own := ts.Value(ownKey{}).(*ownHost)
	eventually(ts, "no connection", func() bool { return own.server.Connections() == 0 })
}
