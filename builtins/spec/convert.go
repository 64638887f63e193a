package spec

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"
)

// convert makes of v what the builtin's code gets. The error is a sentence without the builtin's name.
func (p *Param) convert(v starlark.Value) (any, error) {
	if v == starlark.None && p.Default == "None" {
		return p.zero(), nil
	}
	switch p.Type {
	case String:
		return p.string(v)
	case Text:
		return p.text(v)
	case Int:
		if n, ok := v.(starlark.Int); ok {
			return p.int(n)
		}
	case Float:
		if f, ok := starlark.AsFloat(v); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
	case Bool:
		if b, ok := v.(starlark.Bool); ok {
			return bool(b), nil
		}
	case OptBool:
		if v == starlark.None {
			return (*bool)(nil), nil
		}
		if b, ok := v.(starlark.Bool); ok {
			x := bool(b)
			return &x, nil
		}
	case Duration:
		return p.duration(v)
	case OptDuration:
		if v == starlark.None {
			return (*time.Duration)(nil), nil
		}
		d, err := p.duration(v)
		return &d, err
	case Ceiling:
		if v == starlark.String("forever") {
			return Forever, nil
		}
		return p.duration(v)
	case CommandLine:
		return p.command(v)
	case Env:
		return p.env(v)
	case Ints:
		return p.ints(v)
	case Strings:
		return p.strings(v)
	case Job:
		if isJob(v) {
			return v, nil
		}
	case Jobs:
		return p.jobs(v)
	case Callable:
		if c, ok := v.(starlark.Callable); ok {
			return c, nil
		}
	case Any:
		return v, nil
	}
	return nil, p.mismatch(v)
}

// zero is what None stands for where the default is None.
func (p *Param) zero() any {
	switch p.Type {
	case String:
		return ""
	case Text:
		return []byte(nil)
	case Int:
		return 0
	case Float:
		return 0.0
	case Bool:
		return false
	case OptBool:
		return (*bool)(nil)
	case Duration, Ceiling:
		return time.Duration(0)
	case OptDuration:
		return (*time.Duration)(nil)
	case CommandLine:
		return Command{}
	case Env, Strings:
		return []string(nil)
	case Ints:
		return []int(nil)
	case Jobs:
		return jobList{}
	case Callable:
		return starlark.Callable(nil)
	}
	return starlark.Value(starlark.None)
}

func (p *Param) mismatch(v starlark.Value) error {
	return fmt.Errorf("for parameter %s: got %s, want %s", p.Name, v.Type(), p.want())
}

func (p *Param) want() string {
	switch p.Type {
	case Duration, OptDuration:
		return `seconds or a string such as "90s"`
	case Ceiling:
		return `seconds, a string such as "90s" or "forever"`
	}
	return p.Type.String()
}

func (p *Param) string(v starlark.Value) (string, error) {
	s, ok := v.(starlark.String)
	if !ok {
		return "", p.mismatch(v)
	}
	if err := p.noNUL(string(s)); err != nil {
		return "", err
	}
	if p.Choices == nil {
		return string(s), nil
	}
	for _, c := range p.Choices {
		if string(s) == c {
			return c, nil
		}
	}
	msg := fmt.Sprintf("for parameter %s: got %s, want one of %s", p.Name, short(v), strings.Join(p.Choices, ", "))
	if near := Nearest(string(s), p.Choices); near != "" {
		msg += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return "", errors.New(msg)
}

func (p *Param) noNUL(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("for parameter %s: a NUL byte cannot be sent to a host", p.Name)
	}
	return nil
}

func (p *Param) text(v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case starlark.String:
		return []byte(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	}
	return nil, p.mismatch(v)
}

func (p *Param) int(n starlark.Int) (int, error) {
	i, ok := n.Int64()
	if !ok || int64(int(i)) != i {
		return 0, fmt.Errorf("for parameter %s: %s is out of range", p.Name, short(n))
	}
	return int(i), nil
}

func (p *Param) duration(v starlark.Value) (time.Duration, error) {
	var d time.Duration
	var err error
	switch v := v.(type) {
	case starlark.Int, starlark.Float:
		f, _ := starlark.AsFloat(v)
		if f < 0 {
			return 0, p.negative(v)
		}
		if math.IsNaN(f) {
			return 0, fmt.Errorf("for parameter %s: got nan, want %s", p.Name, p.want())
		}
		d, err = fromNanoseconds(f * float64(time.Second))
	case starlark.String:
		if rest, minus := strings.CutPrefix(string(v), "-"); minus {
			if _, err := ParseDuration(rest); err == nil {
				return 0, p.negative(v)
			}
		}
		d, err = ParseDuration(string(v))
	default:
		return 0, p.mismatch(v)
	}
	if errors.Is(err, errTooLong) {
		return 0, fmt.Errorf("for parameter %s: %s is %w", p.Name, short(v), err)
	}
	if err != nil {
		return 0, fmt.Errorf("for parameter %s: got %s, want %s", p.Name, short(v), p.want())
	}
	return d, nil
}

func (p *Param) negative(v starlark.Value) error {
	return fmt.Errorf("%s must not be negative, got %s", p.Name, short(v))
}

func (p *Param) command(v starlark.Value) (Command, error) {
	if s, ok := v.(starlark.String); ok {
		if strings.TrimSpace(string(s)) == "" {
			return Command{}, fmt.Errorf("%s must not be empty", p.Name)
		}
		return Command{Text: string(s)}, p.noNUL(string(s))
	}
	argv, err := p.strings(v)
	if err != nil {
		return Command{}, err
	}
	if len(argv) == 0 {
		return Command{}, fmt.Errorf("%s must not be empty", p.Name)
	}
	if argv[0] == "" {
		return Command{}, fmt.Errorf("for parameter %s: the program's name must not be empty", p.Name)
	}
	return Command{Argv: argv}, nil
}

func (p *Param) env(v starlark.Value) ([]string, error) {
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, p.mismatch(v)
	}
	pairs := []string{}
	for _, item := range d.Items() {
		name, ok := item[0].(starlark.String)
		if !ok || !isVariable(string(name)) {
			return nil, fmt.Errorf("for parameter %s: %s is no name of a variable", p.Name, short(item[0]))
		}
		var value string
		switch x := item[1].(type) {
		case starlark.String:
			value = string(x)
		case starlark.Int:
			value = x.String()
		default:
			return nil, fmt.Errorf("for parameter %s: %s is %s, want string or int", p.Name, string(name), x.Type())
		}
		if err := p.noNUL(value); err != nil {
			return nil, err
		}
		pairs = append(pairs, string(name)+"="+value)
	}
	sort.Strings(pairs)
	return pairs, nil
}

// isVariable reports whether name is a name by POSIX (XBD 3.216): what a shell can set.
func isVariable(name string) bool {
	for i := range len(name) {
		if !isWordByte(name[i]) || i == 0 && '0' <= name[0] && name[0] <= '9' {
			return false
		}
	}
	return name != ""
}

func (p *Param) ints(v starlark.Value) ([]int, error) {
	items, ok := items(v)
	if !ok {
		return nil, p.mismatch(v)
	}
	ints := make([]int, len(items))
	for i, x := range items {
		n, ok := x.(starlark.Int)
		if !ok {
			return nil, p.item(i, x, "int")
		}
		var err error
		if ints[i], err = p.int(n); err != nil {
			return nil, err
		}
	}
	return ints, nil
}

func (p *Param) strings(v starlark.Value) ([]string, error) {
	items, ok := items(v)
	if !ok {
		return nil, p.mismatch(v)
	}
	strs := make([]string, len(items))
	for i, x := range items {
		s, ok := x.(starlark.String)
		if !ok {
			return nil, p.item(i, x, "string")
		}
		if err := p.noNUL(string(s)); err != nil {
			return nil, err
		}
		strs[i] = string(s)
	}
	return strs, nil
}

func (p *Param) item(i int, v starlark.Value, want string) error {
	return fmt.Errorf("for parameter %s: item %d is %s, want %s", p.Name, i, v.Type(), want)
}

// jobList is a converted Jobs parameter.
type jobList struct {
	jobs []starlark.Value
	list bool
}

func (p *Param) jobs(v starlark.Value) (jobList, error) {
	if isJob(v) {
		return jobList{jobs: []starlark.Value{v}}, nil
	}
	items, ok := items(v)
	if !ok {
		return jobList{}, p.mismatch(v)
	}
	for i, x := range items {
		if !isJob(x) {
			return jobList{}, p.item(i, x, Job.String())
		}
	}
	return jobList{jobs: items, list: true}, nil
}

// isJob reports whether v can name a job: a string, or a value with a jid. Whether the id is a good one is for the
// builtin to say.
func isJob(v starlark.Value) bool {
	if _, ok := v.(starlark.String); ok {
		return true
	}
	attrs, ok := v.(starlark.HasAttrs)
	if !ok {
		return false
	}
	jid, err := attrs.Attr("jid")
	return err == nil && jid != nil
}

// items returns what is in a list or a tuple. Other iterables are refused: the order of a set or a dict would be an
// accident.
func items(v starlark.Value) ([]starlark.Value, bool) {
	switch v := v.(type) {
	case *starlark.List:
		all := make([]starlark.Value, v.Len())
		for i := range all {
			all[i] = v.Index(i)
		}
		return all, true
	case starlark.Tuple:
		return append([]starlark.Value{}, v...), true
	}
	return nil, false
}

// short is v as a script writes it, cut where an error message would become unreadable.
func short(v starlark.Value) string {
	const most = 60
	text := v.String()
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}
