package inventory

import (
	"regexp"
	"strings"
)

// isGlob reports whether a name of a pattern holds * or ? or a class of characters.
func isGlob(name string) bool { return strings.ContainsAny(name, "*?[") }

// globPattern turns a shell's glob into a regular expression for whole names; * matches dots and slashes, too.
func globPattern(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`^(?s:`)
	for rest := glob; rest != ""; {
		switch c := rest[0]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			if n := classLength(rest); n > 0 {
				class := rest[1 : n-1]
				b.WriteString("[")
				if class[0] == '!' {
					b.WriteString("^")
					class = class[1:]
				}
				b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`).Replace(class) + "]")
				rest = rest[n:]
				continue
			}
			b.WriteString(`\[`)
		default:
			n := strings.IndexAny(rest, "*?[")
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			rest = rest[n:]
			continue
		}
		rest = rest[1:]
	}
	b.WriteString(`)$`)
	return regexp.Compile(b.String())
}

// classLength is how long the class at the begin of s is, brackets included; 0 when it has no end.
func classLength(s string) int {
	from := 1
	if strings.HasPrefix(s[from:], "!") {
		from++
	}
	if strings.HasPrefix(s[from:], "]") { // one in the first place is a member
		from++
	}
	end := strings.IndexByte(s[min(from, len(s)):], ']')
	if end < 0 {
		return 0
	}
	return from + end + 1
}

// near returns the name that is most like the one wanted, or "" when none is much like it.
func near(want string, names []string) string {
	best, distance := "", max(1, len(want)/3)+1
	for _, name := range names {
		if d := edits(strings.ToLower(want), strings.ToLower(name), distance); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// edits counts the bytes to change, add, drop or swap with a neighbour between a and b; limit or more when it is not
// less than limit.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
