package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/syntax"

	"starling/internal/lint"
	"starling/interp"
)

func (r *root) lintCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint FILE…",
		Short: "Find what will go wrong with scripts before they run",
		Long: `Read scripts and all they load, run nothing, and say what will go wrong. docs/lint.md explains each rule; a comment
"# lint: ignore=RULE" switches one off for its line. The exit code is 2 when there is an error among the findings.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("starling lint takes the FILEs to read"))
			}
			j, done := r.knownJournal(cmd.Context())
			defer done()
			findings, err := lint.Files(args, lintOptions(cmd.Context(), &durations{journal: j}, args[0], nil))
			worst, printed := r.findings(findings, asJSON)
			switch {
			case printed != nil:
				return printed
			case err != nil:
				return usage(err)
			case worst == lint.Error:
				return &codeError{exitUsage, nil}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object per finding and line")
	return cmd
}

// lintOptions is the world as a lint sees it; sources stand in for files of the same path.
func lintOptions(ctx context.Context, past *durations, path string, sources map[string][]byte) lint.Options {
	return lint.Options{
		History: func(cmd string) (p95 time.Duration, count int, ok bool) {
			stats := past.of(ctx, cmd)
			return stats.P95, stats.Count, stats.Count > 0
		},
		Root:  projectOf(path),
		Specs: interp.Specs(),
		Parse: func(path string, src []byte) (*syntax.File, error) { return interp.Parse(path, src, interp.Script) },
		ReadFile: func(path string) ([]byte, error) {
			if src, ok := sources[path]; ok {
				return src, nil
			}
			return os.ReadFile(path)
		},
		Effect: func(name string) bool {
			touches, ok := interp.Touches(name)
			return ok && touches
		},
	}
}

// projectOf is the project's folder of a script.
func projectOf(path string) string {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return ""
	}
	return interp.ProjectRoot(dir)
}

// findings prints what a lint found, and returns the worst of it.
func (r *root) findings(findings []lint.Finding, asJSON bool) (worst lint.Severity, err error) {
	encoder := json.NewEncoder(r.io.out)
	for _, f := range findings {
		if f.Severity == lint.Error || worst == "" {
			worst = f.Severity
		}
		if asJSON {
			if err := encoder.Encode(f); err != nil {
				return worst, err
			}
			continue
		}
		fmt.Fprintln(r.io.out, f)
		if f.Hint != "" {
			fmt.Fprintln(r.io.out, "    hint:", f.Hint)
		}
	}
	return worst, nil
}

// lintFirst says what is wrong with a script that is about to run, and whether it may. A job that nobody reaps is only
// noticed: what counts for that is the end of the run. What the lint can't read the run itself reports.
func (r *root) lintFirst(ctx context.Context, past *durations, path string, source []byte) (noticed []lint.Finding, may bool) {
	findings, _ := lint.Files([]string{path}, lintOptions(ctx, past, path, map[string][]byte{path: source}))
	may = true
	for _, f := range findings {
		switch {
		case f.Severity != lint.Error || f.Rule == lint.Undefined:
		case f.Rule == lint.Unreaped:
			noticed = append(noticed, f)
		default:
			r.voice().errorf("%s: %s [%s]", f.Pos(), f.Msg, f.Rule)
			r.voice().hint(f.Hint)
			may = false
		}
	}
	if !may {
		r.voice().hint("starling run --no-lint runs it all the same")
	}
	return noticed, may
}
