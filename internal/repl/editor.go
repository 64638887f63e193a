// Package repl reads lines from a person: with editing, history and completion on a terminal, as they come from a
// pipe. It evaluates nothing and knows no Starlark; when a statement is complete is for its caller to say.
//
// The editing is github.com/peterh/liner's. Next to reeflective/readline it has no vi mode and reads no inputrc. It
// was chosen because it is a tenth of the size, never asks the terminal where the cursor is (an answer that comes
// late, over a slow line or from a terminal that gives none, ends up in the text), and lets Ctrl-C raise an interrupt
// again as soon as a line is entered, so that what the line started can be stopped.
package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/peterh/liner"
	"golang.org/x/term"
)

// ErrInterrupt is Ctrl-C while a line is edited: the line is given up, the editor goes on.
var ErrInterrupt = errors.New("interrupted")

// indent is what the Tab key enters where there is nothing to complete, and what a tab in pasted text becomes.
const indent = "    "

// Config says how an Editor behaves. Its zero value keeps no history and completes nothing.
type Config struct {
	// History is the file that keeps the lines entered on a terminal, newest last. It and its folder are made when
	// missing, with modes 0600 and 0700. "" keeps them in memory only.
	History string
	// Complete returns what may stand in place of the word that ends at byte pos of line, whole words and in the
	// order to show; a word is letters, digits, '_' and '.'. It is not called where there is no word and only
	// blanks before pos. nil completes nothing.
	Complete func(line string, pos int) []string
}

// Editor reads lines from standard input. There may be one at a time, used by one goroutine.
type Editor struct {
	complete func(line string, pos int) []string
	history  *history
	state    *liner.State  // nil without a terminal that can do it
	plain    *bufio.Reader // then this
	prompts  io.Writer     // where plain shows the prompt; nil for nowhere
}

// New takes hold of standard input. When that and standard output are a terminal that can move its cursor, the lines
// are edited there, and Close must be called before the program ends, or the terminal stays without echo. Otherwise
// lines are read as they are, and a prompt is shown, on standard error, only to a person who types them in. An error
// is about the history: the editor works all the same, without the file.
func New(c Config) (*Editor, error) {
	e := &Editor{complete: c.Complete}
	if !terminal(os.Stdin) || !terminal(os.Stdout) || !liner.TerminalSupported() {
		e.plain = bufio.NewReader(os.Stdin)
		if terminal(os.Stdin) && terminal(os.Stderr) {
			e.prompts = os.Stderr
		}
		return e, nil
	}
	var err error
	e.history, err = openHistory(c.History)
	e.state = liner.NewLiner()
	e.state.SetCtrlCAborts(true)
	e.state.SetTabCompletionStyle(liner.TabPrints)
	e.state.SetWordCompleter(e.words)
	e.recall()
	return e, err
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Interactive reports whether a person edits the lines on a terminal.
func (e *Editor) Interactive() bool { return e.state != nil }

// ReadLine shows prompt, which must be printable text without escape sequences, and returns the next line without its
// end. io.EOF is Ctrl-D on an empty line, or the end of the input (a last line without an end is returned first);
// ErrInterrupt is Ctrl-C. Without editing Ctrl-C is a signal, as for any program.
//
// A line goes into the history unless it is blank or the one before again.
func (e *Editor) ReadLine(prompt string) (string, error) {
	if e.state == nil {
		return e.readPlain(prompt)
	}
	line, err := e.state.Prompt(prompt)
	switch {
	case errors.Is(err, liner.ErrPromptAborted):
		return "", ErrInterrupt
	case errors.Is(err, io.EOF):
		return "", io.EOF
	case err != nil:
		return "", fmt.Errorf("line editor: %w", err)
	}
	if e.history.add(line) {
		e.recall()
	}
	return line, nil
}

func (e *Editor) readPlain(prompt string) (string, error) {
	if e.prompts != nil {
		_, _ = io.WriteString(e.prompts, prompt)
	}
	line, err := e.plain.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", err
	}
	line = strings.TrimSuffix(line, "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// Close gives the terminal back as it was. The error is the first one met when lines were added to the history file.
func (e *Editor) Close() error {
	if e.state == nil {
		return nil
	}
	return errors.Join(e.state.Close(), e.history.failed)
}

// recall gives liner the history anew: it cannot drop a line from the middle.
func (e *Editor) recall() {
	e.state.ClearHistory()
	for _, line := range e.history.lines {
		e.state.AppendHistory(line)
	}
}

// words answers liner's Tab; its pos counts runes.
func (e *Editor) words(line string, pos int) (head string, candidates []string, tail string) {
	at := len(string([]rune(line)[:pos]))
	head, tail = line[:at], line[at:]
	if strings.TrimSpace(head) == "" {
		return head, []string{indent}, tail
	}
	if e.complete == nil {
		return head, nil, tail
	}
	return head[:wordStart(head)], e.complete(line, at), tail
}

// wordStart is where the word begins that ends with head, in bytes.
func wordStart(head string) int {
	for at := len(head); at > 0; {
		r, size := utf8.DecodeLastRuneInString(head[:at])
		if r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return at
		}
		at -= size
	}
	return 0
}
