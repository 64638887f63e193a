package lint

import (
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starling/builtins/spec"
)

// commands holds hand-rolled-reboot and nohup: what a command does for which there is a builtin or a parameter.
func (p *project) commands(c *call) {
	for i := range c.spec.Params {
		param := &c.spec.Params[i]
		if param.Type != spec.CommandLine {
			continue
		}
		e, _ := c.get(param.Name)
		if e == nil {
			continue
		}
		parts, argv := c.file.command(e)
		p.run(c, e, parts, argv)
	}
}

// run looks at the simple commands of e, and at those that they give to a shell.
func (p *project) run(c *call, e syntax.Expr, parts []simple, argv bool) {
	for _, s := range parts {
		chain := programs(s.words)
		for _, words := range chain {
			if reboots(words) {
				p.report(c.file, HandRolledReboot, syntax.Start(e), "reboot() waits until the host is back, and knows that it was down",
					"%s: %s reboots the host behind the connection's back", c.spec.Name, words[0])
			}
			if name := path.Base(words[0]); name == "nohup" || name == "setsid" || name == "disown" {
				p.report(c.file, BackgroundByShell, syntax.Start(e), "async=SECONDS, poll=0 starts a job that outlives the connection, and whose end can be seen",
					"%s: %s leaves a process behind of which nobody learns how it ends", c.spec.Name, name)
			}
			if at := script(words); at > 0 {
				p.run(c, e, divide(words[at]), false)
			}
		}
	}
	if n := len(parts); n > 0 && !argv && parts[n-1].background && parts[n-1].redirected {
		p.report(c.file, BackgroundByShell, syntax.Start(e), "async=SECONDS, poll=0 starts a job that outlives the connection, and whose end can be seen",
			"%s: & at the end leaves a process behind of which nobody learns how it ends", c.spec.Name)
	}
}

// script returns which of the words is a command that the first one, a shell, is to run (sh -c "…"); 0 if none is.
func script(words []string) int {
	if len(words) == 0 || !shells[path.Base(words[0])] {
		return 0
	}
	for i, w := range words[1:] {
		switch {
		case !strings.HasPrefix(w, "-") || strings.HasPrefix(w, "--"):
			return 0
		case strings.Contains(w, "c") && i+2 < len(words):
			return i + 2
		}
	}
	return 0
}

// command returns the simple commands of a CommandLine as far as they are known; argv says that it is a list, and so
// not for a shell.
func (f *file) command(e syntax.Expr) (parts []simple, argv bool) {
	if items := itemsOf(e); items != nil {
		words := make([]string, len(items))
		for i, item := range items {
			words[i] = string(hole)
			if s, ok := f.constant(item).(starlark.String); ok {
				words[i] = string(s)
			}
		}
		return []simple{{words: words}}, true
	}
	text, known := f.text(e)
	if !known {
		return nil, false
	}
	return divide(text), false
}

// text returns a string with a hole for each part that is not known; known is false if nothing of it is.
func (f *file) text(e syntax.Expr) (text string, known bool) {
	if s, ok := f.constant(e).(starlark.String); ok {
		return string(s), true
	}
	switch e := unparen(e).(type) {
	case *syntax.BinaryExpr:
		switch e.Op {
		case syntax.PLUS:
			a, knownA := f.text(e.X)
			b, knownB := f.text(e.Y)
			return a + b, knownA || knownB
		case syntax.PERCENT:
			if a, ok := f.text(e.X); ok {
				return verbs.ReplaceAllString(a, string(hole)), true
			}
		}
	case *syntax.CallExpr:
		if dot, ok := unparen(e.Fn).(*syntax.DotExpr); ok && dot.Name.Name == "format" {
			if a, ok := f.text(dot.X); ok {
				return fields.ReplaceAllString(a, string(hole)), true
			}
		}
	}
	return string(hole), false
}

var (
	shells = words("sh ash bash dash ksh mksh zsh")
	// prefixes are words of the shell that a command may follow.
	prefixes = words("! { if then else elif do while until time")
	// wrappers are programs that start another, each with its options that take a word.
	wrappers = map[string]string{"sudo": "-u -g -h -p -C -r -t -T -U -D", "doas": "-u -C", "env": "-u -C -S", "nice": "-n", "ionice": "-c -n -p",
		"exec": "-a", "command": "", "builtin": "", "nohup": "", "setsid": "", "stdbuf": "-i -o -e"}
)

// programs returns the command and, if it is one that starts another, that too, each from its name on.
func programs(words []string) [][]string {
	var chain [][]string
	for len(words) > 0 {
		w := words[0]
		name, _, assigns := strings.Cut(w, "=")
		if prefixes[w] || assigns && name != "" && strings.Trim(name, nameBytes) == "" {
			words = words[1:]
			continue
		}
		chain = append(chain, words)
		takes, ok := wrappers[path.Base(w)]
		if !ok {
			break
		}
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "-") {
			n := 1
			if slices.Contains(strings.Fields(takes), words[0]) {
				n = min(2, len(words))
			}
			words = words[n:]
		}
	}
	return chain
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// reboots reports whether a command is one that reboots.
func reboots(words []string) bool {
	args := words[1:]
	has := func(options ...string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return slices.Contains(options, a) })
	}
	switch path.Base(words[0]) {
	case "reboot":
		return !has("--help", "--version", "-p", "--poweroff", "--halt", "-w", "--wtmp-only")
	case "shutdown":
		for _, a := range args {
			if a == "--reboot" || strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.Contains(a, "r") {
				return !has("-c", "--show", "--help")
			}
		}
	case "systemctl":
		for _, a := range args {
			if !strings.HasPrefix(a, "-") {
				return a == "reboot" || a == "soft-reboot" || a == "kexec"
			}
		}
	case "init", "telinit":
		return len(args) == 1 && args[0] == "6"
	}
	return false
}
