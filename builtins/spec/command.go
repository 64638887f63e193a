package spec

import "strings"

// Command is what a script wants executed: either a text for a shell or an argument vector, never both.
type Command struct {
	Text string   // for /bin/sh; "" when Argv is set
	Argv []string // executed as it is, without a shell; nil when Text is set
}

// String returns the command as a person would type it in a shell.
func (c Command) String() string {
	if c.Argv == nil {
		return c.Text
	}
	words := make([]string, len(c.Argv))
	for i, w := range c.Argv {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// quote returns w as one word of a POSIX shell, in quotes only if it needs them.
func quote(w string) string {
	plain := w != ""
	for _, c := range []byte(w) {
		if !isWordByte(c) && !strings.ContainsRune("%+,-./:=@", rune(c)) {
			plain = false
			break
		}
	}
	if plain {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// isWordByte reports whether c can be in the name of an environment variable.
func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
