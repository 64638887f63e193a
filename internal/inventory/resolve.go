package inventory

import (
	"slices"

	"starling/internal/transport"
)

// resolve works out the groups and the variables of h. The order is Ansible's: what inventories say of all and of the
// groups, deeper groups later; then group_vars/ of all, then of the groups, source by source; then the host's own; then
// host_vars/. The later replaces the earlier, also where both are dicts.
func resolve(t *tree, h *host) Host {
	out := Host{
		Target:    transport.Target{Name: h.name},
		Vars:      map[string]any{},
		VarSource: map[string]string{},
	}
	lay := func(layer vars, g *group) {
		for name, v := range layer {
			out.Vars[name], out.VarSource[name] = v.value, v.source
			if g != nil {
				out.VarSource[name] += " (group " + g.name + ")"
			}
		}
	}
	all, groups := t.all(), h.byPrecedence(t.all())
	lay(all.vars, all)
	for _, g := range groups {
		lay(g.vars, g)
		out.Groups = append(out.Groups, g.name)
	}
	for _, layer := range all.files {
		lay(layer, all)
	}
	for source := range all.files {
		for _, g := range groups {
			lay(g.files[source], g)
		}
	}
	lay(h.vars, nil)
	for _, layer := range h.files {
		lay(layer, nil)
	}
	slices.Sort(out.Groups)
	return out
}
