package repl

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peterh/liner"
)

// most is how many lines the history keeps; liner remembers no more.
const most = liner.HistoryLimit

// history is the lines a person entered, each once, the newest last. Every line is appended to the file when it is
// entered, so that several editors may share one file and none loses its lines when it is killed; the file is made
// short again by the next editor that finds it twice as long as it should be.
type history struct {
	path   string // "" for none
	lines  []string
	failed error // the first line that could not be kept
}

// openHistory reads the file at path. When it fails the history is usable and keeps no file.
func openHistory(path string) (*history, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil
	}
	if err := h.load(); err != nil {
		h.path = ""
		return h, err
	}
	return h, nil
}

func (h *history) load() error {
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	all := strings.FieldsFunc(string(bytes.ToValidUTF8(text, []byte("\uFFFD"))), func(r rune) bool { return r == '\n' })
	for _, line := range all {
		h.remember(line)
	}
	// Others may have been able to read it: it could have come from elsewhere.
	if err := os.Chmod(h.path, 0o600); err != nil {
		return err
	}
	if len(all) <= 2*most {
		return nil
	}
	return h.rewrite()
}

// remember puts line last, and takes it away from where it was.
func (h *history) remember(line string) {
	if i := slices.Index(h.lines, line); i >= 0 {
		h.lines = slices.Delete(h.lines, i, i+1)
	}
	h.lines = append(h.lines, line)
	h.lines = h.lines[max(0, len(h.lines)-most):]
}

// rewrite replaces the file by the lines that are remembered.
func (h *history) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.path), ".history.*") // 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(h.lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), h.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// add takes a line that was entered and reports whether the history changed.
func (h *history) add(line string) bool {
	if strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\r\n") {
		return false
	}
	if len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return false
	}
	h.remember(line)
	if h.path == "" {
		return true
	}
	if err := h.append(line); err != nil && h.failed == nil {
		h.failed = err
	}
	return true
}

func (h *history) append(line string) error {
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
