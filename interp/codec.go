package interp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starling/builtins"
	"starling/internal/job"
)

// This file writes the values that builtins return, and the errors they end with, as JSON, so that a resumed run gets
// back what the run before it got: to the byte, and of the same type.

// coded is one value. At most one of its fields but Struct and Name is set; none is None.
type coded struct {
	Bool   *bool        `json:"b,omitempty"`
	Int    string       `json:"i,omitempty"`
	Float  string       `json:"f,omitempty"` // in hexadecimal, exact
	Str    *string      `json:"s,omitempty"`
	Raw    *string      `json:"x,omitempty"` // a string that is no UTF-8, in base64
	Bytes  *string      `json:"y,omitempty"` // base64
	List   []*coded     `json:"l,omitempty"`
	Tuple  []*coded     `json:"t,omitempty"`
	Dict   [][2]*coded  `json:"d,omitempty"`
	Struct []codedField `json:"o,omitempty"`
	Name   *coded       `json:"n,omitempty"` // of the struct's constructor
	Result *job.Result  `json:"r,omitempty"`
	Time   *time.Time   `json:"m,omitempty"`
	Span   *int64       `json:"w,omitempty"` // time.duration, ns
	Empty  string       `json:"e,omitempty"` // "list", "tuple", "dict", "struct" with nothing in it
}

type codedField struct {
	Name  string `json:"k"`
	Value *coded `json:"v"`
}

// outcome is how one call ended.
type outcome struct {
	Value *coded      `json:"value,omitempty"`
	Error *codedError `json:"error,omitempty"`
}

type codedError struct {
	Msg    string       `json:"msg"`
	Hint   string       `json:"hint,omitempty"`
	State  string       `json:"state"`            // StateOf
	Host   string       `json:"host,omitempty"`   // that could not be reached
	Failed []job.Result `json:"failed,omitempty"` // of a builtins.FailedError
}

// PastError is an error that a run met before it was resumed.
type PastError struct {
	msg, hint, state, host string
	failed                 *builtins.FailedError
}

func (e *PastError) Error() string { return e.msg }

// Hint returns the hint the error had.
func (e *PastError) Hint() string { return e.hint }

// Unwrap gives access to the failed Results, when there were any.
func (e *PastError) Unwrap() error {
	if e.failed == nil {
		return nil
	}
	return e.failed
}

// encodeOutcome returns what is written down of a call's end.
func encodeOutcome(value starlark.Value, err error) ([]byte, error) {
	var o outcome
	if err != nil {
		o.Error = encodeError(err)
		return json.Marshal(o)
	}
	if o.Value, err = encodeValue(value); err != nil {
		return nil, err
	}
	return json.Marshal(o)
}

func encodeError(err error) *codedError {
	e := &codedError{Msg: err.Error(), State: StateOf(err), Host: hostOf(err)}
	if hinter, ok := asHinter(err); ok {
		e.Hint = hinter.Hint()
	}
	if failed, ok := asFailed(err); ok {
		e.Failed = failed.Results
	}
	return e
}

// decodeOutcome is the inverse of encodeOutcome; failed is the error the call ended with, err one of the text.
func decodeOutcome(text []byte) (value starlark.Value, failed, err error) {
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, nil, err
	}
	if o.Error != nil {
		past := &PastError{msg: o.Error.Msg, hint: o.Error.Hint, state: o.Error.State, host: o.Error.Host}
		if len(o.Error.Failed) > 0 {
			past.failed = &builtins.FailedError{Results: o.Error.Failed}
		}
		return nil, past, nil
	}
	value, err = decodeValue(o.Value)
	return value, nil, err
}

func encodeValue(v starlark.Value) (*coded, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		b := bool(v)
		return &coded{Bool: &b}, nil
	case starlark.Int:
		return &coded{Int: v.String()}, nil
	case starlark.Float:
		return &coded{Float: strconv.FormatFloat(float64(v), 'x', -1, 64)}, nil
	case starlark.String:
		s := string(v)
		if utf8.ValidString(s) {
			return &coded{Str: &s}, nil
		}
		s = base64.StdEncoding.EncodeToString([]byte(s))
		return &coded{Raw: &s}, nil
	case starlark.Bytes:
		s := base64.StdEncoding.EncodeToString([]byte(v))
		return &coded{Bytes: &s}, nil
	case *builtins.Result:
		return &coded{Result: &v.Result}, nil
	case startime.Time:
		t := time.Time(v)
		return &coded{Time: &t}, nil
	case startime.Duration:
		n := int64(v)
		return &coded{Span: &n}, nil
	case *starlark.List:
		return encodeItems(v, "list", func(c *coded) *[]*coded { return &c.List })
	case starlark.Tuple:
		return encodeItems(v, "tuple", func(c *coded) *[]*coded { return &c.Tuple })
	case *starlark.Dict:
		return encodeDict(v)
	case *starlarkstruct.Struct:
		return encodeStruct(v)
	}
	return nil, fmt.Errorf("a %s can't be written down", v.Type())
}

func encodeItems(v starlark.Indexable, kind string, at func(*coded) *[]*coded) (*coded, error) {
	c := &coded{}
	if v.Len() == 0 {
		c.Empty = kind
	}
	for i := range v.Len() {
		item, err := encodeValue(v.Index(i))
		if err != nil {
			return nil, err
		}
		*at(c) = append(*at(c), item)
	}
	return c, nil
}

func encodeDict(v *starlark.Dict) (*coded, error) {
	c := &coded{}
	if v.Len() == 0 {
		c.Empty = "dict"
	}
	for _, item := range v.Items() {
		key, err := encodeValue(item[0])
		if err != nil {
			return nil, err
		}
		value, err := encodeValue(item[1])
		if err != nil {
			return nil, err
		}
		c.Dict = append(c.Dict, [2]*coded{key, value})
	}
	return c, nil
}

func encodeStruct(v *starlarkstruct.Struct) (*coded, error) {
	c := &coded{Empty: "struct"}
	var err error
	if c.Name, err = encodeValue(v.Constructor()); err != nil {
		c.Name, err = nil, nil // the plain struct: its constructor is a builtin
	}
	for _, name := range v.AttrNames() {
		attr, _ := v.Attr(name) // a name of AttrNames has a value
		value, err := encodeValue(attr)
		if err != nil {
			return nil, err
		}
		c.Struct = append(c.Struct, codedField{name, value})
	}
	return c, err
}

func decodeValue(c *coded) (starlark.Value, error) {
	switch {
	case c == nil:
		return starlark.None, nil
	case c.Bool != nil:
		return starlark.Bool(*c.Bool), nil
	case c.Int != "":
		n, ok := new(big.Int).SetString(c.Int, 10)
		if !ok {
			return nil, fmt.Errorf("%q is no int", c.Int)
		}
		return starlark.MakeBigInt(n), nil
	case c.Float != "":
		f, err := strconv.ParseFloat(c.Float, 64)
		return starlark.Float(f), err
	case c.Str != nil:
		return starlark.String(*c.Str), nil
	case c.Raw != nil:
		b, err := base64.StdEncoding.DecodeString(*c.Raw)
		return starlark.String(b), err
	case c.Bytes != nil:
		b, err := base64.StdEncoding.DecodeString(*c.Bytes)
		return starlark.Bytes(b), err
	case c.Result != nil:
		return &builtins.Result{Result: *c.Result}, nil
	case c.Time != nil:
		return startime.Time(*c.Time), nil
	case c.Span != nil:
		return startime.Duration(*c.Span), nil
	case c.List != nil || c.Empty == "list":
		items, err := decodeItems(c.List)
		return starlark.NewList(items), err
	case c.Tuple != nil || c.Empty == "tuple":
		items, err := decodeItems(c.Tuple)
		return starlark.Tuple(items), err
	case c.Dict != nil || c.Empty == "dict":
		return decodeDict(c.Dict)
	case c.Empty == "struct":
		return decodeStruct(c)
	}
	return nil, fmt.Errorf("a value of no known kind")
}

func decodeItems(all []*coded) ([]starlark.Value, error) {
	items := make([]starlark.Value, len(all))
	var err error
	for i, c := range all {
		if items[i], err = decodeValue(c); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func decodeDict(pairs [][2]*coded) (starlark.Value, error) {
	d := starlark.NewDict(len(pairs))
	for _, pair := range pairs {
		key, err := decodeValue(pair[0])
		if err != nil {
			return nil, err
		}
		value, err := decodeValue(pair[1])
		if err != nil {
			return nil, err
		}
		if err := d.SetKey(key, value); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func decodeStruct(c *coded) (starlark.Value, error) {
	constructor, err := decodeValue(c.Name)
	if err != nil {
		return nil, err
	}
	if c.Name == nil {
		constructor = starlarkstruct.Default
	}
	fields := starlark.StringDict{}
	for _, f := range c.Struct {
		if fields[f.Name], err = decodeValue(f.Value); err != nil {
			return nil, err
		}
	}
	return starlarkstruct.FromStringDict(constructor, fields), nil
}
