package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"
)

// Every example is run on the sandbox, and prints what its folder says.
func TestExamples(t *testing.T) {
	mains, err := filepath.Glob("../../examples/*/main.star")
	require.NoError(t, err)
	require.NotEmpty(t, mains)
	for _, script := range mains {
		t.Run(filepath.Base(filepath.Dir(script)), func(t *testing.T) {
			t.Parallel()
			b := newPerson(t, "")
			code, out, said := b.starling(".", "lint", script)
			require.Zero(t, code, "%s%s", out, said)
			hosts := "1"
			if source, err := os.ReadFile(script); err == nil && bytes.Contains(source, []byte("each(")) {
				hosts = "2"
			}
			code, out, said = b.starling(".", "run", "--sandbox", hosts, script)
			require.Zero(t, code, said)
			want, err := os.ReadFile(filepath.Join(filepath.Dir(script), "output.txt"))
			require.NoError(t, err)
			require.NoError(t, matches(out, string(want)))
		})
	}
	t.Run("a failure of one of three jobs", func(t *testing.T) {
		t.Parallel()
		code, out, said := newPerson(t, "").starling(".", "run", "--sandbox", "1", "--var", "report=echo no data; exit 1", "../../examples/three_jobs/main.star")
		require.Equal(t, 1, code)
		require.Contains(t, said, `report: "echo no data; exit 1" failed with rc 1`)
		require.NotContains(t, out, "backup:")
	})
}

// person is somebody with a home of their own, who types commands.
type person struct {
	t    *testing.T
	home string
}

// newPerson gives a person an ssh_config; "" is none.
func newPerson(t *testing.T, config string) *person {
	home := t.TempDir()
	if config != "" {
		text, err := os.ReadFile(config)
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh", "config"), text, 0o600))
	}
	return &person{t, home}
}

// command is the program with arguments, in a folder.
func (p *person) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("starling", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "XDG_STATE_HOME=" + p.home + "/state", "TERM=xterm", "TMPDIR=" + os.TempDir()}
	return cmd
}

func (p *person) starling(dir string, args ...string) (code int, out, said string) {
	p.t.Helper()
	cmd := p.command(dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return p.code(cmd.Run()), stdout.String(), stderr.String()
}

func (p *person) code(err error) int {
	p.t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, err)
	return 0
}

// Every block of the README is true: a script is run, a command is typed, an output is compared.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	fleet := newFleet(t)
	dir := t.TempDir() // where the scripts of the README are kept under the name that their first line says
	for i, b := range blocksOf(string(text)) {
		switch b.language {
		case "python":
			name, _, _ := strings.Cut(strings.TrimPrefix(b.text, "# "), "\n")
			switch {
			case strings.HasSuffix(name, ".star"):
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(b.text), 0o600))
			case i == 0:
				quickstart, err := os.ReadFile("../../examples/quickstart/main.star")
				require.NoError(t, err)
				require.Equal(t, string(quickstart), b.text, "the README's first script is the quickstart")
			default:
				path := filepath.Join(dir, "block.star")
				require.NoError(t, os.WriteFile(path, []byte(b.text), 0o600))
				code, _, said := newPerson(t, "").starling(dir, "run", "--sandbox", "1", path)
				require.Zero(t, code, said)
			}
		case "console":
			newPerson(t, fleet.config).converse(dir, b.text)
		case "":
			newPerson(t, fleet.config).carryOut(b.text)
		default:
			t.Fatalf("a block in %s: how is it tested?", b.language)
		}
	}
}

// The page of what a person sees: its scripts are in order, what it says of a pipe is so, and its screens are as wide
// as it says.
func TestFacePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/face.md")
	require.NoError(t, err)
	dir := t.TempDir()
	widths := []int{80, 200, 80}
	for _, b := range blocksOf(string(text)) {
		switch b.language {
		case "python":
			name, _, _ := strings.Cut(strings.TrimPrefix(b.text, "# "), "\n")
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(b.text), 0o600))
			code, out, said := newPerson(t, "").starling(dir, "lint", name)
			require.Zero(t, code, "%s%s", out, said)
		case "console":
			newPerson(t, "").converse(dir, b.text)
		case "text":
			require.NotEmpty(t, widths)
			for line := range strings.Lines(b.text) {
				require.LessOrEqual(t, runewidth.StringWidth(strings.TrimSuffix(line, "\n")), widths[0], line)
			}
			widths = widths[1:]
		default:
			t.Fatalf("a block in %q: how is it tested?", b.language)
		}
	}
	require.Empty(t, widths)
}

// converse types the lines of a console block and compares what is answered. What differs from one run to the next
// (job ids, times) is not compared.
func (p *person) converse(dir, text string) {
	require.NoError(p.t, os.Symlink(p.abs("../../examples"), filepath.Join(dir, "examples")), "one console block after another")
	defer os.Remove(filepath.Join(dir, "examples"))
	last := 0
	for _, exchange := range strings.Split("\n"+text, "\n$ ")[1:] {
		line, want, _ := strings.Cut(exchange, "\n")
		if line == "echo $?" {
			require.Equal(p.t, strings.TrimSpace(want), string(rune('0'+last)))
			continue
		}
		words := strings.Fields(line)
		require.Equal(p.t, "starling", words[0])
		cmd := p.command(dir, words[1:]...)
		out, err := cmd.CombinedOutput()
		last = p.code(err)
		require.NoError(p.t, matches(masked(string(out)), masked(want)))
	}
}

var spaced = regexp.MustCompile(` +TIME`) // in a column

// masked takes out of an output what differs from run to run.
func masked(text string) string {
	text = jobID.ReplaceAllString(text, "JOB")
	return spaced.ReplaceAllString(varying.ReplaceAllString(text, "TIME"), " TIME")
}

// carryOut does what an indented block says. The tests can't be run by themselves: that make knows them is enough.
func (p *person) carryOut(text string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "make":
			require.NoError(p.t, exec.Command("make", "-C", "../..", "-n", words[1]).Run(), line)
		case strings.HasPrefix(line, "go run ./cmd/starling "):
			code, _, said := p.starling("../..", words[3:]...)
			require.Zero(p.t, code, said)
		default:
			require.Equal(p.t, "starling", words[0], line)
			dir := p.t.TempDir()
			require.NoError(p.t, os.WriteFile(filepath.Join(dir, "deploy.star"), []byte("run(\"true\")\n"), 0o600))
			code, _, said := p.starling(dir, words[1:]...)
			require.Zero(p.t, code, said)
		}
	}
}

func (p *person) abs(path string) string {
	abs, err := filepath.Abs(path)
	require.NoError(p.t, err)
	return abs
}

// block is a piece of code in a page: fenced, with its language, or indented, with none.
type block struct{ language, text string }

func blocksOf(page string) (blocks []block) {
	var open *block
	indented := false
	for line := range strings.Lines(page) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		code, isIndented := strings.CutPrefix(line, "    ")
		switch {
		case isFence && open == nil:
			open = &block{language: fence}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		case isIndented && indented:
			blocks[len(blocks)-1].text += code
		case isIndented:
			blocks = append(blocks, block{text: code})
		}
		indented = isIndented && open == nil
	}
	return blocks
}
