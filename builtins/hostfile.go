package builtins

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"starling/internal/job"
)

//go:embed look.sh
var lookScript string

//go:embed write.sh
var writeScript string

// hostFile is a file on a host. Its bytes travel on standard input and its path as an argument, so that neither is
// ever part of a command's text.
type hostFile struct {
	host *job.Host
	cmd  job.Command // what errors name
	path string
	// mine is in the names of what is written beside the file, the same in every program that carries out this call.
	mine string
}

// hostFile is the file at path as this call sees it.
func (c *Call) hostFile(path string, cmd job.Command) hostFile {
	return hostFile{host: c.Host, cmd: cmd, path: path, mine: digestOf([]byte(c.Run.Engine.Run() + " " + c.Step))[:12]}
}

// fileKind is what a path leads to.
type fileKind string

const (
	absent  fileKind = "absent"
	regular fileKind = "file"
	folder  fileKind = "folder"
	special fileKind = "special"
)

// fileState is what there is on a host; all but kind is of a regular file.
type fileState struct {
	kind fileKind
	mode string // octal digits
	size int64
	sum  string // as digestOf
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// sh runs a script with arguments. The Result shows the call and not the script.
func (f hostFile) sh(ctx context.Context, stdin []byte, script string, args ...string) (job.Result, error) {
	cmd := f.cmd
	cmd.Argv = append([]string{"sh", "-c", script, "sh", f.argument()}, args...)
	cmd.Stdin = stdin
	return f.host.Run(ctx, cmd, 0)
}

// argument is the path as a word that no command takes for an option.
func (f hostFile) argument() string {
	if strings.HasPrefix(f.path, "/") {
		return f.path
	}
	return "./" + f.path
}

// look asks what is there and changes nothing. The Result is one without output unless it failed.
func (f hostFile) look(ctx context.Context) (fileState, job.Result, error) {
	r, err := f.sh(ctx, nil, lookScript)
	if err != nil || r.Failed() {
		return fileState{}, r, err
	}
	words := strings.Fields(string(r.Stdout))
	r.Stdout, r.Stderr, r.RC, r.HasRC = nil, nil, 0, false
	if len(words) == 1 {
		return fileState{kind: fileKind(words[0])}, r, nil
	}
	if len(words) == 4 && words[0] == string(regular) {
		if size, err := strconv.ParseInt(words[2], 10, 64); err == nil {
			return fileState{kind: regular, mode: words[1], size: size, sum: words[3]}, r, nil
		}
	}
	return fileState{}, r, fmt.Errorf("%s: looking at %s: the host answered %q", f.host.Name(), f.path, words)
}

// read returns what is in the file, or false when that is more than a Result keeps.
func (f hostFile) read(ctx context.Context, size int64) ([]byte, bool, error) {
	r, err := f.sh(ctx, nil, `cat <"$1"`)
	if err != nil {
		return nil, false, err
	}
	return r.Stdout, !r.Failed() && int64(len(r.Stdout)) == size, nil
}

// backup is the name under which what the file is now would be kept.
func (f hostFile) backup(now time.Time) string {
	return f.path + ".bak-" + now.UTC().Format("20060102T150405.000Z")
}

// write replaces the file at once, with a mode in octal digits; "" leaves it to the umask. What the file was is kept
// under the name kept; "" keeps nothing.
func (f hostFile) write(ctx context.Context, data []byte, mode, kept string) (job.Result, error) {
	if kept != "" {
		kept = hostFile{path: kept}.argument()
	}
	nonce := make([]byte, 4)
	rand.Read(nonce)
	temp := f.argument() + ".starling." + f.mine + "-" + hex.EncodeToString(nonce)
	r, err := f.sh(ctx, data, writeScript, path.Dir(f.argument()), temp, strconv.Itoa(len(data)), mode, kept)
	return f.done(r), err
}

// sweep removes what programs left beside the file that died while they carried out this call. One whose script still
// runs on the host, since nobody told it that the connection is gone, can't put its bytes in place any more.
func (f hostFile) sweep(ctx context.Context) (job.Result, error) {
	return f.sh(ctx, nil, `rm -f "$1.starling.$2"-*`, f.mine)
}

func (f hostFile) chmod(ctx context.Context, mode string) (job.Result, error) {
	r, err := f.sh(ctx, nil, `chmod "$2" "$1"`, mode)
	return f.done(r), err
}

// done is a Result without the exit code of a script that the caller knows nothing of; a failed one keeps all.
func (f hostFile) done(r job.Result) job.Result {
	if !r.Failed() {
		r.RC, r.HasRC = 0, false
	}
	return r
}
