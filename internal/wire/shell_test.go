package wire

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attach runs an attached command to its end; then is called when it began.
func (h *host) attach(req Shell, stdin string, then func(Attached)) (out, errs string, code int, s *ShellStreams) {
	h.t.Helper()
	n := nonce()
	if req.Cookie == "" {
		req.Cookie = nonce()
	}
	b, err := Encode(n, 1, req)
	require.NoError(h.t, err)
	var o, e bytes.Buffer
	s = NewShellStreams(n, &o, &e, then)
	cmd := h.command()
	cmd.Stdin = bytes.NewReader(append(append(OpenFor(n, h.sh), b...), stdin...))
	cmd.Stdout, cmd.Stderr = s.Stdout(), s.Stderr()
	_ = cmd.Run()
	return o.String(), e.String(), cmd.ProcessState.ExitCode(), s
}

func TestAttached(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, _ *channel) {
		h.env = []string{"_slx=leak", "_sln=leak"}
		require.NoError(t, os.Mkdir(h.home+"/sub", 0o755))
		binary := string(everyByte(200_000))
		rows := []struct {
			name     string
			req      Shell
			in       string
			out, err string
			codes    []int
		}{
			{name: "streams", req: Shell{Cmd: []byte("echo out; echo err >&2; exit 5")}, out: "out\n", err: "err\n", codes: []int{5}},
			{name: "stdin", req: Shell{Cmd: []byte("cat")}, in: binary, out: binary, codes: []int{0}},
			{name: "vector", req: Shell{Argv: []string{"printf", "%s|", "it's", "caf\xe9 亀"}}, out: "it's|caf\xe9 亀|", codes: []int{0}},
			{name: "text", req: Shell{Cmd: []byte("printf %s 'żółw'\nprintf \" $#\"")}, out: "żółw 0", codes: []int{0}},
			{name: "variables", req: Shell{Env: oddValues, Cmd: []byte(`printf '%s|' "$QUOTES" "$MULTI" "$LATIN1" "$UNICODE" "$CONTROL" "${EMPTY-unset}"`)},
				out: strings.Join([]string{oddValues["QUOTES"], oddValues["MULTI"], oddValues["LATIN1"], oddValues["UNICODE"], oddValues["CONTROL"], ""}, "|") + "|", codes: []int{0}},
			{name: "chdir", req: Shell{Chdir: "sub", Cmd: []byte("pwd -P")}, out: h.home + "/sub\n", codes: []int{0}},
			{name: "chdir to nowhere", req: Shell{Chdir: "/no/such", Cmd: []byte("echo no")}, err: "/no/such", codes: []int{126}},
			{name: "syntax error", req: Shell{Cmd: []byte("echo a; if then")}, err: "yntax error", codes: []int{1, 2}},
			{name: "last status", req: Shell{Cmd: []byte("false")}, codes: []int{1}},
			{name: "nothing private", req: Shell{Cmd: []byte(`set | grep ^_sl; type _sl_emit >/dev/null 2>&1 && echo function; type _slput >/dev/null 2>&1 && echo function; case $- in *f*) echo noglob;; esac; exit 0`)}, codes: []int{0}},
		}
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				out, errs, code, s := h.attach(row.req, row.in, nil)
				require.True(t, s.Marked(), s.Noise())
				require.Contains(t, row.codes, code, errs)
				require.True(t, row.out == out, "want %.200q got %.200q", row.out, out)
				require.Contains(t, errs, row.err)
				if row.err == "" {
					require.Empty(t, errs)
				}
			})
		}
	})
}

func TestKillTree(t *testing.T) {
	onHosts(t, func(t *testing.T, h *host, c *channel) {
		cookie := nonce()
		began := make(chan Attached, 1)
		var killed Killed
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			at := <-began
			for len(tree(cookie)) < 3 {
				time.Sleep(10 * time.Millisecond)
			}
			killed, err = DecodeKill(c.ask(KillTree{Cookie: cookie, Pid: at.Pid, Start: at.Start, Grace: 100 * time.Millisecond}))
		}()
		_, _, code, _ := h.attach(Shell{Cookie: cookie, Cmd: []byte("trap '' TERM; sleep 301 & setsid sh -c 'sleep 302; sleep 303' & wait; sleep 304")}, "", func(a Attached) { began <- a })
		<-done
		require.NoError(t, err)
		require.Equal(t, KillKilling, killed.Outcome, killed.Reason)
		require.NotZero(t, code)
		require.Eventually(t, func() bool { return len(tree(cookie)) == 0 }, 20*time.Second, 20*time.Millisecond)
		killed, err = DecodeKill(c.ask(KillTree{Cookie: cookie, Pid: 999999, Start: "1"}))
		require.NoError(t, err)
		require.Equal(t, KillEnded, killed.Outcome)
	})
}

// loginShells are what may parse the exec line.
var loginShells = []struct {
	name, pkg string
	line      []string
}{
	{"dash", "dash", []string{"dash", "-c"}},
	{"bash", "bash", []string{"bash", "-c"}},
	{"zsh", "zsh", []string{"zsh", "-c"}},
	{"fish", "fish", []string{"fish", "-c"}},
	{"tcsh", "tcsh", []string{"tcsh", "-c"}},
	{"mksh", "mksh", []string{"mksh", "-c"}},
	{"busybox", "busybox-static", []string{"busybox", "ash", "-c"}},
	{"ksh93", "ksh93u+m", []string{"ksh93", "-c"}},
	{"yash", "yash", []string{"yash", "-c"}},
}

func TestLoginShells(t *testing.T) {
	for _, s := range loginShells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(s.line[0]); err != nil {
				t.Fatalf("%s is missing: install the package %s", s.name, s.pkg)
			}
			h := newHost(t, shell(t, "dash", "dash"))
			h.login = s.line
			c := h.open()
			id := newID()
			got := c.start(Start{Base: h.base, ID: id, Cmd: []byte("cat; exit 7"), Stdin: everyByte(70_000)})
			require.Equal(t, StartStarted, got.Outcome, got.Reason)
			st, detail, f := c.await(h.base, id)
			require.Equal(t, Failed, st, detail)
			require.True(t, bytes.Equal(everyByte(70_000), f.Out.Data))
			out, _, code, _ := h.attach(Shell{Cmd: []byte("cat; exit 3")}, "in\x00put", nil)
			require.Equal(t, "in\x00put", out)
			require.Equal(t, 3, code)
		})
	}
}

// Login files may print what they like, on both streams and late.
func TestNoisyLogin(t *testing.T) {
	h := newHost(t, shell(t, "bash", "bash"))
	rc := "echo Welcome\necho " + magic + nonce() + " 12\nhead -c 3000 /dev/urandom\necho '" + nonce() + " 1 R pong'\n" +
		"echo grr >&2\nread -t 1 line\n(sleep 0.2; echo late) &\nprintf 'no end of line'; printf 'nor here' >&2\n"
	require.NoError(t, os.WriteFile(h.home+"/.bashrc", []byte(rc), 0o600))
	// As sshd has it: bash reads .bashrc for a remote command.
	h.login = []string{"bash", "-c", `. ~/.bashrc; eval "$0"`}
	c := h.open()
	id := newID()
	require.Equal(t, StartStarted, c.start(Start{Base: h.base, ID: id, Cmd: []byte("echo mine")}).Outcome)
	_, _, f := c.await(h.base, id)
	require.Equal(t, "mine\n", string(f.Out.Data))
	require.NotEmpty(t, c.r.Noise())
	out, errs, code, s := h.attach(Shell{Cmd: []byte("echo out; echo err >&2; exit 4")}, "", nil)
	require.Equal(t, "out\n", strings.ReplaceAll(out, "late\n", ""), "late lines of background jobs can't be told apart")
	require.Equal(t, "err\n", errs)
	require.Equal(t, 4, code)
	require.Contains(t, s.Noise(), "nor here")
}

// The exec lines hold nothing that one of the login shells would change.
func TestLinesAreDull(t *testing.T) {
	for _, line := range Lines() {
		inner := line[strings.IndexByte(line, '\'')+1 : len(line)-1]
		require.NotRegexp(t, "['!\\n\\\\]", inner)
	}
	for _, text := range []string{commonText, supervisorText, preludeText} {
		require.NotRegexp(t, `[^\x20-\x7e\n\t]`, text)
	}
}

func TestShellcheck(t *testing.T) {
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal("shellcheck is missing: install the package shellcheck")
	}
	out, err := exec.Command(path, "-s", "sh", "-e", "SC2154,SC2034", "common.sh", "supervisor.sh", "prelude.sh").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
