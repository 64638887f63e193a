package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"starling/internal/wire"
)

func (r *root) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and that of the on-host protocol",
		Args:  exactly(0, "no arguments"),
		Run:   func(*cobra.Command, []string) { fmt.Fprintln(r.io.out, "starling "+version()) },
	}
}

func version() string {
	version := "(built from a checkout)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s, protocol %d, %s %s/%s", version, wire.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
