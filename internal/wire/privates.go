package wire

import (
	"regexp"
	"slices"
	"strings"
)

var (
	functionForm = regexp.MustCompile(`(?m)^(?:\*MIRBSD\*\) )?(_sl_?[a-z]+)\(\)`)
	variableForm = regexp.MustCompile(`\b_sl[A-Za-z0-9]+\b`)
)

// privates is the shell text that forgets every function and variable of a
// channel, found in the texts themselves so that none can be left out.
func privates() string {
	text := commonText + preludeText + boot
	var functions []string
	for _, m := range functionForm.FindAllStringSubmatch(text, -1) {
		functions = append(functions, m[1])
	}
	functions = append(functions, "_slput")
	variables := variableForm.FindAllString(text, -1)
	slices.Sort(functions)
	slices.Sort(variables)
	functions, variables = slices.Compact(functions), slices.Compact(variables)
	variables = slices.DeleteFunc(variables, func(v string) bool { return slices.Contains(functions, v) })
	return "unset -f " + strings.Join(functions, " ") + ";unset " + strings.Join(variables, " ") + " _slsup;"
}
