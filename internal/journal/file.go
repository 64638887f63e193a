package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// prepare makes sure that path is a file that only its owner can read and that can be written, and returns it
// absolute. It never opens an existing file: closing it would drop the locks that another Journal of this program
// holds on it (POSIX record locks go with any close of the file).
func prepare(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path, err
	}
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(abs); err != nil {
			return abs, err
		}
		info, err = os.Stat(abs)
	}
	if err != nil {
		return abs, err
	}
	if !info.Mode().IsRegular() {
		return abs, errors.New("not a regular file")
	}
	if err := writable(abs); err != nil {
		return abs, fmt.Errorf("%w (%v)", ErrReadOnly, err)
	}
	if err := narrow(abs, info); err != nil {
		return abs, err
	}
	return abs, nil
}

// create makes an empty file at path, with mode 0600 from its first instant. It is made under another name and
// linked, so that it has been closed before any connection can have opened it.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := makeFolder(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// makeFolder makes dir and those above it that are missing. Each new name is on the disk before the next: SQLite
// syncs the folder of the journal, and nobody else would sync those above.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("not a folder")}
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	p, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Sync()
}

// narrow takes the file, and what SQLite keeps beside it, away from group and others: commands are in there.
func narrow(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// changed tells when the journal at path was last written to; 0 when it has no write-ahead log at this moment.
func changed(path string) int64 {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// address is path as SQLite takes it. busy_timeout is what a read waits inside SQLite; a write waits by itself. A
// missing file is an error by then, and not made anew with other modes.
func address(path string) string {
	q := url.Values{
		"mode":    {"rw"},
		"_pragma": {"busy_timeout(10000)", "synchronous(full)"},
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}
