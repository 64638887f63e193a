package interp

import (
	"context"
	"sort"

	"go.starlark.net/starlark"
)

// Eval runs a program that is no script: an inventory, which sees its own vocabulary and reaches nothing. What it loads
// sees the same.
func Eval(ctx context.Context, path string, src []byte, predeclared starlark.StringDict) error {
	file, err := Parse(path, src, Script)
	if err != nil {
		return err
	}
	program, err := Compile(file, predeclared)
	if err != nil {
		return err
	}
	loader, err := NewLoader(LoaderConfig{Script: path, Predeclared: predeclared})
	if err != nil {
		return err
	}
	thread := &starlark.Thread{Name: path, Load: loader.Load}
	WithContext(thread, ctx)
	release := CancelWith(ctx, thread)
	defer release()
	_, err = program.Init(thread, predeclared)
	return err
}

// FromGo turns what YAML and JSON have into Starlark values: maps into dicts in the order of their keys. What it
// does not know becomes None.
func FromGo(v any) starlark.Value {
	switch v := v.(type) {
	case string:
		return starlark.String(v)
	case bool:
		return starlark.Bool(v)
	case int:
		return starlark.MakeInt(v)
	case int64:
		return starlark.MakeInt64(v)
	case float64:
		return starlark.Float(v)
	case []any:
		items := make([]starlark.Value, len(v))
		for i, item := range v {
			items[i] = FromGo(item)
		}
		return starlark.NewList(items)
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		sort.Strings(names)
		dict := starlark.NewDict(len(v))
		for _, name := range names {
			dict.SetKey(starlark.String(name), FromGo(v[name])) // a string is hashable, and the dict is not frozen
		}
		return dict
	}
	return starlark.None
}

// Touches reports whether a builtin touches anything outside its script; ok is false for a name that is none.
func Touches(name string) (world, ok bool) {
	for _, b := range (&Interp{}).builtins() {
		if b.Spec.Name == name {
			return b.Effect != 0, true
		}
	}
	return false, false
}
