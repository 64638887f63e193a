package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"starling/builtins/spec"
	"starling/interp"
)

func (r *root) docCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "doc [BUILTIN]",
		Short: "Explain the builtins of the language, or one of them",
		Args:  atMost(1, "one BUILTIN at most"),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case markdown:
				fmt.Fprint(r.io.out, docPage())
				return nil
			case len(args) == 0:
				fmt.Fprint(r.io.out, docIndex())
				return nil
			}
			text, err := docOf(args[0])
			if err == nil {
				fmt.Fprint(r.io.out, text)
			}
			return err
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return builtinNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print all of them as docs/builtins.md")
	return cmd
}

func builtinNames() []string {
	var names []string
	for _, b := range interp.Specs() {
		names = append(names, b.Name)
	}
	return names
}

// docOf is the help of one builtin.
func docOf(name string) (string, error) {
	for _, b := range interp.Specs() {
		if b.Name == name {
			return b.Help(), nil
		}
	}
	help := "starling doc   # all of them"
	if near := spec.Nearest(name, builtinNames()); near != "" {
		help = "starling doc " + near
	}
	return "", &helpfulError{fmt.Errorf("no builtin %q", name), help}
}

// docIndex is one line for each builtin.
func docIndex() string {
	var b strings.Builder
	for _, builtin := range interp.Specs() {
		fmt.Fprintf(&b, "%-20s %s\n", builtin.Name, builtin.Summary)
	}
	b.WriteString("\nAlso: struct, json, math, time and Starlark's own print, fail, len, range, sorted, …\nstarling doc BUILTIN explains one.\n")
	return b.String()
}

// docPage is docs/builtins.md.
func docPage() string {
	var b strings.Builder
	b.WriteString("# Builtins\n\nMade from the Specs in builtins/ by `make docs`; do not edit.\n")
	for _, builtin := range interp.Specs() {
		b.WriteString("\n" + strings.TrimSpace(builtin.Markdown()) + "\n")
	}
	return b.String()
}
