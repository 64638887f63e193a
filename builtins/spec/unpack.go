package spec

import (
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// UsageError says that a builtin was called in a wrong way. Nothing has happened on any host.
type UsageError struct {
	Builtin string
	Param   string // the parameter it is about; "" when it is about none
	Msg     string // without the builtin's name
}

func (e *UsageError) Error() string { return e.Builtin + ": " + e.Msg }

// Hint returns the command that prints the parameters.
func (e *UsageError) Hint() string {
	return "`starling doc " + e.Builtin + "` shows what " + e.Builtin + " takes"
}

// Errorf returns a UsageError about the parameter called param, or about none if that is "". It is for what a type
// cannot say: two parameters that exclude each other, a number out of its range.
func (s *Spec) Errorf(param, format string, args ...any) error {
	return &UsageError{Builtin: s.Name, Param: param, Msg: fmt.Sprintf(format, args...)}
}

// Unpack checks the arguments of a call and converts them. Every error is a *UsageError.
func (s *Spec) Unpack(args starlark.Tuple, kwargs []starlark.Tuple) (Args, error) {
	a := Args{spec: s, values: make(map[string]any, len(s.Params)), raw: make(starlark.StringDict, len(args)+len(kwargs))}
	if err := s.bindPositional(&a, args); err != nil {
		return Args{}, err
	}
	if err := s.bindKeywords(&a, kwargs); err != nil {
		return Args{}, err
	}
	for i := range s.Params {
		p := &s.Params[i]
		v, given := a.raw[p.Name]
		if !given {
			if p.Required {
				return Args{}, s.Errorf(p.Name, "missing argument for %s", p.Name)
			}
			var err error
			if v, err = p.defaultValue(); err != nil {
				panic(fmt.Sprintf("spec %s: default of %s: %v", s.Name, p.Name, err))
			}
		}
		x, err := p.convert(v)
		if err != nil {
			return Args{}, s.Errorf(p.Name, "%s", err)
		}
		a.values[p.Name] = x
	}
	return a, nil
}

func (s *Spec) bindPositional(a *Args, args starlark.Tuple) error {
	n := s.positional()
	for i := 0; i < len(args) && i < n; i++ {
		a.raw[s.Params[i].Name] = args[i]
	}
	if len(args) <= n {
		return nil
	}
	if s.Variadic {
		a.restArgs = args[n:]
		return nil
	}
	if n == 0 {
		return s.Errorf("", "got %d positional arguments, want none", len(args))
	}
	msg := fmt.Sprintf("got %d positional arguments, want at most %d", len(args), n)
	if n < len(s.Params) {
		msg += fmt.Sprintf(" (give %s by name)", s.Params[n].Name)
	}
	return s.Errorf("", "%s", msg)
}

func (s *Spec) bindKeywords(a *Args, kwargs []starlark.Tuple) error {
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		p := s.Param(name)
		if s.Variadic && (p == nil || p.Positional) {
			a.restKwargs = append(a.restKwargs, kv)
			continue
		}
		if p == nil {
			msg := fmt.Sprintf("unexpected keyword argument %q", name)
			if why := s.Refused[name]; why != "" {
				msg += ": " + why
			} else if near := s.nearest(name); near != "" {
				msg += fmt.Sprintf(" (did you mean %s?)", near)
			}
			return s.Errorf("", "%s", msg)
		}
		if _, twice := a.raw[name]; twice {
			return s.Errorf(name, "got more than one value for %s", name)
		}
		a.raw[name] = kv[1]
	}
	return nil
}

// positional returns how many parameters may be given by position.
func (s *Spec) positional() int {
	n := 0
	for n < len(s.Params) && s.Params[n].Positional {
		n++
	}
	return n
}

// nearest returns the parameter whose name is most like name, or "" if none is.
func (s *Spec) nearest(name string) string {
	names := make([]string, len(s.Params))
	for i, p := range s.Params {
		names[i] = p.Name
	}
	return Nearest(name, names)
}

// Nearest returns the one of names that name was most likely meant to be, or "" if none is near.
func Nearest(name string, names []string) string {
	best, limit := "", max(1, len(name)/2)
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d <= limit {
			best, limit = n, d-1
		}
	}
	return best
}

// distance is the number of bytes to insert, remove or replace, and of neighbours to swap, that make b of a.
func distance(a, b string) int {
	var before []int // the row above the one above
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// defaultValue evaluates the default anew, so that no two calls share a list. The usual ones need no evaluator, which
// takes longer than the rest of the call.
func (p *Param) defaultValue() (starlark.Value, error) {
	text := p.Default
	switch text {
	case "None":
		return starlark.None, nil
	case "False":
		return starlark.False, nil
	case "True":
		return starlark.True, nil
	case "[]":
		return new(starlark.List), nil
	case "{}":
		return new(starlark.Dict), nil
	}
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
		return starlark.MakeInt(n), nil
	}
	if inner, ok := strings.CutPrefix(text, `"`); ok && inner != "" && strings.IndexAny(inner, "\"\\\n") == len(inner)-1 {
		return starlark.String(strings.TrimSuffix(inner, `"`)), nil
	}
	return starlark.EvalOptions(new(syntax.FileOptions), new(starlark.Thread), "default", text, nil)
}
