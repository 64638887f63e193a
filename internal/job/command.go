package job

import (
	"slices"
	"strings"
	"time"
)

// Command is what a script wants executed on a host.
type Command struct {
	Name    string   // the script's label; may be ""
	Pos     string   // where in the script
	Text    string   // for /bin/sh; "" when Argv is set
	Argv    []string // executed as it is, without a shell; nil when Text is set
	Display string   // the command as a person would type it
	Env     []string // K=V, sorted, names unique
	Chdir   string   // "" is the home
	Stdin   []byte   // nil is an empty input
	// Step identifies the call in its run, so that a resumed run takes up the job it started; "" is none.
	Step string
	// Key names the job on its host: one under the same key that nobody has reaped is taken up in place of a new one,
	// whoever started it. "" is none.
	Key     string
	OKCodes []int // exit codes that are a success; nil is zero alone
	// Watch, when not nil, gets what an attached command writes, as it comes; both streams may call it at a time.
	Watch func(from Stream, p []byte)
	// Limit is the ceiling that the host keeps for a detached job; 0 is none.
	Limit time.Duration
}

// env returns the environment by name.
func (c *Command) env() map[string]string {
	m := make(map[string]string, len(c.Env))
	for _, pair := range c.Env {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = value
	}
	return m
}

// label is what progress calls the command: its name, else its first line.
func (c *Command) label() string {
	if c.Name != "" {
		return c.Name
	}
	line, _, cut := strings.Cut(c.Display, "\n")
	if cut {
		line += " …"
	}
	return line
}

// okay reports whether an exit code is a success for the command.
func okay(codes []int, rc int) bool {
	if codes == nil {
		return rc == 0
	}
	return slices.Contains(codes, rc)
}
