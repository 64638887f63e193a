package interp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func TestBatches(t *testing.T) {
	for _, row := range []struct {
		serial string
		hosts  int
		want   string // sizes, or the error
	}{
		{"None", 5, "[5]"}, {"None", 0, "[1]"}, {"2", 5, "[2]"}, {`"50%"`, 10, "[5]"}, {`"1%"`, 10, "[1]"}, {`"100%"`, 3, "[3]"},
		{`[1, 5, "50%"]`, 10, "[1 5 5]"}, {"[]", 5, "serial: got an empty list"}, {"0", 5, "serial: got 0, want at least 1"},
		{"-1", 5, "serial: got -1"}, {`"x%"`, 5, "serial: got \"x%\""}, {`"101%"`, 5, "serial: got \"101%\""}, {"1.5", 5, "serial: got 1.5"},
		{`"5"`, 5, "serial: got \"5\""},
	} {
		t.Run(row.serial, func(t *testing.T) {
			v, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "x", row.serial, nil)
			require.NoError(t, err)
			sizes, err := batches(v, row.hosts)
			if err != nil {
				require.Contains(t, err.Error(), row.want)
				return
			}
			require.Equal(t, row.want, fmt.Sprint(sizes))
		})
	}
}

func TestEach(t *testing.T) {
	s := newStage(t)
	for _, row := range []struct{ name, source, fails, says string }{
		{"in the order of the hosts", `
def main():
    print([o.value for o in each(["c", "a", "b"], lambda h: h.name + "!")])`, "", `["c!", "a!", "b!"]`},
		{"one more than may fail", `
def work(h):
    if h.name != "a":
        fail("not", h.name)
def main():
    each(["a", "b", "c"], work, max_fail=1)`, "each: 2 of 3 hosts failed, and max_fail is 1\nb: fail: not b\nc: fail: not c", ""},
		{"as many as may fail", `
def work(h):
    if h.name != "a":
        fail("not", h.name)
def main():
    print([(o.host, o.ok, o.error.msg if o.error else None) for o in each(["a", "b"], work, max_fail="50%")])`, "",
			`[("a", True, None), ("b", False, "fail: not b")]`},
		{"no batch after one that failed", `
def work(h):
    print("at", h.name)
    fail()
def main():
    each(["a", "b", "c"], work, serial=1)`, "1 of 3 hosts failed, and max_fail is 0; 2 were not begun", "at a"},
		{"a host named twice", `
def main():
    print([o.host for o in each(["b", "a", "b"], lambda h: None)])`, "", `["b", "a"]`},
		{"batches that grow", `
def work(h):
    if h.name == "h9":
        fail()
def main():
    each(["h%d" % n for n in range(20)], work, serial=[1, 3, "25%"])`, "1 of 20 hosts failed, and max_fail is 0; 6 were not begun", ""},
		{"the last size of batches again", `
def work(h):
    if h.name == "h5":
        fail()
def main():
    each(["h%d" % n for n in range(20)], work, serial=[1, 2])`, "1 of 20 hosts failed, and max_fail is 0; 13 were not begun", ""},
		{"no host is known", `
def main():
    each(["a", "nobody"], lambda h: print("at", h.name))`, "each: no host nobody", ""},
		{"in one another", `
def main():
    print([o.value for o in each(["a"], lambda h: [p.value for p in each(["b"], lambda h: host().name)] + [host().name])])`, "", `[["b", "a"]]`},
		{"not from the top level", `each(["a"], lambda h: None)`, "each: not from the top level", ""},
		{"not through a function called there", "def work():\n    each([\"a\"], lambda h: None)\nwork()", "each: not from the top level", ""},
		{"a host that is being changed", `
def main():
    each(["a"], lambda h: h.vars.update(x=1))`, "frozen", ""},
		{"a list that is being changed", `
def main():
    all = ["a", "b"]
    each(all, lambda h: all.append("c"))`, "frozen", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.events = nil
			out := s.execute(t.Context(), s.script(row.source, nil))
			if row.fails != "" {
				require.ErrorContains(t, out.Err, row.fails)
			} else {
				require.NoError(t, out.Err)
			}
			said := strings.Join(s.lines(), "\n")
			require.Contains(t, said, row.says)
			if row.says == "" {
				require.Empty(t, said)
			}
		})
	}
}

// Two hundred threads that change what they should not: an error each, and nothing for the race detector.
func TestEachIsFrozen(t *testing.T) {
	s := newStage(t)
	out := s.execute(t.Context(), s.script(`
shared = {"n": 0}
seen = []

def work(h):
    ok, _, error = attempt(lambda: seen.append(h.name))
    if ok or "frozen" not in error.msg:
        fail("appended")
    shared["n"] += 1

def main():
    out = each(["h%d" % n for n in range(200)], work, max_fail=200)
    print(len([o for o in out if not o.ok and "frozen" in o.error.msg]))
`, nil))
	require.NoError(t, out.Err)
	require.Equal(t, []string{"200"}, s.lines())
}
