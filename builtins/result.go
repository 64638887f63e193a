package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starling/internal/job"
	"starling/internal/wire"
)

// Result is a job.Result in a script. It is frozen from the start; its truth is "not failed".
type Result struct{ job.Result }

var (
	_ starlark.HasAttrs = (*Result)(nil)
	_ starlark.Value    = (*Result)(nil)
)

// resultAttrs are the attributes of a Result, each with its value. The two of bytes are not among those that dir()
// and json.encode() see, since JSON has no bytes.
var resultAttrs = map[string]func(r *Result) starlark.Value{
	"host":      func(r *Result) starlark.Value { return starlark.String(r.Host) },
	"name":      func(r *Result) starlark.Value { return starlark.String(r.Name) },
	"cmd":       func(r *Result) starlark.Value { return starlark.String(r.Cmd) },
	"jid":       func(r *Result) starlark.Value { return starlark.String(r.ID) },
	"state":     func(r *Result) starlark.Value { return starlark.String(r.State) },
	"started":   func(r *Result) starlark.Value { return starlark.Bool(r.State != wire.Skipped) },
	"finished":  func(r *Result) starlark.Value { return starlark.Bool(r.Ended()) },
	"failed":    func(r *Result) starlark.Value { return starlark.Bool(r.Failed()) },
	"changed":   func(r *Result) starlark.Value { return starlark.Bool(r.Changed) },
	"skipped":   func(r *Result) starlark.Value { return starlark.Bool(r.State == wire.Skipped) },
	"timed_out": func(r *Result) starlark.Value { return starlark.Bool(r.State == wire.TimedOut) },
	"rc":        func(r *Result) starlark.Value { return exitCode(&r.Result) },
	"stdout":    func(r *Result) starlark.Value { return text(r.Stdout) },
	"stderr":    func(r *Result) starlark.Value { return text(r.Stderr) },
	"elapsed":   func(r *Result) starlark.Value { return starlark.Float(r.Elapsed.Seconds()) },
	"msg":       func(r *Result) starlark.Value { return starlark.String(r.Msg) },
}

var resultAttrNames = []string{"changed", "cmd", "elapsed", "failed", "finished", "host", "jid", "msg", "name",
	"rc", "skipped", "started", "state", "stderr", "stdout", "timed_out"}

func exitCode(r *job.Result) starlark.Value {
	if !r.HasRC {
		return starlark.None
	}
	return starlark.MakeInt(r.RC)
}

// text is output as a script reads it: without the newlines at its end, bytes that are no UTF-8 replaced.
func text(b []byte) starlark.String {
	return starlark.String(strings.ToValidUTF8(strings.TrimRight(string(b), "\r\n"), "\uFFFD"))
}

// Attr returns the attribute of this name; nil when there is none.
func (r *Result) Attr(name string) (starlark.Value, error) {
	switch name {
	case "stdout_bytes":
		return starlark.Bytes(r.Stdout), nil
	case "stderr_bytes":
		return starlark.Bytes(r.Stderr), nil
	}
	if get, ok := resultAttrs[name]; ok {
		return get(r), nil
	}
	return nil, nil
}

func (r *Result) AttrNames() []string   { return resultAttrNames }
func (r *Result) Type() string          { return "Result" }
func (r *Result) Freeze()               {}
func (r *Result) Truth() starlark.Bool  { return starlark.Bool(!r.Failed()) }
func (r *Result) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: Result") }

// String shows what a person wants to see of a Result at a prompt.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Result(host=%q, state=%q", r.Host, r.State)
	if r.HasRC {
		fmt.Fprintf(&b, ", rc=%d", r.RC)
	}
	if r.ID != "" {
		fmt.Fprintf(&b, ", jid=%q", r.ID)
	}
	for _, stream := range []struct {
		name  string
		value starlark.String
	}{{"stdout", text(r.Stdout)}, {"stderr", text(r.Stderr)}, {"msg", starlark.String(r.Msg)}} {
		if stream.value != "" {
			fmt.Fprintf(&b, ", %s=%s", stream.name, shorten(stream.value).String())
		}
	}
	b.WriteByte(')')
	return b.String()
}

// shorten keeps the end of long output, where its point mostly is.
func shorten(s starlark.String) starlark.String {
	const most = 400
	if len(s) <= most {
		return s
	}
	return starlark.String("… " + strings.ToValidUTF8(string(s[len(s)-most:]), ""))
}
