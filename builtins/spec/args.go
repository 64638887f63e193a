package spec

import (
	"fmt"
	"slices"
	"time"

	"go.starlark.net/starlark"
)

// Args are the converted arguments of one call. Its getters panic when the Spec has no parameter of that name and
// type: that is an error in the program, not in a script.
type Args struct {
	spec       *Spec
	values     map[string]any
	raw        starlark.StringDict
	restArgs   starlark.Tuple
	restKwargs []starlark.Tuple
}

// Given reports whether the caller gave the parameter, be it with its default.
func (a Args) Given(name string) bool {
	a.check(name)
	_, ok := a.raw[name]
	return ok
}

// Raw returns what the caller gave for the parameter as it was given, or nil if it was not.
func (a Args) Raw(name string) starlark.Value {
	a.check(name)
	return a.raw[name]
}

// Rest returns what a Variadic builtin collected.
func (a Args) Rest() (starlark.Tuple, []starlark.Tuple) { return a.restArgs, a.restKwargs }

// String returns a String parameter.
func (a Args) String(name string) string { return get[string](a, name, String) }

// Text returns a Text parameter; nil only for None where that is the default.
func (a Args) Text(name string) []byte { return get[[]byte](a, name, Text) }

// Int returns an Int parameter.
func (a Args) Int(name string) int { return get[int](a, name, Int) }

// Float returns a Float parameter.
func (a Args) Float(name string) float64 { return get[float64](a, name, Float) }

// Bool returns a Bool parameter.
func (a Args) Bool(name string) bool { return get[bool](a, name, Bool) }

// OptBool returns an OptBool parameter; nil for None.
func (a Args) OptBool(name string) *bool { return get[*bool](a, name, OptBool) }

// Duration returns a Duration or a Ceiling parameter; Forever only for the latter.
func (a Args) Duration(name string) time.Duration {
	return get[time.Duration](a, name, Duration, Ceiling)
}

// OptDuration returns an OptDuration parameter; nil for None.
func (a Args) OptDuration(name string) *time.Duration {
	return get[*time.Duration](a, name, OptDuration)
}

// Command returns a CommandLine parameter; empty only for None where that is the default.
func (a Args) Command(name string) Command { return get[Command](a, name, CommandLine) }

// Env returns an Env parameter, sorted.
func (a Args) Env(name string) []string { return get[[]string](a, name, Env) }

// Ints returns an Ints parameter.
func (a Args) Ints(name string) []int { return get[[]int](a, name, Ints) }

// Strings returns a Strings parameter.
func (a Args) Strings(name string) []string { return get[[]string](a, name, Strings) }

// Jobs returns a Jobs parameter and whether it was given as a list, in which case the builtin answers with one too.
func (a Args) Jobs(name string) (jobs []starlark.Value, list bool) {
	l := get[jobList](a, name, Jobs)
	return l.jobs, l.list
}

// Callable returns a Callable parameter; nil only for None where that is the default.
func (a Args) Callable(name string) starlark.Callable {
	return get[starlark.Callable](a, name, Callable)
}

// Value returns a Job or an Any parameter.
func (a Args) Value(name string) starlark.Value { return get[starlark.Value](a, name, Job, Any) }

func (a Args) check(name string, types ...Type) {
	p := a.spec.Param(name)
	if p == nil {
		panic(fmt.Sprintf("spec %s: no parameter %s", a.spec.Name, name))
	}
	if types != nil && !slices.Contains(types, p.Type) {
		panic(fmt.Sprintf("spec %s: parameter %s is a %s", a.spec.Name, name, p.Type))
	}
}

func get[T any](a Args, name string, types ...Type) T {
	a.check(name, types...)
	x, _ := a.values[name].(T) // an interface type that holds nil is the only miss
	return x
}
