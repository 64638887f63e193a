package wire

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBecomeIsChecked(t *testing.T) {
	for _, row := range []struct {
		name string
		b    Become
		want string // "": good
	}{
		{"the login user", Become{}, ""},
		{"sudo to root", Become{Method: "sudo"}, ""},
		{"a user alone", Become{User: "www-data"}, ""},
		{"of a directory", Become{Method: "su", User: "ann.lee@example.com"}, ""},
		{"a method of others", Become{Method: "pbrun", User: "root"}, "sudo, doas, su"},
		{"an option", Become{User: "-u"}, "no name"},
		{"a shell's text", Become{User: "a;reboot"}, "no name"},
		{"a quote", Become{User: "a'b"}, "no name"},
		{"a blank", Become{User: "a b"}, "no name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := row.b.Line(Lines()[0], nonce(), true)
			if row.want == "" {
				require.Empty(t, row.b.Problem())
				require.NoError(t, err)
				return
			}
			require.Contains(t, row.b.Problem(), row.want)
			require.ErrorIs(t, err, ErrRequest)
		})
	}
	line, err := Become{}.Line(Lines()[0], nonce(), true)
	require.NoError(t, err)
	require.Equal(t, Lines()[0], line)
	_, err = Become{User: "u"}.Line("rm -rf /", nonce(), true)
	require.ErrorIs(t, err, ErrRequest)
	_, err = Become{User: "u"}.Line(Lines()[0], "short", true)
	require.ErrorIs(t, err, ErrRequest)
	require.Equal(t, Become{Method: "sudo", User: "root"}, Become{Method: "sudo"}.Full())
}

// The line is as dull as the one of a plain channel: it has a quote at the ends of its three words only.
func TestBecomeLinesAreDull(t *testing.T) {
	for _, method := range BecomeMethods() {
		for _, plain := range Lines() {
			line, err := Become{Method: method, User: "db"}.Line(plain, nonce(), true)
			require.NoError(t, err)
			require.False(t, strings.ContainsAny(line, "!\n\\`"), line)
			require.Equal(t, 4, strings.Count(line, "'"), line)
		}
	}
}

// standIn is a sudo, doas and su that let everybody be anybody, as dumb as can be. It asks for the password "right"
// when ASKS is set.
const standIn = `
log="$0 $*"
prompt=Password:
case ${0##*/} in
su)
	while [ $# -gt 0 ]; do case $1 in -s) shift 2;; -c) text=$2; shift 2;; *) break;; esac; done
	user=$1; shift; set -- /bin/sh -c "$text" "$@";;
*)
	while [ "$1" != -- ]; do case $1 in -p) prompt=$2;; -u) user=$2;; esac; shift; done
	shift;;
esac
echo "$user" >>"$HOME/users"
if [ -n "$ASKS" ]; then
	printf %s "$prompt" >&2
	IFS= read -r given
	[ "$given" = right ] || { echo "wrong: $given" >&2; exit 1; }
fi
exec "$@"
`

// Under each login shell each method leads to the shell of BOOT, with the login's locale.
func TestBecomeUnderLoginShells(t *testing.T) {
	for _, login := range [][]string{{"dash", "-c"}, {"bash", "-c"}, {"bash", "-r", "-c"}, {"zsh", "-c"}, {"fish", "-c"}, {"tcsh", "-c"},
		{"mksh", "-c"}, {"ksh93", "-c"}, {"yash", "-c"}, {"busybox", "sh", "-c"}} {
		for _, method := range BecomeMethods() {
			for _, asks := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s %t", strings.Join(login, " "), method, asks), func(t *testing.T) {
					if _, err := exec.LookPath(login[0]); err != nil {
						t.Fatalf("%s is missing: .ci/tools installs it", login[0])
					}
					h := newHost(t, shell(t, "dash", "dash"))
					h.fakes(map[string]string{"sudo": standIn, "doas": standIn, "su": standIn})
					b := Become{Method: method, User: "db"}
					asks := asks && b.ReadsInput(true)
					gate, inner := nonce(), nonce()
					plain := Lines()[0]
					if login[1] == "-r" {
						plain = Lines()[2]
					}
					line, err := b.Line(plain, gate, asks)
					require.NoError(t, err)
					script, err := Encode(inner, 1, Shell{Cookie: nonce(), Cmd: []byte(`printf '%s|' "$LC_ALL" "${LANG-}"; echo err >&2; cat`)})
					require.NoError(t, err)
					input := append(append(Open(inner), script...), "the input"...)
					events := make(chan EntranceEvent, 8)
					var out, errs bytes.Buffer
					streams := NewShellStreams(inner, &out, &errs, nil)
					e := NewEntrance(b, gate, streams.Stdout(), streams.Stderr(), func(ev EntranceEvent) { events <- ev })
					cmd := exec.Command(login[0], append(login[1:], line)...)
					cmd.Dir, cmd.Env = h.home, append(h.command().Env, "LC_ALL=C.UTF-8", "LOGNAME=me")
					cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), e.Stdout(), e.Stderr()
					if !asks {
						require.NoError(t, cmd.Run(), "%s %s", e.Said(), e.Noise())
					} else {
						cmd.Env, cmd.Stdin = append(cmd.Env, "ASKS=1"), nil
						in, err := cmd.StdinPipe()
						require.NoError(t, err)
						require.NoError(t, cmd.Start())
						watch := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
						require.Equal(t, EntrancePrompt, <-events)
						_, err = io.WriteString(in, "right\n")
						require.NoError(t, err)
						ready := <-events
						_, err = in.Write(input)
						require.NoError(t, err)
						require.NoError(t, in.Close())
						require.NoError(t, cmd.Wait(), "%s %s", e.Said(), e.Noise())
						watch.Stop()
						events <- ready
					}
					require.True(t, e.Ready())
					require.Equal(t, EntranceReady, <-events)
					require.Empty(t, events)
					require.Equal(t, "C.UTF-8||the input", out.String())
					require.Equal(t, "err\n", errs.String())
					users, err := os.ReadFile(h.home + "/users")
					require.NoError(t, err)
					require.Equal(t, "db\n", string(users))
				})
			}
		}
	}
}

func TestBecomeWithoutTheProgram(t *testing.T) {
	e := NewEntrance(Become{User: "db"}, nonce(), nil, nil, func(EntranceEvent) {})
	line, err := Become{User: "db"}.Line(Lines()[0], e.nonce, false)
	require.NoError(t, err)
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env = []string{"PATH=" + t.TempDir()}
	cmd.Stdout, cmd.Stderr = e.Stdout(), e.Stderr()
	require.Error(t, cmd.Run())
	require.True(t, e.Began())
	require.True(t, e.None())
	require.False(t, e.Ready())
}

// However the streams are cut, the same is read from them.
func TestEntranceReadsAnyCut(t *testing.T) {
	const n = "nnnnnnnnnnnnnnnnnnnnnnnn"
	for _, row := range []struct {
		name     string
		method   string
		out, err string
		prompts  int
		ready    bool
		passed   string // on standard output, then on standard error
		said     string
	}{
		{"nothing", "sudo", "", "", 0, false, "", ""},
		{"noise alone", "sudo", "Welcome\n", "bash: no job control\n", 0, false, "", ""},
		{"ready", "sudo", "motd\n\n" + n + " READY\nrest", n + " BEGIN\n", 0, true, "rest", ""},
		{"ready at once", "sudo", n + " READY\n", n + " BEGIN\n", 0, true, "", ""},
		{"noise without an end", "sudo", "x\n" + n + " READY\na\nb", "y\n" + n + " BEGIN\n", 0, true, "a\nb", ""},
		{"the marker in a line", "sudo", "x" + n + " READY\na", n + " BEGIN\n", 0, false, "", ""},
		{"one prompt", "sudo", "", "\n" + n + " BEGIN\nlecture\n" + n + ":", 1, false, "", "lecture"},
		{"wrong", "sudo", "", "\n" + n + " BEGIN\n" + n + ":Sorry, try again.\n" + n + ":", 2, false, "", "Sorry, try again."},
		{"ready on both", "sudo", n + " READY\na", n + " BEGIN\nlecture\n\n" + n + " READY\nb", 0, true, "ab", "lecture"},
		{"heard on standard error alone", "sudo", "", n + " BEGIN\n\n" + n + " READY\nb", 0, false, "b", ""},
		{"a prompt in a login file", "sudo", "", n + ":\n" + n + " BEGIN\n", 0, false, "", ""},
		{"su asks", "su", "", "\n" + n + " BEGIN\nPassword: ", 1, false, "", "Password:"},
		{"su refuses", "su", "", "\n" + n + " BEGIN\nPassword: su: Authentication failure\n", 1, false, "", "Password: su: Authentication failure"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 1 << 20} {
				prompts, ready := 0, false
				var out, errs bytes.Buffer
				e := NewEntrance(Become{Method: row.method, User: "db"}, n, &out, &errs, func(ev EntranceEvent) {
					ready = ready || ev == EntranceReady
					if ev == EntrancePrompt {
						prompts++
					}
				})
				for fd, text := range map[int]string{0: row.out, 1: row.err} {
					for len(text) > 0 {
						k := min(size, len(text))
						// A prompt waits for its answer, so nothing comes together with it.
						if i := strings.Index(text, ": "); row.method == "su" && i >= 0 && i < k {
							k = i + 2
						}
						w := []byte(text[:k])
						if fd == 0 {
							_, _ = e.Stdout().Write(w)
						} else {
							_, _ = e.Stderr().Write(w)
						}
						text = text[k:]
					}
				}
				require.Equal(t, row.ready, ready)
				require.Equal(t, row.ready, e.Ready())
				require.Equal(t, row.passed, out.String()+errs.String())
				require.Equal(t, row.said, e.Said())
				if row.name == "su refuses" && size < 7 {
					continue // its name may be taken for a prompt for a moment: it refuses all the same
				}
				require.Equal(t, row.prompts, prompts, "cut every %d", size)
			}
		})
	}
}

// What a host says without end takes no memory.
func TestEntranceIsBounded(t *testing.T) {
	for _, method := range BecomeMethods() {
		const n = "nnnnnnnnnnnnnnnnnnnnnnnn"
		e := NewEntrance(Become{Method: method, User: "db"}, n, nil, nil, func(EntranceEvent) {})
		flood := bytes.Repeat([]byte("x"), 64<<10)
		for range 32 {
			_, _ = e.Stdout().Write(flood)
			_, _ = e.Stderr().Write(flood)
		}
		_, _ = e.Stderr().Write([]byte("\n" + n + " BEGIN\n"))
		for range 32 {
			_, _ = e.Stderr().Write(flood)
		}
		require.Less(t, len(e.stdout)+len(e.stderr)+len(e.said), 64<<10)
		require.True(t, e.Began())
	}
}
