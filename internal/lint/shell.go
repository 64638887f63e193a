package lint

import "strings"

// This file divides a command as /bin/sh would, as far as it takes to know which programs it starts. Where the text
// becomes more than that (a here-document), it stops: what is not seen is not reported.

// hole stands for a part of a command that is not known.
const hole = '\uFFFC'

// simple is one command of a list.
type simple struct {
	words      []string
	background bool // ended by &
	redirected bool
}

// divider is the state of divide.
type divider struct {
	text  string
	at    int
	out   []simple
	now   simple
	word  strings.Builder
	begun bool // there is a word, be it empty
	drop  bool // the word to come is the target of a redirection
	stop  bool // behind a here-document's operator: the next newline ends it all
	depth int  // of open parentheses
}

// divide returns the simple commands of a text for /bin/sh, in order. Substitutions are not looked into.
func divide(text string) []simple {
	d := &divider{text: text}
	for d.at < len(text) {
		if !d.step() {
			break
		}
	}
	d.endCommand(false)
	return d.out
}

// peek returns the byte n further on, 0 behind the end.
func (d *divider) peek(n int) byte {
	if d.at+n < len(d.text) {
		return d.text[d.at+n]
	}
	return 0
}

// step takes the next piece of the text and reports whether there is to be another.
func (d *divider) step() bool {
	c := d.text[d.at]
	d.at++
	switch c {
	case ' ', '\t':
		d.endWord()
	case '\n':
		d.endCommand(false)
		return !d.stop
	case ';', '|':
		d.endCommand(false)
	case '(':
		d.endWord()
		if len(d.now.words) == 1 && d.peek(0) == ')' { // name() begins a function
			d.now.words = nil
		}
		d.depth++
		d.endCommand(false)
	case ')':
		if d.depth == 0 { // the pattern of a case
			d.word.Reset()
			d.begun = false
			d.now = simple{}
		}
		d.depth = max(d.depth-1, 0)
		d.endCommand(false)
	case '&':
		switch {
		case d.peek(0) == '&':
			d.at++
			d.endCommand(false)
		case d.peek(0) == '>':
			d.endWord()
		default:
			d.endCommand(true)
		}
	case '<', '>':
		d.redirect(c)
	case '#':
		if d.begun {
			d.put("#")
		} else if end := strings.IndexByte(d.text[d.at:], '\n'); end >= 0 {
			d.at += end
		} else {
			d.at = len(d.text)
		}
	case '\\':
		if next := d.peek(0); next != '\n' && next != 0 {
			d.put(string(next))
		}
		d.at++
	case '\'':
		end := strings.IndexByte(d.text[d.at:], '\'')
		if end < 0 {
			end = len(d.text) - d.at
		}
		d.put(d.text[d.at : d.at+end])
		d.at += end + 1
	case '"':
		d.doubleQuoted()
	case '`':
		end := strings.IndexByte(d.text[d.at:], '`')
		if end < 0 {
			end = len(d.text) - d.at
		}
		d.put(string(hole))
		d.at += end + 1
	case '$':
		d.dollar()
	default:
		d.put(string(c))
	}
	return true
}

func (d *divider) put(text string) {
	d.word.WriteString(text)
	d.begun = true
}

func (d *divider) endWord() {
	if d.begun && !d.drop {
		d.now.words = append(d.now.words, d.word.String())
	}
	if d.begun {
		d.drop = false
	}
	d.word.Reset()
	d.begun = false
}

func (d *divider) endCommand(background bool) {
	d.endWord()
	d.drop = false
	d.now.background = background
	if len(d.now.words) > 0 || d.now.redirected {
		d.out = append(d.out, d.now)
	} else if background && len(d.out) > 0 {
		d.out[len(d.out)-1].background = true // ( ... ) &
	}
	d.now = simple{}
}

// redirect takes a redirection's operator, the c of which is taken already.
func (d *divider) redirect(c byte) {
	if strings.Trim(d.word.String(), "0123456789") == "" { // 2> is about a descriptor
		d.word.Reset()
		d.begun = false
	}
	d.endWord()
	switch next := d.peek(0); {
	case c == '<' && next == '<':
		d.at++
		if d.peek(0) == '<' {
			d.at++
		} else {
			d.stop = true
		}
	case next == '>' || next == '&' || next == '|':
		d.at++
	}
	d.now.redirected = d.now.redirected || c == '>'
	d.drop = true
}

func (d *divider) doubleQuoted() {
	d.begun = true
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch c {
		case '"':
			return
		case '\\':
			d.put(string(d.peek(0)))
			d.at++
		case '$':
			d.dollar()
		default:
			d.put(string(c))
		}
	}
}

// dollar takes an expansion, of which the value is not known.
func (d *divider) dollar() {
	d.put(string(hole))
	opening, closing := d.peek(0), byte(0)
	switch opening {
	case '(':
		closing = ')'
	case '{':
		closing = '}'
	default:
		for isNameByte(d.peek(0)) {
			d.at++
		}
		return
	}
	for depth := 0; d.at < len(d.text); {
		switch d.text[d.at] {
		case opening:
			depth++
		case closing:
			depth--
		}
		d.at++
		if depth == 0 {
			return
		}
	}
}

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
