package lint

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// switches are the comments of a file that switch rules off.
type switches struct {
	whole []Rule         // # lint: ignore-file=rule
	lines map[int][]Rule // # lint: ignore=rule behind a statement, by line
	above map[int][]Rule // the same on a line of its own, by the line of what follows
	spans map[int][2]int // the first and last line of the simple statement that a line is part of
}

func readSwitches(tree *syntax.File) *switches {
	s := &switches{lines: map[int][]Rule{}, above: map[int][]Rule{}, spans: map[int][2]int{}}
	top := topOf(tree)
	own := map[int][]Rule{}
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n.(type) {
		case nil:
			return false
		case *syntax.AssignStmt, *syntax.ExprStmt, *syntax.ReturnStmt, *syntax.LoadStmt:
			from, to := n.Span()
			for line := from.Line; line <= to.Line; line++ {
				s.spans[int(line)] = [2]int{int(from.Line), int(to.Line)}
			}
		}
		comments := n.Comments()
		if comments == nil {
			return true
		}
		for _, c := range slices.Concat(comments.Before, comments.After) {
			own[int(c.Start.Line)] = directive(c.Text, "ignore")
			if c.Start.Line < top {
				s.whole = append(s.whole, directive(c.Text, "ignore-file")...)
			}
		}
		for _, c := range comments.Suffix {
			s.lines[int(c.Start.Line)] = append(s.lines[int(c.Start.Line)], directive(c.Text, "ignore")...)
		}
		return true
	})
	for line, rules := range own {
		next := line + 1
		for ; isKey(own, next); next++ { // a block of comments belongs to what follows it
		}
		s.above[next] = append(s.above[next], rules...)
	}
	return s
}

func isKey(m map[int][]Rule, line int) bool { _, ok := m[line]; return ok }

// topOf returns the line of the first statement that is not the file's own documentation.
func topOf(tree *syntax.File) int32 {
	for _, stmt := range tree.Stmts {
		if e, ok := stmt.(*syntax.ExprStmt); ok {
			if l, ok := e.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
				continue
			}
		}
		return syntax.Start(stmt).Line
	}
	return 1 << 30
}

// directive returns the rules of a comment of the form "# lint: verb=rule,rule"; what follows a space is a remark.
func directive(comment, verb string) []Rule {
	text := strings.TrimSpace(strings.TrimLeft(comment, "#"))
	text, ok := strings.CutPrefix(text, "lint:")
	if !ok {
		return nil
	}
	text, ok = strings.CutPrefix(strings.TrimSpace(text), verb+"=")
	if !ok {
		return nil
	}
	var rules []Rule
	for _, part := range strings.Split(text, ",") {
		name, remark, _ := strings.Cut(strings.TrimSpace(part), " ")
		rules = append(rules, Rule(name))
		if remark != "" {
			break
		}
	}
	return rules
}

// ignores reports whether a rule is switched off for a line: for the file, or by a comment on the line, on the first
// or last line of the simple statement it is part of, or above one of these.
func (s *switches) ignores(rule Rule, line int) bool {
	if slices.Contains(s.whole, rule) {
		return true
	}
	at := []int{line}
	if span, ok := s.spans[line]; ok {
		at = append(at, span[0], span[1])
	}
	return slices.ContainsFunc(at, func(l int) bool {
		return slices.Contains(s.lines[l], rule) || slices.Contains(s.above[l], rule)
	})
}
