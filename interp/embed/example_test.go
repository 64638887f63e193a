package embed_test

import (
	"context"
	"fmt"

	"go.starlark.net/starlark"

	"starling/builtins"
	"starling/builtins/spec"
	"starling/internal/sandbox"
	"starling/interp/embed"
)

// A program of its own runs a script on its hosts, with a word of its own in the vocabulary.
func ExampleFleet() {
	ctx := context.Background()
	hosts, err := sandbox.Start(ctx, 2, sandbox.Options{}) // stands in for machines of yours
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hosts.Close()

	ticket := builtins.Builtin{
		Spec: spec.Spec{Name: "ticket", Summary: "The ticket this change belongs to.", Returns: "A string.", Example: "print(ticket())"},
		Do:   func(*builtins.Call) (starlark.Value, error) { return starlark.String("OPS-7"), nil },
	}
	fleet := embed.Fleet{
		Hosts:    hosts.Hosts(),
		Builtins: []builtins.Builtin{ticket},
		Events: func(e embed.Event) {
			if e.Kind == "output" {
				fmt.Println(e.Msg)
			}
		},
	}
	report, err := fleet.Run(ctx, embed.Script{Path: "deploy.star", Source: []byte(`
def deploy(h):
    print("deploying to", h.name)
    return wait(run("sleep 1; echo deployed for " + ticket(), async=60, poll=0))

def main():
    return [o.value for o in each(hosts(), deploy, serial=1)]
`)})
	for _, r := range report.Results() {
		fmt.Printf("%s %s: %s", r.Host, r.State, r.Stdout)
	}
	fmt.Println(err, report.Outcomes[0].Err, len(report.Unreaped))
	// Output:
	// deploying to sandbox1
	// deploying to sandbox2
	// sandbox1 succeeded: deployed for OPS-7
	// sandbox2 succeeded: deployed for OPS-7
	// <nil> <nil> 0
}
