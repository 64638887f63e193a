package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// piece is text that stays, with its line feeds.
type piece struct {
	toOut bool
	text  string
}

// scroll is what goes up the screen, in order.
type scroll []piece

func (s *scroll) add(toOut bool, text string) {
	if n := len(*s); n > 0 && (*s)[n-1].toOut == toOut {
		(*s)[n-1].text += text
		return
	}
	*s = append(*s, piece{toOut: toOut, text: text})
}

// screen writes what stays and keeps the live area below it. The live area is on err; out may be the same terminal.
type screen struct {
	out, err io.Writer
	drawn    []string // the lines of the live area; the cursor stands at the end of the last
	failed   error    // the first error in writing
}

// update writes text and leaves live, lines of fewer than cols columns, as the live area. Each writer gets one Write
// where the two are not mixed, so that nothing flickers.
func (s *screen) update(text scroll, live []string, cols int) {
	if len(text) == 0 {
		if !slices.Equal(live, s.drawn) {
			if len(live) > 0 {
				s.write(s.err, s.home(cols)+draw(live))
			} else {
				s.write(s.err, s.erase(cols))
			}
			s.drawn = live
		}
		return
	}
	pending := s.erase(cols)
	for _, p := range text {
		if !p.toOut {
			pending += p.text
			continue
		}
		s.write(s.err, pending)
		pending = ""
		s.write(s.out, p.text)
	}
	if len(live) > 0 {
		pending += draw(live)
	}
	s.write(s.err, pending)
	s.drawn = live
}

// clear takes the live area away.
func (s *screen) clear() { s.update(nil, nil, 0) }

// home moves the cursor to the beginning of the live area.
func (s *screen) home(cols int) string {
	if rows := s.rows(cols); rows > 1 {
		return fmt.Sprintf("\r\x1b[%dA", rows-1)
	}
	return "\r"
}

// erase takes the live area off the terminal and leaves the cursor where it began. The first row is erased by itself:
// what a terminal such as tmux erases from the upper left corner on, it keeps as if it had been text.
func (s *screen) erase(cols int) string {
	switch s.rows(cols) {
	case 0:
		return ""
	case 1:
		return "\r\x1b[K"
	}
	return s.home(cols) + "\x1b[K\n\x1b[J\x1b[1A"
}

// rows is how many rows the live area takes. A terminal that has become narrower since may have folded its lines; cols
// is its present width, or 0 when that is not known.
func (s *screen) rows(cols int) int {
	rows := 0
	for _, line := range s.drawn {
		rows++
		if w := runewidth.StringWidth(strip(line)); cols > 0 && w > cols {
			rows += (w - 1) / cols
		}
	}
	return rows
}

// draw writes lines over older ones: each ends by erasing what an older one has left, and so does the whole.
func draw(lines []string) string {
	return strings.Join(lines, "\x1b[K\n") + "\x1b[J"
}

func (s *screen) write(w io.Writer, text string) {
	if text == "" {
		return
	}
	if _, err := io.WriteString(w, text); err != nil && s.failed == nil {
		s.failed = err
	}
}

// strip takes our own colours off a line.
func strip(line string) string {
	for {
		before, rest, found := strings.Cut(line, "\x1b[")
		if !found {
			return line
		}
		_, after, _ := strings.Cut(rest, "m")
		line = before + after
	}
}
