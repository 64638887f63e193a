package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// foldFrom is how many names in a row are worth a range.
const foldFrom = 3

// foldable is a name with a number in it: what stands before its last number, that, and what stands behind it.
var foldable = regexp.MustCompile(`^([^\[\]]*?)([0-9]{1,9})([^0-9\[\]]*)$`)

// Fold writes names that count up as ranges: web1, web2, web3, db is web[1:3], db. The order stays, and Expand gives
// back exactly the names.
func Fold(names []string) []string {
	var out []string
	for len(names) > 0 {
		n, text := foldRun(names)
		if n < foldFrom {
			n, text = 1, names[0]
		}
		out = append(out, text)
		names = names[n:]
	}
	return out
}

// foldRun returns how many of the names, from the first on, are one range, and that range.
func foldRun(names []string) (n int, text string) {
	m := foldable.FindStringSubmatch(names[0])
	if m == nil {
		return 1, names[0]
	}
	first, _ := strconv.Atoi(m[2])
	width := 0 // as many digits as the number has, where these are not all its own
	if strings.HasPrefix(m[2], "0") && len(m[2]) > 1 {
		width = len(m[2])
	}
	last := m[2]
	for n = 1; n < len(names); n++ {
		next := fmt.Sprintf("%0*d", width, first+n)
		if width > 0 && len(next) > width || names[n] != m[1]+next+m[3] {
			break
		}
		last = next
	}
	return n, m[1] + "[" + m[2] + ":" + last + "]" + m[3]
}
