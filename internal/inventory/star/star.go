// Package star reads inventories that are Starlark programs. They call host and group, in loops if they like, with
// names that expand has taken apart. It knows the vocabulary; reading and running a program is the caller's, so that
// inventories parse as every other script does. No host is reached from here, and no host builtin is known.
package star

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starling/internal/inventory"
)

// Eval runs a program with these names predeclared, beside those every program has.
type Eval func(ctx context.Context, path string, src []byte, predeclared starlark.StringDict) error

// Reader returns what inventory.Options.Starlark wants.
func Reader(eval Eval) func(ctx context.Context, path string, src []byte) (inventory.Declared, error) {
	return func(ctx context.Context, path string, src []byte) (inventory.Declared, error) {
		r := &reader{}
		err := eval(ctx, path, src, starlark.StringDict{
			"host":   starlark.NewBuiltin("host", r.host),
			"group":  starlark.NewBuiltin("group", r.group),
			"expand": starlark.NewBuiltin("expand", expand),
		})
		if ctx.Err() != nil {
			return r.said, context.Cause(ctx)
		}
		return r.said, placed(err)
	}
}

// placed is an error of a program that runs with the place where it came about.
func placed(err error) error {
	var failed *starlark.EvalError
	if !errors.As(err, &failed) {
		return err
	}
	for inner := failed; errors.As(errors.Unwrap(failed), &inner); { // in a file that is loaded
		failed = inner
	}
	for i := range failed.CallStack {
		if pos := failed.CallStack.At(i).Pos; pos.Line > 0 {
			return &inventory.SourceError{File: pos.Filename(), Line: int(pos.Line), Problem: failed.Msg}
		}
	}
	return err
}

// reader gathers what one program declares.
type reader struct {
	said inventory.Declared
}

// host(name, addr="", port=0, user="", groups=[], vars={}, identity_file="", jump="", become=None, become_user="",
// become_method="") declares a host, or each of a range of hosts.
func (r *reader) host(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name, addr, user, identity, jump, becomeUser, becomeMethod string
	var port int
	var groups starlark.Value = starlark.None
	var values *starlark.Dict
	var become starlark.Value = starlark.None
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "addr?", &addr, "port?", &port, "user?", &user, "groups?", &groups,
		"vars?", &values, "identity_file?", &identity, "jump?", &jump, "become?", &become, "become_user?", &becomeUser, "become_method?", &becomeMethod)
	if err != nil {
		return nil, err
	}
	d := inventory.HostDecl{}
	d.File, d.Line = caller(thread)
	if d.Vars, err = variables(values); err != nil {
		return nil, fmt.Errorf("host: for parameter vars: %w", err)
	}
	if d.Groups, err = names(groups); err != nil {
		return nil, fmt.Errorf("host: for parameter groups: %w", err)
	}
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("host: for parameter port: %d is no port", port)
	}
	if strings.ContainsAny(jump, " \t\"'\\#") {
		return nil, fmt.Errorf("host: for parameter jump: %q is no [user@]host[:port]", jump)
	}
	if port > 0 {
		d.Vars["ansible_port"] = int64(port)
	}
	if jump != "" {
		d.Vars["ansible_ssh_common_args"] = "-o ProxyJump=" + jump
	}
	for key, value := range map[string]string{
		"ansible_host": addr, "ansible_user": user, "ansible_ssh_private_key_file": identity,
		"ansible_become_user": becomeUser, "ansible_become_method": becomeMethod,
	} {
		if value != "" {
			d.Vars[key] = value
		}
	}
	switch v := become.(type) {
	case starlark.NoneType:
	case starlark.Bool:
		d.Vars["ansible_become"] = bool(v)
	default:
		return nil, fmt.Errorf("host: for parameter become: got %s, want bool", v.Type())
	}
	all, err := inventory.Expand(name)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	if len(all) > 1 && addr != "" {
		return nil, fmt.Errorf("host: addr is one address, and %s is %d hosts", name, len(all))
	}
	for _, d.Name = range all {
		r.said.Hosts = append(r.said.Hosts, d)
	}
	return starlark.None, nil
}

// group(name, children=[], hosts=[], vars={}) declares a group.
func (r *reader) group(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var children, hosts starlark.Value = starlark.None, starlark.None
	var values *starlark.Dict
	d := inventory.GroupDecl{}
	d.File, d.Line = caller(thread)
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &d.Name, "children?", &children, "hosts?", &hosts, "vars?", &values)
	if err != nil {
		return nil, err
	}
	if d.Vars, err = variables(values); err != nil {
		return nil, fmt.Errorf("group: for parameter vars: %w", err)
	}
	if d.Children, err = names(children); err != nil {
		return nil, fmt.Errorf("group: for parameter children: %w", err)
	}
	patterns, err := names(hosts)
	if err != nil {
		return nil, fmt.Errorf("group: for parameter hosts: %w", err)
	}
	for _, pattern := range patterns {
		all, err := inventory.Expand(pattern)
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		d.Hosts = append(d.Hosts, all...)
	}
	r.said.Groups = append(r.said.Groups, d)
	return starlark.None, nil
}

// expand(name) returns the names that a name with ranges stands for.
func expand(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name); err != nil {
		return nil, err
	}
	all, err := inventory.Expand(name)
	if err != nil {
		return nil, fmt.Errorf("expand: %w", err)
	}
	list := make([]starlark.Value, len(all))
	for i, each := range all {
		list[i] = starlark.String(each)
	}
	return starlark.NewList(list), nil
}

// caller is where a builtin was called.
func caller(thread *starlark.Thread) (file string, line int) {
	if thread.CallStackDepth() < 2 {
		return "", 0
	}
	pos := thread.CallFrame(1).Pos
	return pos.Filename(), int(pos.Line)
}
