package spec

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// all has a parameter of each type.
var all = Spec{
	Name:    "run",
	Summary: "Run a command",
	Params: []Param{
		{Name: "cmd", Type: CommandLine, Required: true, Positional: true, Doc: "What to run | execute."},
		{Name: "text", Type: Text, Default: "None", Positional: true, Doc: "A text."},
		{Name: "async", Type: Ceiling, Default: "0", Doc: "The ceiling."},
		{Name: "poll", Type: Duration, Default: "15", Doc: "The time between looks."},
		{Name: "timeout", Type: OptDuration, Default: "None", Doc: "The timeout."},
		{Name: "chdir", Type: String, Default: `""`, Doc: "A folder."},
		{Name: "state", Type: String, Default: `"present"`, Choices: []string{"present", "absent"}, Doc: "The state."},
		{Name: "env", Type: Env, Default: "{}", Doc: "The variables."},
		{Name: "ok_codes", Type: Ints, Default: "[0]", Doc: "The codes."},
		{Name: "args", Type: Strings, Default: "[]", Doc: "The words."},
		{Name: "retries", Type: Int, Default: "0", Doc: "How often."},
		{Name: "share", Type: Float, Default: "0.5", Doc: "A part."},
		{Name: "become", Type: Bool, Default: "False", Doc: "Whether."},
		{Name: "check_mode", Type: OptBool, Default: "None", Doc: "Whether, or not said."},
		{Name: "job", Type: Job, Default: "None", Doc: "A job."},
		{Name: "jobs", Type: Jobs, Default: "None", Doc: "Jobs."},
		{Name: "fn", Type: Callable, Default: "None", Doc: "A function."},
		{Name: "any", Type: Any, Default: "None", Doc: "Anything."},
	},
	Returns: "A Result.",
	Fails:   "When the command fails.",
	Example: `run("make", async=1800)`,
}

var attempt = Spec{
	Name: "attempt", Summary: "Call fn", Returns: "A tuple.", Example: "attempt(f)", Variadic: true,
	Params: []Param{{Name: "fn", Type: Callable, Required: true, Positional: true, Doc: "A function."}},
}

// call unpacks the arguments of a call as a script writes it. The word async is written asynk here, and put right.
func call(t *testing.T, s *Spec, text string) (Args, error) {
	t.Helper()
	var args Args
	var failed error
	predeclared := starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		s.Name: starlark.NewBuiltin(s.Name, func(_ *starlark.Thread, _ *starlark.Builtin, pos starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			for i, kv := range kwargs {
				if kv[0] == starlark.String("asynk") {
					kwargs[i] = starlark.Tuple{starlark.String("async"), kv[1]}
				}
			}
			args, failed = s.Unpack(pos, kwargs)
			return starlark.None, nil
		}),
	}
	_, err := starlark.EvalOptions(new(syntax.FileOptions), new(starlark.Thread), "call", text, predeclared)
	require.NoError(t, err)
	return args, failed
}

func TestUnpackValues(t *testing.T) {
	rows := []struct {
		name, call string
		get        func(a Args) any
		want       any
	}{
		{"a command for the shell", `run("ls | wc")`, func(a Args) any { return a.Command("cmd") }, Command{Text: "ls | wc"}},
		{"a command without", `run(["ls", ""])`, func(a Args) any { return a.Command("cmd") }, Command{Argv: []string{"ls", ""}}},
		{"a command in a tuple", `run(("ls",))`, func(a Args) any { return a.Command("cmd") }, Command{Argv: []string{"ls"}}},
		{"by name", `run(cmd="ls")`, func(a Args) any { return a.Command("cmd").Text }, "ls"},
		{"text", `run("x", "a\0b")`, func(a Args) any { return a.Text("text") }, []byte("a\x00b")},
		{"text in bytes", `run("x", b"\xff")`, func(a Args) any { return a.Text("text") }, []byte("\xff")},
		{"no text", `run("x", None)`, func(a Args) any { return a.Text("text") }, []byte(nil)},
		{"a ceiling", `run("x", asynk=1800)`, func(a Args) any { return a.Duration("async") }, 30 * time.Minute},
		{"a ceiling in words", `run("x", asynk="2h")`, func(a Args) any { return a.Duration("async") }, 2 * time.Hour},
		{"forever", `run("x", asynk="forever")`, func(a Args) any { return a.Duration("async") }, Forever},
		{"no ceiling", `run("x")`, func(a Args) any { return a.Duration("async") }, time.Duration(0)},
		{"half a second", `run("x", poll=0.5)`, func(a Args) any { return a.Duration("poll") }, 500 * time.Millisecond},
		{"a default", `run("x")`, func(a Args) any { return a.Duration("poll") }, 15 * time.Second},
		{"a timeout", `run("x", timeout="90")`, func(a Args) any { return *a.OptDuration("timeout") }, 90 * time.Second},
		{"no timeout", `run("x", timeout=None)`, func(a Args) any { return a.OptDuration("timeout") }, (*time.Duration)(nil)},
		{"a string", `run("x", chdir="/tmp")`, func(a Args) any { return a.String("chdir") }, "/tmp"},
		{"a choice", `run("x", state="absent")`, func(a Args) any { return a.String("state") }, "absent"},
		{"variables", `run("x", env={"B": 2, "A": "=x", "_1": ""})`, func(a Args) any { return a.Env("env") }, []string{"A==x", "B=2", "_1="}},
		{"ints", `run("x", ok_codes=(0, 2))`, func(a Args) any { return a.Ints("ok_codes") }, []int{0, 2}},
		{"a default list", `run("x")`, func(a Args) any { return a.Ints("ok_codes") }, []int{0}},
		{"strings", `run("x", args=["a", ""])`, func(a Args) any { return a.Strings("args") }, []string{"a", ""}},
		{"a large int", `run("x", retries=1 << 40)`, func(a Args) any { return a.Int("retries") }, 1 << 40},
		{"a float", `run("x", share=2)`, func(a Args) any { return a.Float("share") }, 2.0},
		{"a bool", `run("x", become=True)`, func(a Args) any { return a.Bool("become") }, true},
		{"not said", `run("x")`, func(a Args) any { return a.OptBool("check_mode") }, (*bool)(nil)},
		{"said", `run("x", check_mode=False)`, func(a Args) any { return *a.OptBool("check_mode") }, false},
		{"a job id", `run("x", job="j1")`, func(a Args) any { return a.Value("job") }, starlark.String("j1")},
		{"a result", `run("x", job=struct(jid="j1"))`, func(a Args) any { return a.Value("job").Type() }, "struct"},
		{"anything", `run("x", any=1)`, func(a Args) any { return a.Value("any") }, starlark.MakeInt(1)},
		{"nothing", `run("x")`, func(a Args) any { return a.Value("any") }, starlark.None},
		{"no function", `run("x")`, func(a Args) any { return a.Callable("fn") == nil }, true},
		{"a function", `run("x", fn=len)`, func(a Args) any { return a.Callable("fn").Name() }, "len"},
		{"given", `run("x", poll=15)`, func(a Args) any { return a.Given("poll") }, true},
		{"not given", `run("x")`, func(a Args) any { return a.Given("poll") }, false},
		{"given as None", `run("x", None)`, func(a Args) any { return a.Given("text") }, true},
		{"raw", `run("x", poll="1m")`, func(a Args) any { return a.Raw("poll") }, starlark.String("1m")},
		{"not raw", `run("x")`, func(a Args) any { return a.Raw("poll") }, nil},
		{"a dict for the keywords", `run(**{"cmd": "x", "async": 1})`, func(a Args) any { return a.Duration("async") }, time.Second},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			args, err := call(t, &all, row.call)
			require.NoError(t, err)
			require.Equal(t, row.want, row.get(args))
		})
	}
}

func TestUnpackJobs(t *testing.T) {
	rows := []struct {
		name, call string
		count      int
		list       bool
	}{
		{"one", `run("x", jobs="j1")`, 1, false},
		{"a list", `run("x", jobs=["j1", struct(jid="j2")])`, 2, true},
		{"a list of one", `run("x", jobs=("j1",))`, 1, true},
		{"an empty list", `run("x", jobs=[])`, 0, true},
		{"none", `run("x")`, 0, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			args, err := call(t, &all, row.call)
			require.NoError(t, err)
			jobs, list := args.Jobs("jobs")
			require.Len(t, jobs, row.count)
			require.Equal(t, row.list, list)
		})
	}
}

func TestUnpackErrors(t *testing.T) {
	rows := []struct{ name, call, want string }{
		{"a near miss", `run("x", asink=1)`, `run: unexpected keyword argument "asink" (did you mean async?)`},
		{"in capitals", `run("x", POLL=1)`, `run: unexpected keyword argument "POLL" (did you mean poll?)`},
		{"no near miss", `run("x", frobnicate=1)`, `run: unexpected keyword argument "frobnicate"`},
		{"no seconds", `run("x", poll="x")`, `run: for parameter poll: got "x", want seconds or a string such as "90s"`},
		{"no ceiling", `run("x", asynk="for ever")`, `run: for parameter async: got "for ever", want seconds, a string such as "90s" or "forever"`},
		{"no type of seconds", `run("x", poll=[])`, `run: for parameter poll: got list, want seconds or a string such as "90s"`},
		{"None for seconds", `run("x", poll=None)`, `run: for parameter poll: got NoneType, want seconds or a string such as "90s"`},
		{"True for seconds", `run("x", poll=True)`, `run: for parameter poll: got bool, want seconds or a string such as "90s"`},
		{"negative seconds", `run("x", asynk=-5)`, `run: async must not be negative, got -5`},
		{"a negative string", `run("x", asynk="-5s")`, `run: async must not be negative, got "-5s"`},
		{"forever where there is none", `run("x", poll="forever")`, `run: for parameter poll: got "forever", want seconds or a string such as "90s"`},
		{"too long", `run("x", poll=1 << 70)`, `run: for parameter poll: 1180591620717411303424 is too long a time`},
		{"infinite", `run("x", poll=float("inf"))`, `run: for parameter poll: +inf is too long a time`},
		{"not a number", `run("x", poll=float("nan"))`, `run: for parameter poll: got nan, want seconds or a string such as "90s"`},
		{"missing", `run()`, `run: missing argument for cmd`},
		{"too many", `run("x", "y", 5)`, `run: got 3 positional arguments, want at most 2 (give async by name)`},
		{"twice", `run("x", cmd="y")`, `run: got more than one value for cmd`},
		{"twice by name", `run("x", **{"async": 1, "asynk": 1})`, `run: got more than one value for async`},
		{"an empty command", `run(" ")`, `run: cmd must not be empty`},
		{"an empty vector", `run([])`, `run: cmd must not be empty`},
		{"a vector without a program", `run(["", "x"])`, `run: for parameter cmd: the program's name must not be empty`},
		{"a number in a vector", `run(["ls", 1])`, `run: for parameter cmd: item 1 is int, want string`},
		{"a NUL byte in a command", `run("a\0")`, `run: for parameter cmd: a NUL byte cannot be sent to a host`},
		{"a NUL byte in a vector", `run(["a\0"])`, `run: for parameter cmd: a NUL byte cannot be sent to a host`},
		{"a NUL byte in a string", `run("x", chdir="\0")`, `run: for parameter chdir: a NUL byte cannot be sent to a host`},
		{"a NUL byte in a variable", `run("x", env={"A": "\0"})`, `run: for parameter env: a NUL byte cannot be sent to a host`},
		{"no command", `run(5)`, `run: for parameter cmd: got int, want string or list of strings`},
		{"a set is no list", `run("x", args=set(["a"]))`, `run: for parameter args: got set, want list of strings`},
		{"no name of a variable", `run("x", env={"A-B": "x"})`, `run: for parameter env: "A-B" is no name of a variable`},
		{"a digit first", `run("x", env={"1A": "x"})`, `run: for parameter env: "1A" is no name of a variable`},
		{"an empty name", `run("x", env={"": "x"})`, `run: for parameter env: "" is no name of a variable`},
		{"a list as a variable", `run("x", env={"A": []})`, `run: for parameter env: A is list, want string or int`},
		{"no variables", `run("x", env=[])`, `run: for parameter env: got list, want dict of names to strings`},
		{"no choice", `run("x", state="presnt")`, `run: for parameter state: got "presnt", want one of present, absent (did you mean present?)`},
		{"a float for an int", `run("x", retries=1.0)`, `run: for parameter retries: got float, want int`},
		{"too large an int", `run("x", retries=1 << 70)`, `run: for parameter retries: 1180591620717411303424 is out of range`},
		{"an infinite float", `run("x", share=float("inf"))`, `run: for parameter share: got float, want number`},
		{"an int for a bool", `run("x", become=1)`, `run: for parameter become: got int, want bool`},
		{"an int for a bool or None", `run("x", check_mode=1)`, `run: for parameter check_mode: got int, want bool or None`},
		{"no job", `run("x", job=struct(id=1))`, `run: for parameter job: got struct, want job id or Result`},
		{"no jobs", `run("x", jobs=["a", 1])`, `run: for parameter jobs: item 1 is int, want job id or Result`},
		{"no function", `run("x", fn="f")`, `run: for parameter fn: got string, want function`},
		{"a long value", `run("x", poll="` + strings.Repeat("é", 100) + `")`, `run: for parameter poll: got "` + strings.Repeat("é", 59) + `..., want seconds or a string such as "90s"`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if strings.Contains(row.call, "set(") {
				_, err := all.Unpack(starlark.Tuple{starlark.String("x")}, []starlark.Tuple{{starlark.String("args"), starlark.NewSet(1)}})
				require.EqualError(t, err, row.want)
				return
			}
			_, err := call(t, &all, row.call)
			require.EqualError(t, err, row.want)
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			require.Equal(t, "`starling doc run` shows what run takes", usage.Hint())
		})
	}
}

func TestUnpackVariadic(t *testing.T) {
	args, err := call(t, &attempt, `attempt(len, 1, 2, fn=3, other=4)`)
	require.NoError(t, err)
	require.Equal(t, "len", args.Callable("fn").Name())
	rest, kwargs := args.Rest()
	require.Equal(t, starlark.Tuple{starlark.MakeInt(1), starlark.MakeInt(2)}, rest)
	require.Equal(t, []starlark.Tuple{
		{starlark.String("fn"), starlark.MakeInt(3)}, {starlark.String("other"), starlark.MakeInt(4)},
	}, kwargs)
	_, err = call(t, &attempt, `attempt(fn=len)`)
	require.EqualError(t, err, "attempt: missing argument for fn")
}

func TestNoParameters(t *testing.T) {
	s := Spec{Name: "jobs"}
	_, err := call(t, &s, "jobs(1)")
	require.EqualError(t, err, "jobs: got 1 positional arguments, want none")
	_, err = call(t, &s, "jobs()")
	require.NoError(t, err)
}

func TestGettersPanic(t *testing.T) {
	args, err := call(t, &all, `run("x")`)
	require.NoError(t, err)
	require.PanicsWithValue(t, "spec run: no parameter nothing", func() { args.String("nothing") })
	require.PanicsWithValue(t, "spec run: parameter poll is a seconds", func() { args.String("poll") })
	require.Panics(t, func() { args.Given("nothing") })
}

func TestDefaultsAreNotShared(t *testing.T) {
	first, err := call(t, &all, `run("x")`)
	require.NoError(t, err)
	first.Ints("ok_codes")[0] = 99
	second, err := call(t, &all, `run("x")`)
	require.NoError(t, err)
	require.Equal(t, []int{0}, second.Ints("ok_codes"))
}

func TestErrorf(t *testing.T) {
	require.EqualError(t, all.Errorf("poll", "poll must not exceed %d", 5), "run: poll must not exceed 5")
}

func TestCommandString(t *testing.T) {
	rows := []struct {
		name string
		c    Command
		want string
	}{
		{"a text", Command{Text: "ls | wc"}, "ls | wc"},
		{"plain words", Command{Argv: []string{"rsync", "-a", "host:/a_b/c.d", "x=1,2+3%@"}}, "rsync -a host:/a_b/c.d x=1,2+3%@"},
		{"words to quote", Command{Argv: []string{"echo", "", "a b", "it's", "$x", "~", "é", "a\nb"}}, "echo '' 'a b' 'it'\\''s' '$x' '~' 'é' 'a\nb'"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, row.c.String()) })
	}
}

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"2d": 48 * time.Hour, "1w": 168 * time.Hour, "250ms": 250 * time.Millisecond, "1.5h": 90 * time.Minute, ".5s": 500 * time.Millisecond,
		"1d12h": 36 * time.Hour, "0s": 0,
	}
	for text, want := range good {
		got, err := ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", " ", "s", "1x", "1 s", "-1s", "+1", "1e3", "1.2.3", ".", "1h30", "forever", "inf", "NaN", "0x10", "1µs", "300000d", "1S", strings.Repeat("9", 400)} {
		_, err := ParseDuration(text)
		require.Error(t, err, text)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90s", "1h30m", "2d", "9223372036s", "106751d23h", ".5", "1.ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err == nil && (d < 0 || d == Forever) {
			t.Fatalf("%q is %v", text, d)
		}
		// What Go's own parser reads as well must come out the same, as far as a float is exact.
		if g, gErr := time.ParseDuration(text); err == nil && gErr == nil && math.Abs(float64(g-d)) > math.Max(2, float64(g)*1e-12) {
			t.Fatalf("%q is %v, want %v", text, d, g)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"async", "poll", "key", "creates"}
	for name, want := range map[string]string{"asinc": "async", "pol": "poll", "create": "creates", "kez": "key", "x": "", "zzzzzzz": "", "Async": "async", "kye": "key", "ploL": "poll"} {
		require.Equal(t, want, Nearest(name, names), name)
	}
}

func BenchmarkUnpack(b *testing.B) {
	args := starlark.Tuple{starlark.String("make")}
	kwargs := []starlark.Tuple{{starlark.String("async"), starlark.MakeInt(1800)}, {starlark.String("poll"), starlark.MakeInt(0)}}
	for b.Loop() {
		if _, err := all.Unpack(args, kwargs); err != nil {
			b.Fatal(err)
		}
	}
}

// Some defaults take a short way round the evaluator, and must come out as if they had not.
func TestDefaultValue(t *testing.T) {
	for _, text := range []string{"None", "True", "False", "[]", "{}", "0", "15", "-1", "+1", "007", "0x10", "1.5", "[0]", `""`, `"a"`, `"`, `"a`,
		`"a\n"`, `"a\"`, `"a" + "b"`, `'a'`, `()`, `"""a"""`, "\"\n\"", `"a\\"`} {
		want, wantErr := starlark.EvalOptions(new(syntax.FileOptions), new(starlark.Thread), "x", text, nil)
		got, err := (&Param{Default: text}).defaultValue()
		require.Equal(t, wantErr == nil, err == nil, text)
		if err == nil {
			require.Equal(t, want.Type()+want.String(), got.Type()+got.String(), text)
		}
	}
}
