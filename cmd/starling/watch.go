package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"starling/internal/ui"
)

// watch starts the view of a run that fits the streams: a live one on a terminal, plain lines in a pipe, or JSON.
func (r *root) watch(json bool, hosts []string) *ui.UI {
	o := ui.Options{Out: r.io.out, Err: r.io.err, Hosts: hosts, Verbose: r.flags.verbose}
	switch file, terminal := asTerminal(r.io.err); {
	case json:
		o.Mode = ui.JSON
	case terminal:
		o.Mode = ui.Terminal
		if piped(r.io.out) {
			// What reads the pipe may write to this very terminal, as tee does, and would write into the live area.
			o.Mode = ui.Plain
		}
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		o.Size = func() (int, int) {
			cols, rows, err := term.GetSize(int(file.Fd()))
			if err != nil {
				return 0, 0
			}
			return cols, rows
		}
	}
	return ui.New(o)
}

// piped reports whether another program reads w.
func piped(w io.Writer) bool {
	out, _ := w.(*checked)
	if out == nil {
		return false
	}
	file, ok := out.w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

func asTerminal(w io.Writer) (*os.File, bool) {
	file, ok := w.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
}
