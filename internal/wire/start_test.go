package wire

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func everyByte(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

var oddValues = map[string]string{
	"QUOTES":  `it's "quoted" \ and ` + "`ticked` $HOME $(id) !! \\n",
	"MULTI":   "one\ntwo\n\n'three\n\n",
	"LATIN1":  "caf\xe9 \x80\x81\x82\x83\x84\x85\x86\x87\x88\xff",
	"UNICODE": "żółw 亀 🐢",
	"CONTROL": "\x01\x02\x7f\r\t\x1b[0m",
	"EMPTY":   "",
}

// A scenario is one job and how it must end.
type scenario struct {
	name    string
	start   Start
	state   State
	codes   []int // any of these
	out     string
	errPart string
	check   func(t *testing.T, f Facts)
}

func scenarios(h *host) []scenario {
	odd := make([]scenario, 0, len(oddValues))
	for name, value := range oddValues {
		odd = append(odd, scenario{name: "variable " + name, state: Succeeded, out: value + "|",
			start: Start{Env: map[string]string{name: value}, Cmd: []byte(`printf '%s|' "$` + name + `"`)}})
	}
	big := everyByte(300_001)
	return append(odd, []scenario{
		{name: "true", start: Start{Cmd: []byte("true")}, state: Succeeded},
		{name: "empty", start: Start{}, state: Succeeded},
		{name: "seven", start: Start{Cmd: []byte("echo x; exit 7")}, state: Failed, codes: []int{7}, out: "x\n"},
		{name: "set -e", start: Start{Cmd: []byte("set -e\nfalse\necho no")}, state: Failed, codes: []int{1}},
		{name: "not found", start: Start{Cmd: []byte("nosuchcommand_here")}, state: Failed, codes: []int{127}, errPart: "nosuchcommand_here"},
		{name: "syntax error", start: Start{Cmd: []byte("echo a\nif then")}, state: Failed, codes: []int{1, 2, 3}, out: "a\n", errPart: "yntax error"},
		{name: "kill itself", start: Start{Cmd: []byte("kill -9 $$")}, state: Failed, codes: []int{137}},
		{name: "term itself", start: Start{Cmd: []byte("kill -TERM $$")}, state: Failed, codes: []int{143}},
		{name: "stdin", start: Start{Cmd: []byte("cat"), Stdin: big}, state: Succeeded, out: string(big)},
		{name: "small stdin", start: Start{Cmd: []byte("cat"), Stdin: []byte("\x00")}, state: Succeeded, out: "\x00"},
		{name: "no stdin", start: Start{Cmd: []byte("cat; echo end")}, state: Succeeded, out: "end\n"},
		{name: "vector", start: Start{Argv: []string{"printf", "%s|", "a b", "it's", "$x\n\\n", "", "é\xff"}}, state: Succeeded,
			out: "a b|it's|$x\n\\n||é\xff|"},
		{name: "vector not found", start: Start{Argv: []string{"nosuchprogram here"}}, state: Failed, codes: []int{127}, errPart: "nosuchprogram here"},
		{name: "text of any byte", start: Start{Cmd: []byte("printf '%s' 'caf\xe9 亀'")}, state: Succeeded, out: "caf\xe9 亀"},
		{name: "home", start: Start{Cmd: []byte("pwd -P")}, state: Succeeded, out: h.home + "\n"},
		{name: "chdir", start: Start{Chdir: "/usr", Cmd: []byte("pwd")}, state: Succeeded, out: "/usr\n"},
		{name: "chdir below home", start: Start{Chdir: "it's a-dir", Cmd: []byte("pwd -P")}, state: Succeeded, out: h.home + "/it's a-dir\n"},
		{name: "chdir with another home", start: Start{Chdir: "~/it's a-dir", Env: map[string]string{"HOME": "/x"}, Cmd: []byte("pwd -P; echo $HOME")},
			state: Succeeded, out: h.home + "/it's a-dir\n/x\n"},
		{name: "chdir to nowhere", start: Start{Chdir: "/no/such", Cmd: []byte("echo no")}, state: Failed, codes: []int{126},
			errPart: "starling: can't enter the directory /no/such"},
		{name: "leaves a child", start: Start{Cmd: []byte("sleep 60 & exit 0")}, state: Succeeded,
			check: func(t *testing.T, f Facts) { require.Less(t, f.Elapsed, 50*time.Second) }},
		{name: "nothing private leaks", start: Start{Cmd: []byte(`set | grep ^_sl; echo "$-" | grep -q f && echo noglob; exit 0`)}, state: Succeeded},
		{name: "no signal ignored", start: Start{Cmd: []byte(`exec grep SigIgn /proc/self/status`)}, state: Succeeded, out: ignored(h.t)},
		{name: "umask", start: Start{Cmd: []byte("umask | tail -c 4")}, state: Succeeded, out: "022\n"},
		{name: "own session", start: Start{Cmd: []byte(`read -r l </proc/$$/stat; l=${l##*) }; set -- $l; [ $3 = $$ ] && [ $4 = $$ ]`)}, state: Succeeded},
		{name: "cookie", start: Start{Cmd: []byte(`echo ${STARLING_JOB%.*}`)}, state: Succeeded},
		{name: "cuts its output", start: Start{Cmd: []byte("echo 12345678; : >\"$OUT\"; echo 9"), Env: map[string]string{}}, state: Succeeded},
	}...)
}

// ignored is what a plain child of the test says of the signals it ignores: whoever runs the tests may have some
// ignored, and a job must not have more.
func ignored(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
	require.NoError(t, err)
	return string(out)
}

func TestJobs(t *testing.T) {
	for _, s := range hostShells {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, shell(t, s.program, s.pkg))
			h.env = []string{"_slat=leak", "_slid=leak", "_slcd=leak", "_slz=leak", "TIME_STYLE=full-iso", "CDPATH=/usr"}
			require.NoError(t, os.Mkdir(h.home+"/it's a-dir", 0o755))
			c := h.open()
			rows := scenarios(h)
			ids := make([]string, len(rows))
			for i, row := range rows {
				ids[i] = newID()
				s := row.start
				s.Base, s.ID = h.base, ids[i]
				if row.name == "cuts its output" {
					s.Env["OUT"] = h.base + "/v1/" + s.ID + "/out"
				}
				got := c.start(s)
				require.Equal(t, StartStarted, got.Outcome, "%s: %s", row.name, got.Reason)
				require.Greater(t, got.Token.Pid, 1)
			}
			for i, row := range rows {
				t.Run(row.name, func(t *testing.T) {
					st, detail, f := c.await(h.base, ids[i])
					require.Equal(t, row.state, st, "%s: %s%s", detail, f.Out.Data, f.Err.Data)
					require.Contains(t, append(row.codes, 0)[:max(1, len(row.codes))], f.ExitCode)
					require.Contains(t, string(f.Err.Data), row.errPart)
					if row.errPart == "" {
						require.Empty(t, string(f.Err.Data))
					}
					switch row.name {
					case "cookie":
						require.Equal(t, ids[i]+"\n", string(f.Out.Data))
					case "cuts its output":
						require.Equal(t, "9\n", string(f.Out.Data))
					default:
						require.True(t, bytes.Equal([]byte(row.out), f.Out.Data), "want %.200q got %.200q", row.out, f.Out.Data)
					}
					if row.check != nil {
						row.check(t, f)
					}
					require.NotZero(t, f.EndEpoch)
				})
			}
			waitGone(t, ids...)
			for _, id := range ids { // of command, environment and input nothing stays
				entries, err := os.ReadDir(h.base + "/v1/" + id)
				require.NoError(t, err)
				for _, e := range entries {
					info, err := e.Info()
					require.NoError(t, err)
					require.Zero(t, info.Mode().Perm()&0o077, e.Name())
					require.False(t, strings.HasPrefix(e.Name(), "a."), e.Name())
				}
			}
		})
	}
}

// waitGone kills what the jobs left, and waits for their supervisors to finish.
func waitGone(t testing.TB, ids ...string) {
	t.Helper()
	for _, pid := range withEnviron("STARLING_JOB=", ids) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	require.Eventually(t, func() bool { return len(supervisors(ids...)) == 0 }, 20*time.Second, 20*time.Millisecond)
}

// living calls f for every process that is no zombie.
func living(f func(pid int)) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if i := bytes.LastIndex(stat, []byte(") ")); i < 0 || bytes.ContainsAny(stat[i+2:i+3], "ZX") {
			continue
		}
		f(pid)
	}
}

// tree is the living processes with the job's cookie.
func tree(id string) []int { return withEnviron("STARLING_JOB=", []string{id}) }

func withEnviron(prefix string, ids []string) (pids []int) {
	living(func(pid int) {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		for _, id := range ids {
			if bytes.Contains(env, []byte(prefix+id)) {
				pids = append(pids, pid)
				return
			}
		}
	})
	return pids
}

// supervisors is the living processes that run the jobs' supervisor text.
func supervisors(ids ...string) (pids []int) {
	living(func(pid int) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !bytes.Contains(line, []byte("/sup\x00")) {
			return
		}
		for _, id := range ids {
			if bytes.Contains(line, []byte(id)) {
				pids = append(pids, pid)
				return
			}
		}
	})
	return pids
}
