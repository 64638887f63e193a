package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"starling/internal/inventory"
	"starling/internal/ui"
)

func (r *root) hostsCommand() *cobra.Command {
	var asJSON, graph bool
	cmd := &cobra.Command{
		Use:   "hosts [PATTERN]",
		Short: "Show the hosts of the inventory, their groups and where each variable comes from",
		Args:  atMost(1, "one PATTERN at most"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.showHosts(cmd.Context(), append(args, "all")[0], asJSON, graph)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as ansible-inventory --list prints it")
	cmd.Flags().BoolVar(&graph, "graph", false, "the groups as a tree, from the group PATTERN down")
	return cmd
}

func (r *root) showHosts(ctx context.Context, pattern string, asJSON, graph bool) error {
	if asJSON && graph {
		return usage(errors.New("--json and --graph: one of them is enough"))
	}
	s := &session{root: r}
	world, err := s.world(ctx)
	if err != nil {
		return err
	}
	if graph {
		text, err := world.Graph(pattern)
		if err != nil {
			return usage(err)
		}
		_, err = fmt.Fprint(r.io.out, text)
		return err
	}
	hosts, err := world.Match(pattern)
	if err != nil {
		return usage(err)
	}
	if asJSON {
		text, err := world.JSONOf(hosts)
		if err != nil {
			return err
		}
		_, err = r.io.out.Write(text)
		return err
	}
	w := tabwriter.NewWriter(r.io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tADDRESS\tGROUPS\tVARIABLE\tFROM")
	for _, h := range hosts {
		writeHost(w, h)
	}
	return w.Flush()
}

// writeHost writes a line for the host and one for each of its variables.
func writeHost(w *tabwriter.Writer, h inventory.Host) {
	address := h.Target.Addr
	if address == "" && (h.Target.User != "" || h.Target.Port != 0) {
		address = h.Target.Name
	}
	if h.Target.User != "" {
		address = h.Target.User + "@" + address
	}
	if h.Target.Port != 0 {
		address += fmt.Sprintf(":%d", h.Target.Port)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t\t\n", h.Target.Name, address, strings.Join(h.Groups, ","))
	names := make([]string, 0, len(h.Vars))
	for name := range h.Vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "\t\t\t%s=%s\t%s\n", name, ui.Safe(fmt.Sprint(h.Vars[name])), h.VarSource[name])
	}
}
