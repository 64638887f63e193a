package lint

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// names holds the rules undefined and unused-load; what else the resolver has against the file is an error.
func (p *project) names(f *file) {
	for _, fault := range f.faults {
		name, ok := strings.CutPrefix(fault.Msg, "undefined: ")
		if !ok {
			p.errs = append(p.errs, fault)
			continue
		}
		name, near, _ := strings.Cut(name, " (did you mean ")
		near = strings.TrimSuffix(near, "?)")
		if near == "" {
			near = p.nearest(name)
		}
		hint := ""
		if near != "" {
			hint = "did you mean " + near + "?"
		}
		p.report(f, Undefined, fault.Pos, hint, "undefined: %s", name)
	}
	for _, l := range f.loadStmts {
		for _, to := range l.To {
			if f.used(to) || to.Name == "" {
				continue
			}
			hint := "remove it from the load"
			if len(l.To) == 1 {
				hint = "remove the load"
			}
			p.report(f, UnusedLoad, to.NamePos, hint, "%s is loaded and never used", to.Name)
		}
	}
}

// used reports whether what a load statement binds is read anywhere. A name that the resolver did not come to is.
func (f *file) used(to *syntax.Ident) bool {
	v := first(to)
	return v == nil || f.reads[v] > 0
}

// nearest returns the name of the vocabulary or of the language that is most like name, or "".
func (p *project) nearest(name string) string {
	vocabulary, language := slices.Sorted(maps.Keys(p.known)), slices.Sorted(maps.Keys(starlark.Universe))
	return spec.Nearest(name, append(vocabulary, language...)) // the first of those that are equally near
}
