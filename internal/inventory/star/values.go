package star

import (
	"fmt"
	"math"

	"go.starlark.net/starlark"
)

// names reads a name or a list of names.
func names(v starlark.Value) ([]string, error) {
	if v == starlark.None {
		return nil, nil
	}
	if s, ok := starlark.AsString(v); ok {
		return []string{s}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("got %s, want a list of names", v.Type())
	}
	var out []string
	for each := range starlark.Elements(list) {
		s, ok := starlark.AsString(each)
		if !ok {
			return nil, fmt.Errorf("got %s in the list, want a name", each.Type())
		}
		out = append(out, s)
	}
	return out, nil
}

// variables reads a dict of variables; nil is an empty one.
func variables(d *starlark.Dict) (map[string]any, error) {
	out := map[string]any{}
	if d == nil {
		return out, nil
	}
	v, err := plain(d, 0)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

const maxDepth = 50 // of values; one that holds itself has no end

// plain turns a value into those that inventories hold.
func plain(v starlark.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.String:
		return string(v), nil
	case starlark.Int:
		n, ok := v.Int64()
		if !ok {
			return nil, fmt.Errorf("%s is too large a number", v)
		}
		return n, nil
	case starlark.Float:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return nil, fmt.Errorf("%s is no number that a variable can hold", v)
		}
		return float64(v), nil
	case *starlark.Dict:
		out := make(map[string]any, v.Len())
		for key, each := range starlark.Entries(v) {
			name, ok := starlark.AsString(key)
			if !ok {
				return nil, fmt.Errorf("got a key of type %s, want string", key.Type())
			}
			var err error
			if out[name], err = plain(each, depth+1); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return out, nil
	case *starlark.List, starlark.Tuple:
		out := []any{}
		for each := range starlark.Elements(v.(starlark.Iterable)) {
			one, err := plain(each, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		return out, nil
	}
	return nil, fmt.Errorf("got %s, want string, int, float, bool, None, list or dict", v.Type())
}
