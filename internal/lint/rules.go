package lint

// Rule is the stable name of a rule, as findings and the comments that switch it off spell it.
type Rule string

// The rules. docs/lint.md has a bad and a good example of each.
const (
	Unreaped          Rule = "unreaped"
	GivesUpEarly      Rule = "gives-up-early"
	NoHeadroom        Rule = "no-headroom"
	PollWithoutAsync  Rule = "poll-without-async"
	PollAboveAsync    Rule = "poll-above-async"
	EachAtTopLevel    Rule = "each-at-top-level"
	HostEffect        Rule = "host-effect-in-library"
	UnknownKeyword    Rule = "unknown-keyword"
	WrongType         Rule = "wrong-type"
	Undefined         Rule = "undefined"
	UnusedLoad        Rule = "unused-load"
	RetriesNoReap     Rule = "retries-without-reap"
	ShellString       Rule = "shell-string-from-variable"
	HandRolledReboot  Rule = "hand-rolled-reboot"
	BackgroundByShell Rule = "nohup"
)

// Rules returns all rules, in the order of the documentation.
func Rules() []Rule {
	return []Rule{Unreaped, RetriesNoReap, GivesUpEarly, NoHeadroom, PollWithoutAsync, PollAboveAsync, EachAtTopLevel,
		HostEffect, UnknownKeyword, WrongType, Undefined, UnusedLoad, ShellString, HandRolledReboot, BackgroundByShell}
}

// Severity is error for what will certainly go wrong, warning for the rest.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Severity returns the severity of every finding of the rule.
func (r Rule) Severity() Severity {
	switch r {
	case Unreaped, PollWithoutAsync, EachAtTopLevel, HostEffect, UnknownKeyword, WrongType, Undefined:
		return Error
	}
	return Warning
}
