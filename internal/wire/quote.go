package wire

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	idForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{15,63}$`)
	nonceForm = regexp.MustCompile(`^[A-Za-z0-9]{16,64}$`)
	nameForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// ValidID reports whether id can name a job: 16 to 64 letters, digits, dashes
// and underscores, no dash first.
func ValidID(id string) bool { return idForm.MatchString(id) }

// ValidNonce reports whether s can be a nonce: 16 to 64 letters and digits,
// of which at least 96 bits should be random.
func ValidNonce(s string) bool { return nonceForm.MatchString(s) }

// raw quotes s as one shell word, byte for byte. For files, which may hold any byte.
func raw(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ascii quotes s as one shell word in pure ASCII, for script text: a channel
// counts its script in characters, and a strict shell refuses other bytes.
func ascii(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 })
		if n < 0 {
			n = len(s)
		}
		if n > 0 {
			b.WriteString(raw(s[:n]))
			s = s[n:]
			continue
		}
		b.WriteString(`"$(printf '`)
		for len(s) > 0 && s[0] >= 0x80 {
			fmt.Fprintf(&b, `\%03o`, s[0])
			s = s[1:]
		}
		b.WriteString(`')"`)
	}
	if b.Len() == 0 {
		return "''"
	}
	return b.String()
}
