package builtins

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

const (
	// diffRoom is the size in bytes up to which the lines of a file are compared.
	diffRoom = 256 << 10
	// diffLines is how many lines of a difference are shown.
	diffLines = 200
)

// showChange tells those who watch what is to become of a file, when the run was asked for that.
func (c *Call) showChange(file hostFile, old fileState, data []byte, change fileChange) error {
	if !c.Run.Diff {
		return nil
	}
	var parts []string
	if change.mode != "" && old.kind == regular {
		parts = append(parts, fmt.Sprintf("%s: mode %s becomes %s", file.path, old.mode, change.mode))
	}
	if change.bytes {
		before, whole := []byte(nil), true
		if old.kind == regular {
			whole = old.size <= diffRoom
			if whole {
				var err error
				if before, whole, err = file.read(c.Ctx, old.size); err != nil {
					return err
				}
			}
		}
		if whole && isText(before) && isText(data) {
			parts = append(parts, unified(file.path, old.kind == absent, string(before), string(data)))
		} else {
			parts = append(parts, fmt.Sprintf("%s: %d bytes become %d", file.path, old.size, len(data)))
		}
	}
	c.Diff(strings.Join(parts, "\n"))
	return nil
}

// isText reports whether the lines of data are for a person, and not too many to be compared.
func isText(data []byte) bool {
	return len(data) <= diffRoom && utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
}

// unified is the difference of two texts, without the newline at its end.
func unified(path string, created bool, before, after string) string {
	from := path
	if created {
		from = "/dev/null"
	}
	if before == after {
		return "--- " + from + "\n+++ " + path // a new file without a line
	}
	lines := strings.Split(strings.TrimSuffix(udiff.Unified(from, path, before, after), "\n"), "\n")
	if more := len(lines) - diffLines; more > 0 {
		lines = append(lines[:diffLines], fmt.Sprintf("… (%d more lines)", more))
	}
	return strings.Join(lines, "\n")
}
