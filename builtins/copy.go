package builtins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starling/builtins/spec"
	"starling/internal/job"
	"starling/internal/wire"
)

var copyFile = Builtin{
	Effect: Host,
	Spec: spec.Spec{
		Name:    "copy",
		Summary: "Put a file on the host, from a local file or from a text; nothing is done when it is there already.",
		Params: []spec.Param{
			{Name: "src", Type: spec.String, Default: `""`, Positional: true,
				Doc: "The local file, seen from the working folder. Exactly one of src and content is given."},
			{Name: "dest", Type: spec.String, Default: `""`, Positional: true,
				Doc: "The path of the file on the host, which must be given; one that does not begin with / is below the user's " +
					"home. Its folder must be there. A symbolic link is replaced by a file."},
			{Name: "content", Type: spec.Text, Default: "None", Doc: "What is to be in the file, in place of src."},
			{Name: "mode", Type: spec.String, Default: `""`,
				Doc: "The file's permissions as octal digits, \"0644\"; \"\" keeps those of a file that is there, and leaves a " +
					"new one to the host's umask."},
			{Name: "backup", Type: spec.Bool, Default: "False",
				Doc: "Keep the file that is replaced beside it, as DEST.bak-TIME; msg says its name."},
			commonName, commonIgnore,
		},
		Returns: "A Result; changed is True only when the bytes or the mode were not as they should be. In a dry run one that " +
			"would change something is skipped, and its msg says what it would do; changed is True as well.",
		Fails: "When src can't be read, when dest is a folder or its folder is not there, and when the host refuses to " +
			"write it. The file is written beside and renamed: nobody ever sees half of it.",
		Example: `copy(content="hello\n", dest="greeting.txt", mode="0600")
print(copy(content="hello\n", dest="greeting.txt").changed)`,
		Refused: map[string]string{
			"async": "the bytes come from this program and can't outlive it; get_url and script run on the host itself",
			"poll":  "a copy is never a job; get_url and script run on the host itself",
		},
	},
	Label: func(a spec.Args) string {
		if name := a.String("name"); name != "" {
			return name
		}
		return a.String("dest")
	},
	Do:    doCopy,
	Check: doCopy,
}

// octal is a mode as copy takes it.
var octal = regexp.MustCompile(`^[0-7]{3,4}$`)

// doCopy looks first and then does what is left to do: it can be done again at any time, also by a resumed run that
// does not know how far the last one came. What that one had left beside the file goes first.
func doCopy(c *Call) (starlark.Value, error) {
	src, dest, data, mode := c.Args.String("src"), c.Args.String("dest"), c.Args.Text("content"), c.Args.String("mode")
	switch {
	case dest == "":
		return nil, errors.New("missing argument for dest")
	case (src != "") == (data != nil):
		return nil, errors.New("give exactly one of src and content")
	case mode != "" && !octal.MatchString(mode):
		return nil, fmt.Errorf("mode %q: want three or four octal digits, as in \"0644\"", mode)
	case strings.HasSuffix(dest, "/"):
		return nil, fmt.Errorf("dest %s names a folder: give the path of the file itself", dest)
	}
	cmd := job.Command{Name: c.Args.String("name"), Pos: c.Pos, Display: "copy to " + dest}
	failed := func(problem string) (starlark.Value, error) {
		return c.conclude(job.Result{Host: c.Host.Name(), Name: cmd.Name, Cmd: cmd.Display, Pos: c.Pos, State: wire.Failed, Msg: problem}, nil)
	}
	if data == nil {
		var err error
		if data, err = readLocal(src); err != nil {
			return failed(err.Error())
		}
		if err := c.didRead(src, data); err != nil {
			return nil, err
		}
	}
	file := c.hostFile(dest, cmd)
	if c.Begun && !c.Run.Check {
		if r, err := file.sweep(c.Ctx); err != nil || r.Failed() {
			return c.conclude(r, err)
		}
	}
	old, r, err := file.look(c.Ctx)
	if err != nil || r.Failed() {
		return c.conclude(r, err)
	}
	switch old.kind {
	case folder:
		return failed(dest + " is a folder: give the path of the file itself")
	case special:
		return failed(dest + " is there and is no regular file")
	}
	change := changeOf(old, data, mode)
	if change == (fileChange{}) {
		r.Msg, r.Changed = "unchanged", false
		if kept, wrote := strings.CutPrefix(c.Noted, copyNote); wrote {
			r.Msg, r.Changed = keptMsg("written before the program died", kept), true
		}
		return &Result{r}, nil
	}
	if err := c.showChange(file, old, data, change); err != nil {
		return nil, err
	}
	if c.Run.Check {
		r := c.Host.Skip(cmd, false, "would "+change.String(len(data)))
		r.Changed = true // what the script does upon a change it would do
		return &Result{r}, nil
	}
	kept := ""
	if change.bytes && old.kind == regular && c.Args.Bool("backup") {
		kept = file.backup(time.Now())
	}
	if err := c.Note(copyNote + kept); err != nil {
		return nil, err
	}
	if change.bytes {
		keep := old.mode
		if mode != "" {
			keep = mode
		}
		if r, err = file.write(c.Ctx, data, keep, kept); err == nil && !r.Failed() {
			r.Msg = keptMsg(r.Msg, kept)
		}
	} else {
		r, err = file.chmod(c.Ctx, mode)
	}
	return c.conclude(r, err)
}

// copyNote begins what a copy notes before it changes a file; the name of the backup follows. A program that resumes
// the call finds the file as it is to be, and would say that nothing changed: what a script does upon a change would
// never be done.
const copyNote = "writes "

// keptMsg adds to a message how the old file is called now; "" when it was not kept.
func keptMsg(msg, kept string) string {
	switch {
	case kept == "":
		return msg
	case msg == "":
		return "kept the old one as " + kept
	}
	return msg + "; kept the old one as " + kept
}

// didRead tells that the call goes by what is in a local file: a resumed run is held to the same.
func (c *Call) didRead(name string, data []byte) error {
	if c.Run.Read == nil {
		return nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return fmt.Errorf("src: %w", err)
	}
	return c.Run.Read(path, digestOf(data))
}

// fileChange is what is to be done to a file; its zero value is nothing.
type fileChange struct {
	bytes bool
	mode  string // the new mode; "" leaves it
}

// changeOf compares what is there with what is wanted.
func changeOf(old fileState, data []byte, mode string) fileChange {
	change := fileChange{bytes: old.kind == absent || old.sum != digestOf(data)}
	if mode != "" && !sameMode(old.mode, mode) {
		change.mode = mode
	}
	return change
}

// String says what is to be done, after "would".
func (f fileChange) String(size int) string {
	var parts []string
	if f.bytes {
		parts = append(parts, fmt.Sprintf("write %d bytes", size))
	}
	if f.mode != "" {
		parts = append(parts, "set mode "+f.mode)
	}
	return strings.Join(parts, ", ")
}

// sameMode compares octal digits; "", of a file that is not there, is like none.
func sameMode(a, b string) bool {
	x, errX := strconv.ParseUint(a, 8, 32)
	y, errY := strconv.ParseUint(b, 8, 32)
	return errX == nil && errY == nil && x == y
}

// readLocal reads a regular file of this machine; reading another kind might never end.
func readLocal(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("src %s: there is no such file here", name)
	case err != nil:
		return nil, fmt.Errorf("src: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("src %s is a folder; copy takes one file", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("src %s is no regular file", name)
	}
	return os.ReadFile(name)
}
