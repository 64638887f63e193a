package builtins_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/event"
	"starling/internal/sshdtest"
	"starling/internal/transport"
)

// filesBench is a bench on one real sshd, and the home of its user.
func filesBench(t *testing.T) (*bench, string) {
	server := sshdtest.Start(t, sshdtest.Options{})
	return newBench(t, []transport.Target{{Name: "web1", ConfigFile: server.ConfigFile}}), server.Home
}

// diffs are the differences that a run showed.
func (s *said) diffs() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind == event.Diff {
			out = append(out, e.Host+"|"+e.Msg)
		}
	}
	return out
}

// listing is every file below dir with its mode, time and content.
func listing(t *testing.T, dir string) string {
	var out strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&out, path, info.Mode(), info.ModTime())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%q\n", text)
		}
		return nil
	}))
	return out.String()
}

// A file of several megabytes, of every byte there is, arrives whole, and nothing is left beside it.
func TestCopyIsExact(t *testing.T) {
	b, home := filesBench(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	big := bytes.Repeat(all, 12_000)
	src := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(src, big, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(home, "new"), 0o700))
	script := fmt.Sprintf("copy(%q, 'new/big', mode='0444')\nif copy(%q, 'new/big').changed: fail('again')\n", src, src)
	script = "def main():\n  " + strings.ReplaceAll(strings.TrimSpace(script), "\n", "\n  ") + "\n"
	_, _, err := b.run(t, t.Context(), "s.star", script, "web1")
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(home, "new/big"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, got))
	info, err := os.Stat(filepath.Join(home, "new/big"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o444), info.Mode())
	entries, err := os.ReadDir(filepath.Join(home, "new"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// What a dry run says is what a run then does, and it leaves everything as it was.
func TestCopyInADryRun(t *testing.T) {
	b, home := filesBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(home, "conf"), []byte("a\nb\n"), 0o644))
	require.NoError(t, os.Chmod(filepath.Join(home, "conf"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(home, "data"), []byte("a\x00"), 0o644))
	const calls = `
rs = [
    copy(content="a\nB\n", dest="conf"),
    copy(content="a\nB\n", dest="conf", mode="0600"),
    copy(content="n\n", dest="fresh"),
    copy(content=b"\x00\x01\x02", dest="data", backup=True),
    copy(content="".join(["line %d\n" % i for i in range(1000)]), dest="long"),
]
`
	b.check, b.diff = true, true
	// The first call makes whatever a first call makes on a host; a dry run of it would too.
	_, _, err := b.run(t, t.Context(), "warm.star", `ping()`, "web1")
	require.NoError(t, err)
	before := listing(t, home)
	dry, _, err := b.run(t, t.Context(), "s.star", calls+`
for r, msg in zip(rs, ["would write 4 bytes", "would write 4 bytes, set mode 0600", "would write 2 bytes", "would write 3 bytes", "would write 8890 bytes"]):
    if [r.state, r.changed, r.msg] != ["skipped", True, msg]: fail(r)
r = copy(content="a\nb\n", dest="conf", mode="0644")
if [r.state, r.changed, r.msg] != ["succeeded", False, "unchanged"]: fail(r)
r = copy(content="a\nb\n", dest="conf", mode="0600")
if [r.state, r.changed, r.msg] != ["skipped", True, "would set mode 0600"]: fail(r)
if not copy(content="x", dest=".", ignore_errors=True).failed: fail("a folder")
`, "web1")
	require.NoError(t, err)
	require.Equal(t, before, listing(t, home))

	const conf = "--- conf\n+++ conf\n@@ -1,2 +1,2 @@\n a\n-b\n+B"
	diffs := dry.diffs()
	require.Len(t, diffs, 6)
	require.Equal(t, "web1|"+conf, diffs[0])
	require.Equal(t, "web1|conf: mode 644 becomes 0600\n"+conf, diffs[1])
	require.Equal(t, "web1|--- /dev/null\n+++ fresh\n@@ -0,0 +1 @@\n+n", diffs[2])
	require.Equal(t, "web1|data: 2 bytes become 3", diffs[3])
	require.Len(t, strings.Split(diffs[4], "\n"), 201)
	require.True(t, strings.HasSuffix(diffs[4], "… (803 more lines)"), diffs[4])
	require.Equal(t, "web1|conf: mode 644 becomes 0600", diffs[5])

	// A run says the same of what it does, the second call apart: the first has written the bytes by then.
	b.check = false
	wet, _, err := b.run(t, t.Context(), "s.star", calls, "web1")
	require.NoError(t, err)
	diffs[1] = "web1|conf: mode 644 becomes 0600"
	require.Equal(t, diffs[:5], wet.diffs())
	text, err := os.ReadFile(filepath.Join(home, "conf"))
	require.NoError(t, err)
	require.Equal(t, "a\nB\n", string(text))

	// Without --diff nothing is shown.
	b.diff = false
	quiet, _, err := b.run(t, t.Context(), "s.star", `copy(content="other", dest="conf")`, "web1")
	require.NoError(t, err)
	require.Empty(t, quiet.diffs())
}
