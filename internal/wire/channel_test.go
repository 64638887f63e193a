package wire

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostShells are what may stand as /bin/sh on a host, with the package that has it.
var hostShells = []struct{ name, program, pkg string }{
	{"dash", "dash", "dash"},
	{"bash", "bash", "bash"},
	{"busybox", "busybox", "busybox-static"},
	{"mksh", "mksh", "mksh"},
}

// shell returns a path under which program acts as sh.
func shell(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: install the package %s", program, pkg)
	}
	// bash and busybox go by the name they are called.
	dir, err := os.MkdirTemp("", "sl"+program)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	sh := filepath.Join(dir, "sh")
	require.NoError(t, os.Symlink(path, sh))
	return sh
}

func nonce() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func newID() string { return "j-" + nonce() }

// A host is a shell, a base directory and a boot identity of its own.
type host struct {
	t     testing.TB
	sh    string
	home  string
	base  string
	boot  string
	login []string // the login shell and its options, given the exec line last
	env   []string
}

func newHost(t testing.TB, sh string) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "slhost")
	require.NoError(t, err)
	h := &host{t: t, sh: sh, home: dir, base: dir + "/base", boot: dir + "/boot_id", login: []string{"/bin/sh", "-c"}}
	h.reboot()
	require.NoError(t, os.MkdirAll(h.base+"/v1", 0o700))
	require.NoError(t, os.Chmod(h.base, 0o700))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return h
}

// reboot gives the host a new boot identity.
func (h *host) reboot() {
	n := nonce() + nonce()
	uuid := fmt.Sprintf("%s-%s-%s-%s-%s\n", n[:8], n[8:12], n[12:16], n[16:20], n[20:32])
	require.NoError(h.t, os.WriteFile(h.boot, []byte(uuid), 0o600))
}

func (h *host) command() *exec.Cmd {
	line := LinesFor(h.sh)[0]
	cmd := exec.Command(h.login[0], append(h.login[1:len(h.login):len(h.login)], line)...)
	cmd.Dir = h.home
	cmd.Env = append([]string{"HOME=" + h.home, "PATH=" + os.Getenv("PATH"), "STARLING_BOOT_ID_FILE=" + h.boot}, h.env...)
	return cmd
}

// A channel is an open command channel.
type channel struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	r      *Reader
	nonce  string
	seq    int
	stderr *os.File // a file: a pipe would need a goroutine that reads it
}

func (h *host) open() *channel {
	h.t.Helper()
	c := &channel{t: h.t, cmd: h.command(), nonce: nonce()}
	var err error
	c.in, err = c.cmd.StdinPipe()
	require.NoError(h.t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(h.t, err)
	c.stderr, err = os.CreateTemp(h.home, "stderr")
	require.NoError(h.t, err)
	c.cmd.Stderr = c.stderr
	require.NoError(h.t, c.cmd.Start())
	c.r = NewReader(out, c.nonce)
	_, err = c.in.Write(OpenFor(c.nonce, h.sh))
	require.NoError(h.t, err)
	h.t.Cleanup(c.close)
	return c
}

func (c *channel) close() {
	if c.in == nil {
		return
	}
	_ = c.in.Close()
	c.in = nil
	watch := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer watch.Stop()
	_ = c.cmd.Wait()
	_ = c.stderr.Close()
}

// ask makes one exchange.
func (c *channel) ask(req Request) []Frame {
	c.t.Helper()
	c.seq++
	b, err := Encode(c.nonce, c.seq, req)
	require.NoError(c.t, err)
	_, err = c.in.Write(b)
	require.NoError(c.t, err)
	frames, err := c.r.Answer(c.seq)
	if err != nil {
		said, _ := os.ReadFile(c.stderr.Name())
		require.NoError(c.t, err, "noise: %s\nstderr: %s", c.r.Noise(), said)
	}
	return frames
}

func (c *channel) start(s Start) Started {
	c.t.Helper()
	if s.Attempt == "" {
		s.Attempt = nonce()
	}
	got, err := DecodeStart(c.ask(s))
	require.NoError(c.t, err)
	return got
}

func (c *channel) look(l Look) Looked {
	c.t.Helper()
	got, err := DecodeLook(c.ask(l), l)
	require.NoError(c.t, err)
	return got
}

const all = 1 << 20

// await looks until the job has ended, by long polls.
func (c *channel) await(base, id string) (State, string, Facts) {
	c.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := c.look(Look{Wait: 2 * time.Second, Jobs: []LookJob{{
			Base: base, ID: id, Out: Window{Offset: 0, Final: all}, Err: Window{Offset: 0, Final: all}}}})
		st, detail := got.Jobs[0].Derive(got.Identity)
		if st.Final() || st == Absent || st == Unknown {
			return st, detail, got.Jobs[0]
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("still %s (%s): %+v", st, detail, got.Jobs[0])
		}
	}
}
