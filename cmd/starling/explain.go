package main

import (
	"fmt"
	"slices"

	"starling/internal/ui"
	"starling/interp"
)

// mostExplained is how many hosts' errors a terminal is given in full, ahead of the recap.
const mostExplained = 5

// explain prints the errors of the hosts, each with its traceback. The recap comes behind it, to be what stays on the
// screen. A terminal is not flooded: of many errors it gets some, of as many places as can be, and -v gives it all.
func (r *root) explain(view *ui.UI, outcomes []interp.Outcome) {
	view.Flush()
	goOn := view.Pause()
	defer goOn()
	most := len(outcomes)
	if _, terminal := asTerminal(r.io.err); terminal && r.flags.verbose == 0 {
		most = mostExplained
	}
	tell, rest := choose(outcomes, most)
	for _, o := range tell {
		r.voice().script(o.Host, o.Err)
	}
	if rest > 0 {
		fmt.Fprintf(r.io.err, "\n… and %s more, each with a line above; -v shows all in full\n", some(rest, "host"))
	}
}

// choose returns at most so many of the outcomes that are errors, of different places before those of the same place,
// and how many it has left out. What was interrupted on many hosts needs no explanation.
func choose(outcomes []interp.Outcome, most int) (chosen []interp.Outcome, rest int) {
	before := map[string]int{} // errors of the same place
	rank := map[string]int{}   // of a host: how many there were when its turn came
	for _, o := range outcomes {
		if o.Err == nil || len(outcomes) > 1 && interp.StateOf(o.Err) == "interrupted" {
			continue
		}
		place := interp.Place(o.Err)
		rank[o.Host] = before[place]
		before[place]++
		chosen = append(chosen, o)
	}
	slices.SortStableFunc(chosen, func(a, b interp.Outcome) int { return rank[a.Host] - rank[b.Host] })
	rest = max(len(chosen)-most, 0)
	return chosen[:len(chosen)-rest], rest
}
