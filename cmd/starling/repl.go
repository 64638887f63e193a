package main

import "github.com/spf13/cobra"

func (r *root) replCommand() *cobra.Command {
	return &cobra.Command{Use: "repl"}
}
