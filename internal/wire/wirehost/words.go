package wirehost

import "strings"

const (
	blank    = " \t"
	operator = "\n$`;&|<>(){}" // ends a word, or is none that package wire writes
)

// words splits the first command of a script, which must be a line of its own
// with nothing but words, and returns what follows the line. The words are
// copies: who keeps one keeps nothing else of the script.
func words(script string) (args []string, rest string, ok bool) {
	for {
		script = strings.TrimLeft(script, blank)
		if rest, ok = strings.CutPrefix(script, "\n"); ok {
			return args, rest, true
		}
		var arg string
		if arg, script, ok = word(script); !ok {
			return nil, "", false
		}
		args = append(args, arg)
	}
}

// word is the first word of a script, and what follows it. It knows the quotes
// that package wire writes: '...', \' and "$(printf '\303\251')". It is not ok
// when the script begins with no word or has others.
func word(script string) (value, rest string, ok bool) {
	var b strings.Builder
	for rest = script; rest != "" && !strings.Contains(blank+operator, rest[:1]); {
		var part string
		switch rest[0] {
		case '\'':
			part, rest, ok = strings.Cut(rest[1:], "'")
		case '\\':
			if ok = len(rest) > 1; ok {
				part, rest = rest[1:2], rest[2:]
			}
		case '"':
			part, rest, ok = printed(rest)
		default:
			n := strings.IndexAny(rest, blank+operator+`'\"`)
			if n < 0 {
				n = len(rest)
			}
			part, rest, ok = rest[:n], rest[n:], true
		}
		if !ok {
			return "", "", false
		}
		b.WriteString(part)
	}
	return b.String(), rest, ok
}

// printed reads "$(printf '\303\251')", which stands for bytes that are not ASCII.
func printed(script string) (value, rest string, ok bool) {
	script, opens := strings.CutPrefix(script, `"$(printf '`)
	text, rest, closes := strings.Cut(script, `')"`)
	if !opens || !closes || len(text)%4 != 0 {
		return "", "", false
	}
	var b strings.Builder
	for ; text != ""; text = text[4:] {
		n := 0
		for _, c := range []byte(text[1:4]) {
			if c < '0' || c > '7' {
				return "", "", false
			}
			n = n*8 + int(c-'0')
		}
		if text[0] != '\\' || n > 255 {
			return "", "", false
		}
		b.WriteByte(byte(n))
	}
	return b.String(), rest, true
}
