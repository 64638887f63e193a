package spec

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate reports everything that is wrong with the Spec itself: a missing sentence, a default that is not of its
// type, parameters out of order. parse reads a piece of a script and is asked for the Example; nil leaves that out.
// It is for tests, which find all faults at once in the joined error.
func (s *Spec) Validate(parse func(src string) error) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(s.Name+": "+format, args...))
	}
	if !nameForm.MatchString(s.Name) {
		fault("%q is no name of a builtin", s.Name)
	}
	if !sentence(s.Summary) || strings.Contains(s.Summary, "\n") {
		fault("summary must be one line that begins with a capital: %q", s.Summary)
	}
	if !sentence(s.Returns) {
		fault("returns must be a sentence: %q", s.Returns)
	}
	if s.Fails != "" && !sentence(s.Fails) {
		fault("fails must be a sentence: %q", s.Fails)
	}
	seen := map[string]bool{}
	for i := range s.Params {
		p := &s.Params[i]
		if seen[p.Name] {
			fault("parameter %s is there twice", p.Name)
		}
		seen[p.Name] = true
		if i > 0 && p.Positional && !s.Params[i-1].Positional {
			fault("parameter %s is positional, but the one before it is not", p.Name)
		}
		if i > 0 && p.Positional && p.Required && !s.Params[i-1].Required {
			fault("parameter %s is required, but the one before it is not", p.Name)
		}
		for _, err := range p.faults() {
			fault("parameter %s: %w", p.Name, err)
		}
	}
	switch {
	case strings.TrimSpace(s.Example) == "":
		fault("there is no example")
	case !strings.Contains(s.Example, s.Name):
		fault("the example does not use it")
	case parse != nil:
		if err := parse(s.Example); err != nil {
			fault("example: %w", err)
		}
	}
	return errors.Join(faults...)
}

func (p *Param) faults() []error {
	var faults []error
	if !nameForm.MatchString(p.Name) {
		faults = append(faults, fmt.Errorf("%q is no name", p.Name))
	}
	if p.Type < String || p.Type > Any {
		faults = append(faults, errors.New("it has no type"))
	}
	if !sentence(p.Doc) {
		faults = append(faults, fmt.Errorf("doc must be a sentence: %q", p.Doc))
	}
	if p.Choices != nil && p.Type != String {
		faults = append(faults, errors.New("only a string has choices"))
	}
	if p.Required != (p.Default == "") {
		return append(faults, errors.New("it needs either a default or to be required"))
	}
	if p.Required {
		return faults
	}
	v, err := p.defaultValue()
	if err == nil {
		_, err = p.convert(v)
	}
	if err != nil {
		faults = append(faults, fmt.Errorf("default %s: %w", p.Default, err))
	}
	return faults
}

// sentence reports whether text begins as one: a capital, a quote, or something that is not a letter.
func sentence(text string) bool {
	return len(text) > 2 && text == strings.TrimSpace(text) && !('a' <= text[0] && text[0] <= 'z')
}
