package builtins

import (
	"al.essio.dev/pkg/shellescape"
	"go.starlark.net/starlark"

	"starling/builtins/spec"
)

var quote = Builtin{
	Effect: Pure,
	Spec: spec.Spec{
		Name:    "quote",
		Summary: "A text as one word of a shell command.",
		Params: []spec.Param{
			{Name: "text", Type: spec.String, Required: true, Positional: true, Doc: "Any text."},
		},
		Returns: "The text, in quotes when it needs them.",
		Example: `name = "it's here"
run("touch " + quote(name))`,
	},
	Do: func(c *Call) (starlark.Value, error) {
		return starlark.String(shellescape.Quote(c.Args.String("text"))), nil
	},
}
