package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

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
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("starling lint takes the FILEs to read"))
			}
			findings, err := lint.Files(args, lintOptions(nil))
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
func lintOptions(sources map[string][]byte) lint.Options {
	return lint.Options{
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

// lintFirst says what is wrong with a script that is about to run, and whether it may. A job that nobody reaps does
// not keep it from running: what counts for that is the end of the run. What the lint can't read the run itself
// reports.
func (r *root) lintFirst(path string, source []byte) bool {
	findings, _ := lint.Files([]string{path}, lintOptions(map[string][]byte{path: source}))
	may := true
	for _, f := range findings {
		if f.Severity != lint.Error || f.Rule == lint.Undefined {
			continue
		}
		if f.Rule == lint.Unreaped {
			r.voice().warn(fmt.Sprintf("%s:%d:%d: %s [%s]", f.Path, f.Line, f.Col, f.Msg, f.Rule))
			continue
		}
		r.voice().errorf("%s", f)
		r.voice().hint(f.Hint)
		may = false
	}
	if !may {
		r.voice().hint("starling run --no-lint runs it all the same")
	}
	return may
}
