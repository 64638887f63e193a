// Package spec is the single source of a builtin: its name, its parameters with their types, defaults and sentences,
// what it returns and how it fails. The same Spec unpacks the arguments of a call, prints the help of a terminal and
// writes the page of docs/builtins.md, so that none of them can drift from the others.
//
// It is a leaf: it knows no host, no gate and no builtin. What a builtin does with its arguments is in package
// builtins.
package spec

// Spec describes one builtin.
type Spec struct {
	Name    string
	Summary string // one line, what it does
	Params  []Param
	Returns string // one sentence
	Fails   string // one sentence: when a call is an error; "" when it cannot fail but by wrong use
	Example string // a piece of a script that parses, and that the tests execute
	// Variadic says that what Params does not name is collected (Args.Rest), as attempt(fn, *args, **kwargs) does.
	// The positional parameters of such a builtin are never taken by name: the name belongs to the collected ones.
	Variadic bool
	// Refused are keywords that a caller may expect and that there can't be, each with the reason; nil for none.
	Refused map[string]string
}

// Param describes one parameter.
type Param struct {
	Name string
	Type Type
	// Default is the default as it is written in a script: `0`, `""`, `{}`, `[0]`, `None`. It is "" if and only if
	// Required is set. A parameter whose default is None takes None from the caller too, and is then the zero value
	// of its type.
	Default  string
	Required bool
	// Positional says that it may be given by position. Those that may come first in Params; all others are
	// keyword-only.
	Positional bool
	Choices    []string // the only values, for a String; nil for any
	Doc        string   // one sentence or more, for the reader of the help
}

// Type is the type of a parameter: which Starlark values it takes, and what the builtin's code gets.
type Type int

const (
	String      Type = iota + 1 // a string without NUL bytes -> string
	Text                        // a string or bytes, any content -> []byte
	Int                         // an int -> int
	Float                       // an int or a float, finite -> float64
	Bool                        // True or False -> bool
	OptBool                     // True, False or None -> *bool, nil for None
	Duration                    // seconds, or a string such as "90s"; never negative -> time.Duration
	OptDuration                 // a Duration or None -> *time.Duration, nil for None
	Ceiling                     // a Duration or "forever" -> time.Duration, Forever for "forever"
	CommandLine                 // a string for /bin/sh, or a list of strings, neither empty -> Command
	Env                         // a dict of names to strings or ints -> sorted []string of the form "K=V"
	Ints                        // a list or tuple of ints -> []int
	Strings                     // a list or tuple of strings without NUL bytes -> []string
	Job                         // a job id or a Result -> starlark.Value, unchanged
	Jobs                        // a Job or a list or tuple of these -> []starlark.Value and whether it was a list
	Callable                    // a function -> starlark.Callable
	Any                         // -> starlark.Value, unchanged
)

// String returns the type as a reader of the help sees it.
func (t Type) String() string {
	switch t {
	case String:
		return "string"
	case Text:
		return "string or bytes"
	case Int:
		return "int"
	case Float:
		return "number"
	case Bool:
		return "bool"
	case OptBool:
		return "bool or None"
	case Duration:
		return "seconds"
	case OptDuration:
		return "seconds or None"
	case Ceiling:
		return `seconds or "forever"`
	case CommandLine:
		return "string or list of strings"
	case Env:
		return "dict of names to strings"
	case Ints:
		return "list of ints"
	case Strings:
		return "list of strings"
	case Job:
		return "job id or Result"
	case Jobs:
		return "job id, Result or a list of these"
	case Callable:
		return "function"
	case Any:
		return "any value"
	}
	return "invalid type"
}

// Param returns the parameter called name, or nil.
func (s *Spec) Param(name string) *Param {
	for i := range s.Params {
		if s.Params[i].Name == name {
			return &s.Params[i]
		}
	}
	return nil
}
