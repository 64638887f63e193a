package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"starling/builtins/spec"
)

// This file is about wrong use of the command line: what is said of it, and the command that helps.

// helpfulError is wrong use of the command line.
type helpfulError struct {
	err  error
	help string
}

func (e *helpfulError) Error() string { return e.err.Error() }
func (e *helpfulError) Hint() string  { return e.help }
func (e *helpfulError) Unwrap() error { return &codeError{exitUsage, e.err} }

// helpOf is the command that explains cmd.
func helpOf(cmd *cobra.Command) string {
	return "starling help" + strings.TrimPrefix(cmd.CommandPath(), "starling")
}

// exactly is a number of arguments, with words for it when there are others.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return &helpfulError{fmt.Errorf("%s takes %s, got %s", cmd.CommandPath(), what, some(len(args), "argument")), helpOf(cmd)}
		}
		return nil
	}
}

func some(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// atMost is exactly for an argument that may be left out.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return exactly(n, what)(cmd, args)
	}
}

// named refuses an empty pattern, which is most likely a variable of the shell that is not set: without --on a command
// would do something else.
func named(flags *pflag.FlagSet, patterns ...string) error {
	for _, name := range patterns {
		if f := flags.Lookup(name); f.Changed && f.Value.String() == "" {
			return usage(fmt.Errorf("--%s \"\": names no host", name))
		}
	}
	return nil
}

// flagError says what is wrong with a flag in the words of who typed it.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := spec.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			err = fmt.Errorf("%w (did you mean --%s?)", err, near)
		}
	case errors.As(err, &invalid):
		want := map[string]string{"int": "a whole number", "count": "a whole number", "bool": "true or false"}[invalid.GetFlag().Value.Type()]
		if want != "" {
			err = fmt.Errorf("--%s %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
		}
	}
	return &helpfulError{err, helpOf(cmd)}
}

// knownCommand refuses arguments of a command that has nothing but subcommands, as a subcommand that there is not.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if near := spec.Nearest(args[0], names); near != "" {
		err = fmt.Errorf("%w (did you mean %s?)", err, near)
	}
	return &helpfulError{err, helpOf(cmd)}
}

// strict makes wrong use an error also of those commands that cobra brings, which else show help and succeed.
func (r *root) strict() {
	r.cobra.InitDefaultHelpCmd()
	r.cobra.InitDefaultCompletionCmd()
	for _, cmd := range r.cobra.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				about, rest, err := r.cobra.Find(args)
				if err == nil && len(rest) > 0 {
					err = knownCommand(about, rest)
				}
				return err
			}
		case "completion":
			cmd.Args = knownCommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}
