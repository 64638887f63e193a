package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"starling/builtins"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/repl"
	"starling/internal/ui"
	"starling/interp"
)

func (r *root) replCommand() *cobra.Command {
	var on string
	var sandbox int
	cmd := &cobra.Command{
		Use:   "repl",
		Short: "Try things out, line by line",
		Long: `Type Starlark, line by line. With --on every statement is carried out on each host of the pattern. The last value is
_, help() explains, Ctrl-C ends the call under way, Ctrl-D the session. Jobs that nobody came back for are listed then,
and the exit code is 3.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := named(cmd.Flags(), "on"); err != nil {
				return err
			}
			return r.repl(cmd.Context(), on, sandbox)
		},
	}
	cmd.Flags().StringVar(&on, "on", "", "act on each host of `PATTERN`")
	r.become.flags(cmd.Flags())
	cmd.Flags().IntVar(&sandbox, "sandbox", 0, "act on `N` throwaway SSH hosts inside this program")
	return cmd
}

func (r *root) repl(ctx context.Context, on string, sandbox int) error {
	if err := checkNumbers(job.DefaultForks, sandbox); err != nil {
		return usage(err)
	}
	s, err := r.open(ctx, sandbox)
	if err != nil {
		return err
	}
	defer s.close()
	targets, err := s.targets(ctx, on, "")
	if err != nil {
		return err
	}
	view := ui.New(ui.Options{Out: r.io.out, Err: r.io.err, Hosts: names(targets), Verbose: r.flags.verbose})
	defer view.Close()
	id := journal.NewRunID()
	release, err := s.journal.Claim(id)
	if err != nil {
		return err
	}
	defer release()
	s.start(job.Config{Run: id, Events: view.Sink()})
	var hosts []*job.Host
	for _, t := range targets {
		hosts = append(hosts, s.host(t))
	}
	in, err := interp.New(interp.Options{Script: "<repl>", Hosts: hosts, Events: view.Sink(),
		Run: &builtins.Run{Engine: s.engine, Locate: s.locate, Hosts: s.find, About: s.about, Become: s.becomeOf, Passing: s.sandbox != nil}})
	if err != nil {
		return err
	}
	if err := s.journal.BeginRun(ctx, journal.Run{ID: id, Script: "<repl>", Args: os.Args, Targets: names(targets), PID: os.Getpid(), Host: hostname(), Started: time.Now()}); err != nil {
		return err
	}
	if err := r.converse(ctx, in.Session(), view); err != nil {
		return err
	}
	code := exitCode(nil, s.settle(ctx, view.Sink(), "fail"), "fail")
	view.Close()
	return &codeError{code, s.journal.EndRun(context.WithoutCancel(ctx), id, code, "")}
}

// converse reads and carries out statements until the end of the input.
func (r *root) converse(ctx context.Context, session *interp.Session, view *ui.UI) error {
	editor, err := repl.New(repl.Config{History: filepath.Join(xdg.StateHome, "starling", "history"), Complete: session.Complete})
	if err != nil {
		r.voice().report(err)
	}
	defer editor.Close()
	if editor.Interactive() {
		fmt.Fprintln(r.io.out, "Starling. help() explains, Ctrl-D ends.")
	}
	for ctx.Err() == nil {
		prompt := ">>> "
		file, err := session.Read(func() ([]byte, error) {
			line, err := editor.ReadLine(prompt)
			prompt = "... "
			return []byte(line + "\n"), err
		})
		switch {
		case errors.Is(err, repl.ErrInterrupt):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			r.voice().script("", err)
			continue
		}
		line, done := r.signals.divert(ctx)
		answers := session.Eval(line, file)
		done()
		view.Flush()
		r.answer(answers)
	}
	return context.Cause(ctx)
}

func (r *root) answer(answers []interp.Answer) {
	for _, a := range answers {
		prefix := ""
		if len(answers) > 1 {
			prefix = a.Host + " | "
		}
		if a.Err != nil {
			host := ""
			if len(answers) > 1 {
				host = a.Host
			}
			r.voice().script(host, a.Err)
		} else if a.Value != nil {
			fmt.Fprintf(r.io.out, "%s%s\n", prefix, ui.Safe(a.Value.String()))
		}
	}
}
