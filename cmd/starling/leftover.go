package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"starling/internal/job"
	"starling/interp"
)

// This file keeps which hosts a run did not come to its end on: a file per run, so that two runs at a time don't take
// each other's, until starling jobs clean.

// leftOver writes the hosts on which the script did not come to its end into the file of the run, and returns how to run
// it for those alone. A run that came to its end on all, as one that is resumed may, has no such file.
func (s *session) leftOver(id string, p plan, outcomes []interp.Outcome) (hints []string) {
	var failed []string
	for _, o := range outcomes {
		if o.Err != nil || o.Skipped {
			failed = append(failed, o.Host)
		}
	}
	path := filepath.Join(s.leftOvers(), id+".txt")
	if len(failed) == 0 {
		os.Remove(path)
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Join(failed, "\n")+"\n"), 0o600)
	}
	if err != nil {
		s.root.voice().report(err)
		return nil
	}
	if len(failed) == len(outcomes) {
		return nil // it is the command that was given
	}
	return []string{fmt.Sprintf("%s --on %s   # for the hosts that did not come to the end (%d)", p.command(), shellescape.Quote("@"+path), len(failed))}
}

func (s *session) leftOvers() string {
	return filepath.Join(filepath.Dir(s.journal.Path()), "failed-hosts")
}

// forgetLeftOver removes the files that were written before a time.
func (s *session) forgetLeftOver(before time.Time) error {
	files, err := os.ReadDir(s.leftOvers())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, file := range files {
		if info, err := file.Info(); err == nil && info.ModTime().Before(before) {
			if err := os.Remove(filepath.Join(s.leftOvers(), file.Name())); err != nil {
				return err
			}
		}
	}
	return err
}

// command is the command line of a run, but for its hosts.
func (p plan) command() string {
	words := []string{"starling", "run"}
	flag := func(name, value, unless string) {
		if value != unless {
			words = append(words, name, value)
		}
	}
	given := func(name string, is bool) {
		if is {
			words = append(words, name)
		}
	}
	flag("-F", p.SSHConfig, "")
	for _, source := range p.Inventories {
		flag("-i", source, "")
	}
	flag("--forks", strconv.Itoa(p.Forks), strconv.Itoa(job.DefaultForks))
	flag("--serial", strconv.Itoa(p.Serial), "0")
	flag("--unreaped", p.Unreaped, "fail")
	given("-b", p.Become.On)
	flag("--become-user", p.Become.User, "")
	flag("--become-method", p.Become.Method, "")
	given("-K", p.Become.ask)
	flag("--become-pass-file", p.Become.file, "")
	given("--check", p.Check)
	given("--diff", p.Diff)
	var pairs []string
	for name, value := range p.Vars {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	for _, pair := range pairs {
		flag("--var", pair, "")
	}
	script := p.Script
	if script == "<stdin>" {
		script = "-"
	}
	return shellescape.QuoteCommand(append(words, script))
}
