package lint

import (
	"math/big"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// This file computes what can be known of an expression without running anything: literals, what is made of them, and
// names that are bound once, to such a value.

// constant returns the value of e, or nil if it is not known. It is frozen, or of a type that needs no freezing.
func (x *index) constant(e syntax.Expr) starlark.Value {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return x.constant(e.X)
	case *syntax.Literal:
		return literal(e)
	case *syntax.Ident:
		return x.named(e)
	case *syntax.UnaryExpr:
		if e.X == nil || e.Op != syntax.MINUS && e.Op != syntax.PLUS {
			return nil
		}
		if v := x.constant(e.X); isScalar(v) {
			v, err := starlark.Unary(e.Op, v)
			return known(v, err)
		}
	case *syntax.BinaryExpr:
		return x.binary(e)
	case *syntax.ListExpr:
		if items := x.all(e.List); items != nil {
			list := starlark.NewList(items)
			list.Freeze()
			return list
		}
	case *syntax.TupleExpr:
		if items := x.all(e.List); items != nil {
			return starlark.Tuple(items)
		}
	case *syntax.DictExpr:
		return x.dict(e)
	}
	return nil
}

func literal(l *syntax.Literal) starlark.Value {
	switch v := l.Value.(type) {
	case string:
		if l.Token == syntax.BYTES {
			return starlark.Bytes(v)
		}
		return starlark.String(v)
	case int64:
		return starlark.MakeInt64(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case float64:
		return starlark.Float(v)
	}
	return nil
}

// named returns the value of a name. Only short scalars go through names: a list could be changed in between, and
// values made of one another could grow without bound.
func (x *index) named(id *syntax.Ident) starlark.Value {
	switch scope(id) {
	case resolve.Universal:
		switch id.Name {
		case "None":
			return starlark.None
		case "True":
			return starlark.True
		case "False":
			return starlark.False
		}
		return nil
	case resolve.Predeclared, resolve.Undefined:
		return nil
	}
	v := first(id)
	if value, done := x.constants[v]; done {
		return value
	}
	x.constants[v] = nil
	if bound := x.bound[v]; len(bound) == 1 && bound[0] != nil {
		if e, ok := bound[0].(syntax.Expr); ok {
			if value := x.constant(e); isScalar(value) {
				x.constants[v] = value
			}
		}
	}
	return x.constants[v]
}

func isScalar(v starlark.Value) bool {
	switch v := v.(type) {
	case starlark.Int:
		_, small := v.Int64()
		return small
	case starlark.String:
		return len(v) < 1<<16
	case starlark.Float, starlark.Bool, starlark.NoneType:
		return true
	}
	return false
}

func (x *index) binary(e *syntax.BinaryExpr) starlark.Value {
	switch e.Op {
	case syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.SLASH, syntax.SLASHSLASH:
	default:
		return nil
	}
	a, b := x.constant(e.X), x.constant(e.Y)
	if !isScalar(a) || !isScalar(b) {
		return nil
	}
	_, text := a.(starlark.String)
	_, text2 := b.(starlark.String)
	if (text || text2) && e.Op != syntax.PLUS { // "x" * 1000000000
		return nil
	}
	v, err := starlark.Binary(e.Op, a, b)
	return known(v, err)
}

func known(v starlark.Value, err error) starlark.Value {
	if err != nil {
		return nil
	}
	return v
}

// all returns the values of a list's items; nil if one is not known.
func (x *index) all(list []syntax.Expr) []starlark.Value {
	items := make([]starlark.Value, len(list))
	for i, e := range list {
		if items[i] = x.constant(e); items[i] == nil {
			return nil
		}
	}
	return items
}

func (x *index) dict(e *syntax.DictExpr) starlark.Value {
	d := new(starlark.Dict)
	for _, entry := range e.List {
		entry := entry.(*syntax.DictEntry)
		k, v := x.constant(entry.Key), x.constant(entry.Value)
		if k == nil || v == nil || d.SetKey(k, v) != nil {
			return nil
		}
	}
	d.Freeze()
	return d
}

// words makes a set of the words of a text.
func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
