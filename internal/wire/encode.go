package wire

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrRequest is wrapped by what Encode returns for a request that can't be
// put into the protocol; nothing of it was sent.
var ErrRequest = errors.New("request refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("wire: %w: "+format, append([]any{ErrRequest}, args...)...)
}

// lookGroup is how many jobs one listing on the host covers; it keeps command
// lines there short.
const lookGroup = 50

type builder struct {
	text    strings.Builder
	payload []byte
	attach  bool
}

func (b *builder) line(format string, args ...any) { fmt.Fprintf(&b.text, format+"\n", args...) }

// Encode returns the bytes of one request. seq is 1 or more and grows by one
// per request on a channel. The error wraps ErrRequest.
func Encode(nonce string, seq int, r Request) ([]byte, error) {
	if !ValidNonce(nonce) {
		return nil, refuse("bad nonce")
	}
	if seq < 1 {
		return nil, refuse("bad sequence number %d", seq)
	}
	var b builder
	if err := r.encode(&b); err != nil {
		return nil, err
	}
	mode := "r"
	if b.attach {
		mode = "x"
	}
	out := fmt.Appendf(nil, "%s %d %d %s\n%s", nonce, seq, b.text.Len(), mode, b.text.String())
	return append(out, b.payload...), nil
}

func (Ping) encode(b *builder) error { b.line("_sl_pong"); return nil }
func (Boot) encode(b *builder) error { b.line("_sl_who"); return nil }

func (r Probe) encode(b *builder) error {
	if r.Base != "" {
		if err := checkBase(r.Base); err != nil {
			return err
		}
	}
	b.line("_sl_probe %s", ascii(r.Base))
	return nil
}

func (r Start) encode(b *builder) error {
	if err := errors.Join(checkBase(r.Base), checkID(r.ID), checkNonce(r.Attempt)); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "system", "user"}, r.Scope) {
		return refuse("unknown scope %q", r.Scope)
	}
	if r.Limit < 0 {
		return refuse("negative limit")
	}
	cmd, err := command(r.Cmd, r.Argv)
	if err != nil {
		return err
	}
	env, err := exports(r.Env)
	if err != nil {
		return err
	}
	dir, err := chdir(r.Chdir)
	if err != nil {
		return err
	}
	if dir != "" {
		env = "_slcd=" + raw(dir) + "\n" + env
	}
	b.line("_sl_start %s %s %s %d %d %s %d %d %d", ascii(r.Base), r.ID, r.Attempt,
		ceilMs(r.Limit), graceMs(r.Grace), ascii(r.Scope), len(cmd), len(env), len(r.Stdin))
	b.payload = slices.Concat(cmd, []byte(env), r.Stdin)
	return nil
}

func (r Look) encode(b *builder) error {
	var wait strings.Builder
	for _, j := range r.Jobs {
		if err := errors.Join(checkBase(j.Base), checkID(j.ID)); err != nil {
			return err
		}
		if !j.Settled {
			fmt.Fprintf(&wait, " %s/v1/%s", ascii(j.Base), j.ID)
		}
	}
	if ms := ceilMs(r.Wait); ms > 0 && wait.Len() > 0 {
		b.line("_sl_wait %d%s", ms, wait.String())
	}
	b.line("_sl_who")
	for jobs := r.Jobs; len(jobs) > 0; {
		n := 1
		for n < len(jobs) && n < lookGroup && jobs[n].Base == jobs[0].Base {
			n++
		}
		var ids strings.Builder
		var windows []string
		for _, j := range jobs[:n] {
			ids.WriteString(" " + j.ID)
			windows = append(append(windows, j.Out.spec(j.ID+"/out")...), j.Err.spec(j.ID+"/err")...)
		}
		slices.Sort(windows) // as ls sorts the files; the host goes through both side by side
		b.line("_sl_look %s '%s'%s", ascii(jobs[0].Base), strings.Join(windows, " "), ids.String())
		jobs = jobs[n:]
	}
	return nil
}

// spec is none or one.
func (w Window) spec(name string) []string {
	most := min(max(w.Max, 0), MaxWindow)
	final := min(max(w.Final, most), MaxWindow)
	if final == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s:%d:%d:%d", name, max(w.Offset, -1), most, final)}
}

func (r Kill) encode(b *builder) error {
	if err := errors.Join(checkBase(r.Base), checkID(r.ID), checkNonce(r.Nonce)); err != nil {
		return err
	}
	why := r.Why
	switch why {
	case "":
		why = "cancel"
	case "cancel", "timeout":
	default:
		return refuse("unknown cause %q", why)
	}
	b.line("_sl_killjob %s %s %s %d %s", ascii(r.Base), r.ID, r.Nonce, graceMs(r.Grace), why)
	return nil
}

func (r Clean) encode(b *builder) error {
	if err := checkBase(r.Base); err != nil {
		return err
	}
	force := "''"
	if r.Force {
		force = "force"
	}
	for _, id := range r.IDs {
		if err := checkID(id); err != nil {
			return err
		}
	}
	b.line("_sl_clean %s %s %s", ascii(r.Base), force, strings.Join(r.IDs, " "))
	return nil
}

func (r List) encode(b *builder) error {
	if err := checkBase(r.Base); err != nil {
		return err
	}
	b.line("_sl_list %s", ascii(r.Base))
	return nil
}

func (r Shell) encode(b *builder) error {
	if err := checkNonce(r.Cookie); err != nil {
		return err
	}
	cmd, err := command(r.Cmd, r.Argv)
	if err != nil {
		return err
	}
	env, err := exports(r.Env)
	if err != nil {
		return err
	}
	dir, err := chdir(r.Chdir)
	if err != nil {
		return err
	}
	// What the command must not see goes first, within the text itself.
	head := privates() + "set --;export STARLING_JOB=" + r.Cookie + ";"
	head += `cd "${HOME:-/}" 2>/dev/null||cd /||exit 126;` // where a job runs, too
	if dir != "" {
		head += "cd " + raw(dir) + "||exit 126;"
	}
	b.attach = true
	b.line("_sl_mark")
	b.line("_slx=%s", ascii(head+env+string(cmd)))
	return nil
}

func (r KillTree) encode(b *builder) error {
	if err := checkNonce(r.Cookie); err != nil {
		return err
	}
	if r.Pid < 2 {
		return refuse("bad process number %d", r.Pid)
	}
	b.line("_sl_killtree %s %d %s %d", r.Cookie, r.Pid, ascii(r.Start), graceMs(r.Grace))
	return nil
}

func (r Reboot) encode(b *builder) error {
	if err := errors.Join(checkBase(r.Base), checkNonce(r.Nonce)); err != nil {
		return err
	}
	if strings.ContainsRune(r.Command+r.Message, 0) {
		return refuse("a NUL in the command")
	}
	cmd := r.Command
	if cmd == "" {
		cmd = "m=" + raw(r.Message) + `
PATH=$PATH:/sbin:/usr/sbin:/usr/local/sbin
if command -v shutdown >/dev/null 2>&1; then shutdown -r now ${m:+"$m"}
elif command -v reboot >/dev/null 2>&1; then reboot
elif command -v systemctl >/dev/null 2>&1; then systemctl reboot
else busybox reboot; fi`
	}
	b.line("_slcmd=%s", ascii(cmd))
	b.line("_sl_reboot %s %s %d", ascii(r.Base), r.Nonce, max(1, (r.Delay+time.Second-1)/time.Second))
	return nil
}

func (r RebootStatus) encode(b *builder) error {
	if err := errors.Join(checkBase(r.Base), checkNonce(r.Nonce)); err != nil {
		return err
	}
	b.line("_sl_rebooted %s %s", ascii(r.Base), r.Nonce)
	return nil
}

func checkBase(base string) error {
	if !strings.HasPrefix(base, "/") || strings.ContainsAny(base, "\x00\n") {
		return refuse("the base directory must be an absolute path, not %q", base)
	}
	return nil
}

func checkID(id string) error {
	if !ValidID(id) {
		return refuse("bad job id %q", id)
	}
	return nil
}

func checkNonce(s string) error {
	if !ValidNonce(s) {
		return refuse("bad nonce %q", s)
	}
	return nil
}

// command is the text of the script that runs it.
func command(cmd []byte, argv []string) ([]byte, error) {
	if argv != nil {
		if len(argv) == 0 || argv[0] == "" {
			return nil, refuse("an argument vector without a program")
		}
		words := make([]string, len(argv))
		for i, a := range argv {
			words[i] = raw(a)
		}
		cmd = []byte("exec " + strings.Join(words, " ") + "\n")
	}
	if bytes.IndexByte(cmd, 0) >= 0 {
		return nil, refuse("a NUL in the command")
	}
	return cmd, nil
}

func exports(env map[string]string) (string, error) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !nameForm.MatchString(name) || strings.HasPrefix(name, "_sl") {
			return "", refuse("%q can't name a variable", name)
		}
		if strings.ContainsRune(env[name], 0) {
			return "", refuse("a NUL in the variable %s", name)
		}
		b.WriteString("export " + name + "=" + raw(env[name]) + "\n")
	}
	return b.String(), nil
}

// chdir keeps cd from reading a name as an option, as "-" or along CDPATH.
func chdir(dir string) (string, error) {
	if strings.ContainsRune(dir, 0) {
		return "", refuse("a NUL in the directory")
	}
	switch rest, home := strings.CutPrefix(dir, "~/"); {
	case dir == "" || dir == "~":
		return "", nil
	case home:
		return "./" + rest, nil
	case strings.HasPrefix(dir, "/"):
		return dir, nil
	}
	return "./" + dir, nil
}

func ceilMs(d time.Duration) int64 {
	return int64((max(d, 0) + time.Millisecond - 1) / time.Millisecond)
}

func graceMs(d time.Duration) int64 {
	switch {
	case d == 0:
		return DefaultGrace.Milliseconds()
	case d < 0:
		return -1
	}
	return ceilMs(d)
}
