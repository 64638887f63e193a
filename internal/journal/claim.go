package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// HeldError is a run that another program is carrying out.
type HeldError struct {
	Run string
	By  string // the program's process id, as it wrote it down; "" when it has not yet
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("run %s: is being carried out by process %s", e.Run, e.By)
}

// Claim makes this program the one that carries the run out, until release or its end, however it ends. *HeldError
// when another one has it.
func (j *Journal) Claim(run string) (release func(), err error) {
	path := filepath.Join(j.path+"-runs", run)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, wrap(j.path, "claim run", err)
	}
	for {
		f, held, err := claim(path)
		switch {
		case held:
			by, _ := os.ReadFile(path)
			return nil, &HeldError{run, strings.TrimSpace(string(by))}
		case err != nil:
			return nil, wrap(j.path, "claim run", err)
		case f != nil:
			return func() {
				os.Remove(path) // before the lock goes: who has the file open then sees that it is not there any more
				f.Close()
			}, nil
		}
	}
}

// claim locks the file at path and writes this process into it. All zero: the file went away meanwhile, try again.
func claim(path string) (f *os.File, held bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	held, err = lockNow(f)
	if held || err != nil {
		return nil, held, errors.Join(err, f.Close())
	}
	mine, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		return nil, false, f.Close()
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, false, nil
}
