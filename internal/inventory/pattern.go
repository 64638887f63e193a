package inventory

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
)

// term is one part of a pattern.
type term struct {
	op   byte // 0 adds, '!' takes away, '&' keeps what is in it too
	text string
}

// splitPattern takes a pattern apart: at commas, and at colons that are no part of a range, an IPv6 address, a port or a
// bracket of a regular expression.
func splitPattern(pattern string) ([]term, error) {
	var out []term
	for _, part := range cut(pattern, ',') {
		for _, text := range splitColons(strings.TrimSpace(part)) {
			t := term{text: strings.TrimSpace(text)}
			if t.text != "" && (t.text[0] == '!' || t.text[0] == '&') {
				t.op, t.text = t.text[0], strings.TrimSpace(t.text[1:])
				if t.text == "" {
					return nil, &PatternError{Pattern: pattern, Problem: fmt.Sprintf("a %c without a name", t.op)}
				}
			}
			if t.text != "" {
				out = append(out, t)
			}
		}
	}
	if out == nil {
		return nil, &PatternError{Pattern: pattern, Problem: "it names nothing"}
	}
	return out, nil
}

// cut splits s at a separator that stands outside brackets.
func cut(s string, separator byte) []string {
	var out []string
	depth, begin := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.IndexByte("[({", c) >= 0:
			depth++
		case strings.IndexByte("])}", c) >= 0:
			depth = max(0, depth-1)
		case c == separator && depth == 0:
			out = append(out, s[begin:i])
			begin = i + 1
		}
	}
	return append(out, s[begin:])
}

// splitColons splits a part at colons, and puts a port back to its name.
func splitColons(part string) []string {
	if _, err := netip.ParseAddr(strings.TrimLeft(part, "!&")); err == nil || strings.HasPrefix(strings.TrimLeft(part, "!&"), "@") {
		return []string{part}
	}
	var out []string
	for _, piece := range cut(part, ':') {
		if n := len(out); n > 0 && isDigits(piece) && out[n-1] != "" {
			out[n-1] += ":" + piece
			continue
		}
		out = append(out, piece)
	}
	return out
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isRange reports whether the brackets in a name are ranges and no class of characters.
func isRange(name string) bool {
	_, rest, ok := strings.Cut(name, "[")
	text, _, closed := strings.Cut(rest, "]")
	return ok && closed && rangeText.MatchString(text)
}

// nameFile returns the names in a file, one per line; # begins a comment.
func nameFile(path string) ([]string, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("@%s: %s", path, reason(err))
	}
	var out []string
	for line := range strings.Lines(string(src)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out, nil
}

// matcher compiles a glob or, after ~, a regular expression that must match from the begin of a name.
func matcher(text string) (*regexp.Regexp, error) {
	if expr, ok := strings.CutPrefix(text, "~"); ok {
		re, err := regexp.Compile(`^(?:` + expr + `)`)
		if err != nil {
			return nil, fmt.Errorf("%s is no regular expression: %w", text, err)
		}
		return re, nil
	}
	re, err := globPattern(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no pattern of names", text)
	}
	return re, nil
}
