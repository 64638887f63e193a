package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// This file reads ssh_config(5) for one host: Host, Match and Include, quoting, and the rule that the first value of
// a keyword wins. What the values mean is settings.go's. There is a parser of our own here because a library's
// refuses a file with Match final in it, which whole distributions ship, and looks for includes in the home directory
// of the process.

const maxIncludeDepth = 16 // as in OpenSSH

// value is what one line of a config gave to a keyword.
type value struct {
	args  []string
	where string // file:line
}

// lookup collects what the config says about one host.
type lookup struct {
	names     []string // what Host patterns are matched against
	original  string   // what the user called the host, for Match originalhost
	localUser string
	home      string
	user      string // the target's own user, which wins over the config's in Match user
	final     bool   // the second pass, asked for by a Match final
	wantFinal bool
	values    map[string][]value // by lower-case keyword; one entry but for those that add up
}

var addsUp = map[string]bool{"identityfile": true, "certificatefile": true}

// first returns the value of a keyword, or nil.
func (l *lookup) first(keyword string) *value {
	if values := l.values[keyword]; len(values) > 0 {
		return &values[0]
	}
	return nil
}

// read reads the files in order; the first value found wins. A missing file is an error only when it is required.
func (l *lookup) read(files []string, required bool) error {
	for _, pass := range []bool{false, true} {
		if pass && !l.wantFinal {
			break
		}
		l.final = pass
		for _, file := range files {
			err := l.readFile(file, true, 0)
			if errors.Is(err, fs.ErrNotExist) && !required {
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// readFile reads one file. When reachable is false no Host or Match in it can apply: it is included from a block
// that does not.
func (l *lookup) readFile(file string, reachable bool, depth int) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	active := reachable
	for number, line := range strings.Split(string(text), "\n") {
		where := fmt.Sprintf("%s:%d", file, number+1)
		keyword, args, err := splitLine(line)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		switch keyword {
		case "":
		case "host":
			active = reachable && l.matchesAny(args)
		case "match":
			matches, err := l.match(args)
			if err != nil && reachable {
				return fmt.Errorf("%s: %w", where, err)
			}
			active = reachable && matches
		case "include":
			if err := l.include(file, args, active, depth); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		default:
			if len(args) == 0 {
				return fmt.Errorf("%s: %s has no value", where, keyword)
			}
			if active {
				l.set(keyword, value{args, where})
			}
		}
	}
	return nil
}

func (l *lookup) set(keyword string, v value) {
	have := l.values[keyword]
	if len(have) > 0 && !addsUp[keyword] {
		return
	}
	for _, old := range have {
		if strings.Join(old.args, " ") == strings.Join(v.args, " ") {
			return // the second pass finds the same lines again
		}
	}
	l.values[keyword] = append(have, v)
}

func (l *lookup) include(from string, patterns []string, active bool, depth int) error {
	if depth == maxIncludeDepth {
		return errors.New("files include one another too deep")
	}
	for _, pattern := range patterns {
		switch {
		case strings.HasPrefix(pattern, "~/"):
			pattern = filepath.Join(l.home, pattern[2:])
		case filepath.IsAbs(pattern):
		case strings.HasPrefix(from, "/etc/ssh/"):
			pattern = filepath.Join("/etc/ssh", pattern)
		default:
			pattern = filepath.Join(l.home, ".ssh", pattern)
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("including %s: %w", pattern, err)
		}
		for _, file := range files {
			if err := l.readFile(file, active, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lookup) matchesAny(patterns []string) bool {
	found := false
	for _, name := range l.names {
		switch matchList(patterns, name) {
		case -1:
			return false
		case 1:
			found = true
		}
	}
	return found
}

// match evaluates the criteria of a Match line. One that is not known is an error, unless another has already ruled
// the block out: whether the block applies is then not for us to guess.
func (l *lookup) match(criteria []string) (bool, error) {
	result, unknown := true, ""
	for i := 0; i < len(criteria); i++ {
		criterion, negated := strings.ToLower(criteria[i]), false
		if strings.HasPrefix(criterion, "!") {
			criterion, negated = criterion[1:], true
		}
		criterion, argument, hasArgument := strings.Cut(criterion, "=")
		takes := criterion != "all" && criterion != "final" && criterion != "canonical"
		if takes && !hasArgument {
			if i++; i == len(criteria) {
				return false, fmt.Errorf("criterion %s of Match has no argument", criterion)
			}
			argument = criteria[i]
		}
		patterns := strings.Split(argument, ",")
		holds := false
		switch criterion {
		case "all":
			holds = true
		case "final":
			l.wantFinal = true
			holds = l.final
		case "canonical": // names are never canonicalised here
		case "host":
			host := l.names
			if v := l.first("hostname"); v != nil {
				host = []string{strings.ReplaceAll(v.args[0], "%h", l.original)}
			}
			for _, name := range host {
				holds = holds || matchList(patterns, name) == 1
			}
		case "originalhost":
			holds = matchList(patterns, l.original) == 1
		case "user":
			name := l.localUser
			if v := l.first("user"); v != nil {
				name = v.args[0]
			}
			if l.user != "" {
				name = l.user
			}
			holds = matchList(patterns, name) == 1
		case "localuser":
			holds = matchList(patterns, l.localUser) == 1
		default:
			unknown = criterion
			continue
		}
		result = result && holds != negated
	}
	if result && unknown != "" {
		return false, fmt.Errorf("criterion %s of Match is not supported", unknown)
	}
	return result, nil
}

// matchList returns 1 when name matches one of the patterns, -1 when it matches a negated one, and 0 otherwise.
func matchList(patterns []string, name string) int {
	result := 0
	for _, pattern := range patterns {
		negated := strings.HasPrefix(pattern, "!")
		if !matchPattern(strings.ToLower(strings.TrimPrefix(pattern, "!")), strings.ToLower(name)) {
			continue
		}
		if negated {
			return -1
		}
		result = 1
	}
	return result
}

// matchPattern knows * and ?; nothing else is special, so what path.Match would take as special is escaped.
func matchPattern(pattern, name string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == name // as nearly all are, in a file with a block per host of a fleet
	}
	escaped := strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(pattern)
	// In path.Match a * stops at a slash, which no host name has; a user name may.
	matched, err := path.Match(strings.ReplaceAll(escaped, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
	return err == nil && matched
}

// splitLine splits a line into its keyword, in lower case, and its arguments. An empty line or a comment has none.
func splitLine(line string) (keyword string, args []string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), nil, nil
	}
	keyword = strings.ToLower(line[:end])
	rest := strings.TrimLeft(line[end:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	args, err = splitArgs(rest)
	return keyword, args, err
}

// splitArgs splits at blanks. Quotes of either kind hold blanks together, a backslash takes a quote or itself
// literally, and a # at the start of a word begins a comment.
func splitArgs(text string) ([]string, error) {
	var args []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`"'\`, text[i+1]) >= 0:
			i++
			word.WriteByte(text[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				args = append(args, word.String())
			}
			word.Reset()
			inWord = false
		case c == '#' && !inWord:
			return args, nil
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("unbalanced quote")
	}
	if inWord {
		args = append(args, word.String())
	}
	return args, nil
}
