package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var small = Spec{
	Name:    "wait",
	Summary: "Wait until all jobs have ended",
	Params: []Param{
		{Name: "jobs", Type: Jobs, Required: true, Positional: true, Doc: "What to wait | look for."},
		{Name: "state", Type: String, Default: `"a"`, Choices: []string{"a", "b"}, Doc: "M" + strings.TrimSpace(strings.Repeat("any words m", 12)) + "."},
	},
	Returns: "The Results.",
	Fails:   "When a job failed.",
	Example: "j = run(\"x\", async=5)\n\nwait(j)\n",
}

func TestHelp(t *testing.T) {
	require.Equal(t, `wait(jobs, *, state="a")

Wait until all jobs have ended

  jobs: job id, Result or a list of these; required
      What to wait | look for.
  state: string; default "a"; one of a, b
      Many words many words many words many words many words many words many words many words
      many words many words many words many words m.

Returns: The Results.
Fails: When a job failed.

Example:

    j = run("x", async=5)

    wait(j)
`, small.Help())
}

func TestMarkdown(t *testing.T) {
	require.Equal(t, "## wait\n\n```python\nwait(jobs, *, state=\"a\")\n```\n\nWait until all jobs have ended\n\n"+
		"| parameter | type | default | |\n|---|---|---|---|\n"+
		"| `jobs` | job id, Result or a list of these | required | What to wait \\| look for. |\n"+
		"| `state` | string | `\"a\"` | "+small.Params[1].Doc+" One of `a`, `b`. |\n"+
		"\n**Returns** The Results.\n\n**Fails** When a job failed.\n\n"+
		"```python\nj = run(\"x\", async=5)\n\nwait(j)\n```\n", small.Markdown())
}

func TestSignature(t *testing.T) {
	key := Param{Name: "key", Default: "0", Type: Int}
	first := Param{Name: "fn", Required: true, Positional: true, Type: Callable}
	rows := []struct {
		name string
		s    Spec
		want string
	}{
		{"nothing", Spec{Name: "f"}, "f()"},
		{"positional", Spec{Name: "f", Params: []Param{first}}, "f(fn)"},
		{"keyword-only", Spec{Name: "f", Params: []Param{key}}, "f(*, key=0)"},
		{"both", Spec{Name: "f", Params: []Param{first, key}}, "f(fn, *, key=0)"},
		{"variadic", Spec{Name: "f", Variadic: true, Params: []Param{first}}, "f(fn, *args, **kwargs)"},
		{"variadic with a keyword", Spec{Name: "f", Variadic: true, Params: []Param{first, key}}, "f(fn, *args, key=0, **kwargs)"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, row.s.Signature()) })
	}
}

func TestEveryTypeHasAName(t *testing.T) {
	for typ := String; typ <= Any; typ++ {
		require.NotEqual(t, "invalid type", typ.String())
	}
	require.Equal(t, "invalid type", Type(0).String())
}

func TestValidate(t *testing.T) {
	require.NoError(t, all.Validate(nil))
	require.NoError(t, attempt.Validate(func(string) error { return nil }))
	// Each row spoils a sound Spec in one way.
	rows := []struct {
		name  string
		spoil func(s *Spec)
		want  string
	}{
		{"a bad name", func(s *Spec) { s.Name = "Wait"; s.Example = "Wait()" }, `"Wait" is no name of a builtin`},
		{"no summary", func(s *Spec) { s.Summary = "" }, "wait: summary"},
		{"a summary of two lines", func(s *Spec) { s.Summary = "A\nb" }, "wait: summary"},
		{"no returns", func(s *Spec) { s.Returns = "" }, "wait: returns"},
		{"fails without a capital", func(s *Spec) { s.Fails = "when" }, "wait: fails"},
		{"no example", func(s *Spec) { s.Example = " " }, "wait: there is no example"},
		{"an example of something else", func(s *Spec) { s.Example = "run()" }, "the example does not use it"},
		{"a parameter without doc", func(s *Spec) { s.Params[1].Doc = "" }, "parameter state: doc must be a sentence"},
		{"a parameter without a type", func(s *Spec) { s.Params[1].Type = 0 }, "parameter state: it has no type"},
		{"a default of another type", func(s *Spec) { s.Params[1].Default = "5" }, "parameter state: default 5: for parameter state: got int, want string"},
		{"a default that is no choice", func(s *Spec) { s.Params[1].Default = `"c"` }, `default "c": for parameter state: got "c", want one of a, b`},
		{"a default that does not parse", func(s *Spec) { s.Params[1].Default = "[" }, "parameter state: default ["},
		{"no default", func(s *Spec) { s.Params[1].Default = "" }, "either a default or to be required"},
		{"a default and required", func(s *Spec) { s.Params[0].Default = "None" }, "either a default or to be required"},
		{"a name twice", func(s *Spec) { s.Params[1].Name = "jobs" }, "parameter jobs is there twice"},
		{"a bad parameter name", func(s *Spec) { s.Params[1].Name = "a-b" }, `"a-b" is no name`},
		{"positional behind keyword-only", func(s *Spec) { s.Params[0].Positional = false; s.Params[1].Positional = true }, "parameter state is positional, but the one before it is not"},
		{"choices of an int", func(s *Spec) { s.Params[1].Type, s.Params[1].Default = Int, "0" }, "only a string has choices"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := small
			s.Params = append([]Param{}, small.Params...)
			require.NoError(t, s.Validate(nil))
			row.spoil(&s)
			require.ErrorContains(t, s.Validate(nil), row.want)
		})
	}
	t.Run("an example that does not parse", func(t *testing.T) {
		err := small.Validate(func(src string) error {
			require.Equal(t, small.Example, src)
			return errors.New("no")
		})
		require.EqualError(t, err, "wait: example: no")
	})
	t.Run("all faults at once", func(t *testing.T) {
		s := small
		s.Summary, s.Returns = "", ""
		require.Len(t, strings.Split(s.Validate(nil).Error(), "\n"), 2)
	})
}
