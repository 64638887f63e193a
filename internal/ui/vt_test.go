package ui

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"
)

// vt is a terminal, as far as this package uses one: lines that scroll, CR, LF, cursor up, erase, colours. Anything
// else that reaches it is an error: it would be text that drives the terminal.
type vt struct {
	t      *testing.T
	mu     sync.Mutex
	cols   int
	lines  [][]rune
	row    int
	col    int
	writes int
}

func newVT(t *testing.T, cols int) *vt { return &vt{t: t, cols: cols, lines: [][]rune{nil}} }

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes++
	rs := []rune(string(p))
	for i := 0; i < len(rs); i++ {
		switch r := rs[i]; {
		case r == '\r':
			v.col = 0
		case r == '\n': // the tty adds the carriage return
			v.down()
			v.col = 0
		case r == 0x1b:
			require.Equal(v.t, '[', rs[i+1])
			end := i + 2
			for rs[end] < '@' {
				end++
			}
			v.control(string(rs[i+2:end]), rs[end])
			i = end
		default:
			require.False(v.t, unsafe(r), "%U reached the terminal", r)
			v.put(r)
		}
	}
	return len(p), nil
}

func (v *vt) down() {
	if v.row++; v.row == len(v.lines) {
		v.lines = append(v.lines, nil)
	}
}

func (v *vt) put(r rune) {
	w := runewidth.RuneWidth(r)
	if v.col+w > v.cols {
		v.down()
		v.col = 0
	}
	line := v.lines[v.row]
	for len(line) < v.col+w {
		line = append(line, ' ')
	}
	line[v.col] = r
	for i := 1; i < w; i++ {
		line[v.col+i] = 0
	}
	v.lines[v.row] = line
	v.col += w
}

func (v *vt) control(arg string, final rune) {
	switch final {
	case 'A':
		n := 0
		_, err := fmt.Sscan(arg, &n)
		require.NoError(v.t, err)
		require.LessOrEqual(v.t, n, v.row)
		v.row -= n
	case 'J':
		require.False(v.t, v.row == 0 && v.col == 0, "tmux keeps what stands on a screen that is erased from its beginning on")
		v.lines = v.lines[:v.row+1]
		fallthrough
	case 'K':
		if v.col < len(v.lines[v.row]) {
			v.lines[v.row] = v.lines[v.row][:v.col]
		}
	case 'm':
	default:
		v.t.Errorf("control sequence %q %q", arg, final)
	}
}

// screen returns all that has been written and not erased, scrolled away or not.
func (v *vt) screen() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	for _, line := range v.lines {
		b.WriteString(strings.TrimRight(strings.ReplaceAll(string(line), "\x00", ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (v *vt) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.writes
}
