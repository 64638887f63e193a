package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"starling/internal/transport"
)

// readScript returns the text of the script at path; - is in.
func readScript(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	text, err := os.ReadFile(path)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("script %s: %w", path, failed.Err)
	}
	return text, err
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func names(targets []transport.Target) []string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.Name
	}
	return out
}
