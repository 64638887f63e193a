package inventory

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file reads the strings of Python literals.

// strings reads one string, and those that follow it: Python joins them.
func (p *literal) strings() (any, error) {
	var out strings.Builder
	bytesSeen, textSeen := false, false
	for {
		begin := strBegin.FindString(p.rest)
		if begin == "" {
			break
		}
		p.rest = p.rest[len(begin):]
		prefix := strings.ToLower(strings.TrimRight(begin, `'"`))
		raw, isBytes := strings.Contains(prefix, "r"), strings.Contains(prefix, "b")
		bytesSeen, textSeen = bytesSeen || isBytes, textSeen || !isBytes
		if err := p.text(begin[len(prefix):], raw, isBytes, &out); err != nil {
			return nil, err
		}
		p.next()
	}
	if bytesSeen && textSeen || !utf8.ValidString(out.String()) {
		return nil, errNoLiteral
	}
	return out.String(), nil
}

// text reads up to the quote that ends the string.
func (p *literal) text(quote string, raw, isBytes bool, out *strings.Builder) error {
	for !strings.HasPrefix(p.rest, quote) {
		switch {
		case p.rest == "", isBytes && p.rest[0] >= utf8.RuneSelf:
			return errNoLiteral
		case p.rest[0] != '\\':
			out.WriteByte(p.rest[0])
			p.rest = p.rest[1:]
		case len(p.rest) == 1:
			return errNoLiteral
		case raw:
			out.WriteString(p.rest[:2])
			p.rest = p.rest[2:]
		default:
			if err := p.escape(isBytes, out); err != nil {
				return err
			}
		}
	}
	p.rest = p.rest[len(quote):]
	return nil
}

var escapes = map[byte]byte{'\\': '\\', '\'': '\'', '"': '"', 'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escape reads a backslash and what it stands for. One that Python does not know stands for itself.
func (p *literal) escape(isBytes bool, out *strings.Builder) error {
	c := p.rest[1]
	if plain, ok := escapes[c]; ok {
		out.WriteByte(plain)
		p.rest = p.rest[2:]
		return nil
	}
	digits, from := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c], 2
	base := 16
	switch {
	case c >= '0' && c <= '7':
		from, base = 1, 8
		for digits = 1; digits < 3 && 1+digits < len(p.rest) && p.rest[1+digits] >= '0' && p.rest[1+digits] <= '7'; {
			digits++
		}
	case c == 'N' && !isBytes:
		return errNoLiteral // the names of Unicode are not known here
	case digits == 0, c != 'x' && isBytes:
		out.WriteByte('\\')
		p.rest = p.rest[1:]
		return nil
	}
	if len(p.rest) < from+digits {
		return errNoLiteral
	}
	n, err := strconv.ParseUint(p.rest[from:from+digits], base, 32)
	if err != nil || !isBytes && !utf8.ValidRune(rune(n)) {
		return errNoLiteral
	}
	if isBytes {
		out.WriteByte(byte(n))
	} else {
		out.WriteRune(rune(n))
	}
	p.rest = p.rest[from+digits:]
	return nil
}
