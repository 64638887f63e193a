package inventory

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// iniValue reads a value of an INI inventory as Ansible does: a Python literal is what it denotes (5, 1.5, True, None,
// "text", [1, 2], {'a': 1}; 80,443 is a list too), anything else is text. Numbers that neither an int64 nor a finite
// float64 holds, and complex ones, stay text.
func iniValue(text string) any {
	p := &literal{rest: text}
	v, err := p.whole()
	if err != nil {
		return text
	}
	return v
}

var errNoLiteral = errors.New("no literal")

// literal reads one Python literal.
type literal struct {
	rest  string
	depth int
}

func (p *literal) whole() (any, error) {
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.next() == ',' {
		list := []any{v}
		for p.next() == ',' {
			p.rest = p.rest[1:]
			if c := p.next(); c == 0 || c == '#' {
				break
			}
			if v, err = p.value(); err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		v = list
	}
	if c := p.next(); c != 0 && c != '#' {
		return nil, errNoLiteral
	}
	return v, nil
}

// next skips blanks and returns the byte after them, 0 at the end.
func (p *literal) next() byte {
	if p.rest = strings.TrimLeft(p.rest, " \t\f"); p.rest == "" {
		return 0
	}
	return p.rest[0]
}

var (
	number   = regexp.MustCompile(`^(?:(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*|[0-9](?:_?[0-9])*\.?)(?:[eE][-+]?[0-9](?:_?[0-9])*)?`)
	based    = regexp.MustCompile(`^0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)`)
	decimal  = regexp.MustCompile(`^(?:[1-9](?:_?[0-9])*|0(?:_?0)*)$`)
	word     = regexp.MustCompile(`^[A-Za-z]+`)
	strBegin = regexp.MustCompile(`^(?i:r|u|b|br|rb)?(?:'''|"""|'|")`)
)

func (p *literal) value() (any, error) {
	if p.depth++; p.depth > 201 { // Python nests 200 deep
		return nil, errNoLiteral
	}
	defer func() { p.depth-- }()
	switch c := p.next(); {
	case c == '[':
		return p.list(']')
	case c == '(':
		return p.paren()
	case c == '{':
		return p.braces()
	case c == '-' || c == '+':
		p.rest = p.rest[1:]
		p.next()
		return p.number(c == '-')
	case c >= '0' && c <= '9' || c == '.':
		return p.number(false)
	case strBegin.MatchString(p.rest):
		return p.strings()
	}
	name := word.FindString(p.rest)
	constant, ok := map[string]any{"True": true, "False": false, "None": nil}[name]
	if !ok {
		return nil, errNoLiteral
	}
	p.rest = p.rest[len(name):]
	return constant, nil
}

// number reads what follows a sign, or what has none.
func (p *literal) number(negative bool) (any, error) {
	text := based.FindString(p.rest)
	if text == "" {
		text = number.FindString(p.rest)
	}
	if text == "" {
		return nil, errNoLiteral
	}
	p.rest = p.rest[len(text):]
	if p.rest != "" && (p.rest[0] == '_' || p.rest[0] >= utf8.RuneSelf || word.MatchString(p.rest) || p.rest[0] >= '0' && p.rest[0] <= '9') {
		return nil, errNoLiteral
	}
	plain := strings.ReplaceAll(text, "_", "")
	if negative {
		plain = "-" + plain
	}
	if based.MatchString(text) || decimal.MatchString(text) {
		base := 10
		if based.MatchString(text) {
			base = 0
		}
		if n, err := strconv.ParseInt(plain, base, 64); err == nil {
			return n, nil
		}
		return nil, errNoLiteral
	}
	if !strings.ContainsAny(text, ".eE") {
		return nil, errNoLiteral // 010 is none in Python either
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errNoLiteral
	}
	return f, nil
}

// list reads values up to the bracket that ends them; the one that begins them is still there.
func (p *literal) list(end byte) ([]any, error) {
	p.rest = p.rest[1:]
	list := []any{}
	for p.next() != end {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.next() == ',' {
			p.rest = p.rest[1:]
		} else if p.next() != end {
			return nil, errNoLiteral
		}
	}
	p.rest = p.rest[1:]
	return list, nil
}

// paren reads a tuple, or a value in parentheses.
func (p *literal) paren() (any, error) {
	begin := p.rest
	list, err := p.list(')')
	if err != nil {
		return nil, err
	}
	inner := strings.TrimRight(begin[1:len(begin)-len(p.rest)-1], " \t\f")
	if len(list) == 1 && !strings.HasSuffix(inner, ",") {
		return list[0], nil
	}
	return list, nil
}

// braces reads a dict, or a set, which becomes a list. What follows the first value tells.
func (p *literal) braces() (any, error) {
	p.rest = p.rest[1:]
	dict, set := map[string]any{}, []any{}
	for p.next() != '}' {
		key, err := p.value()
		if err != nil {
			return nil, err
		}
		name, ok := keyText(key)
		isDict := p.next() == ':'
		if !ok || isDict && len(set) > 0 || !isDict && len(dict) > 0 {
			return nil, errNoLiteral
		}
		if isDict {
			p.rest = p.rest[1:]
			if dict[name], err = p.value(); err != nil {
				return nil, err
			}
		} else {
			set = append(set, key)
		}
		if p.next() == ',' {
			p.rest = p.rest[1:]
		} else if p.next() != '}' {
			return nil, errNoLiteral
		}
	}
	p.rest = p.rest[1:]
	if len(set) > 0 {
		return set, nil
	}
	return dict, nil
}

// keyText is a key as JSON writes it; lists and dicts are no keys.
func keyText(key any) (string, bool) {
	switch k := key.(type) {
	case string:
		return k, true
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(k), true
	case int64:
		return strconv.FormatInt(k, 10), true
	case float64:
		return strconv.FormatFloat(k, 'g', -1, 64), true
	}
	return "", false
}
