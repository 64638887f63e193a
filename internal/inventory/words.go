package inventory

import (
	"errors"
	"strings"
)

// splitWords splits a line as a POSIX shell would, without expanding anything: quotes, backslashes, and a comment from
// a # to the end. As in Python's shlex, which reads Ansible's INI, that # may stand within a word.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	end := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
		}
		inWord = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\r', '\n':
			end()
		case '#':
			end()
			return words, nil
		case '\'', '"':
			length, err := quoted(line[i:], &word)
			if err != nil {
				return nil, err
			}
			inWord = true
			i += length - 1
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("a backslash at the end of the line")
			}
			word.WriteByte(line[i])
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	end()
	return words, nil
}

// quoted appends what the quotes at the begin of s hold and returns how long they are.
func quoted(s string, word *strings.Builder) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, errors.New("a quote without its end")
}
