package lint

import "regexp"

// verbs are the conversions of the % operator, %% among them; fields those of format().
var (
	verbs  = regexp.MustCompile(`%(\([^)]*\))?[a-zA-Z%]`)
	fields = regexp.MustCompile(`\{[^{}]*\}`)
)

// numeric are the conversions of which the result has nothing in it that a shell would see.
const numeric = "dioxXeEfFgG"

// conversions returns the letters of a format's conversions in order, without %%; named says that they take their
// values by name.
func conversions(format string) (letters string, named bool) {
	for _, v := range verbs.FindAllString(format, -1) {
		if v == "%%" {
			continue
		}
		named = named || len(v) > 2
		letters += v[len(v)-1:]
	}
	return letters, named
}
