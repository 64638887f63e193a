package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// script asks an executable for its --list, and for each host when that has no _meta.
func (l *loader) script(ctx context.Context, path string) error {
	list, err := l.run(ctx, path, "--list")
	if err != nil {
		return err
	}
	return l.answer(path, list, func(host string) ([]byte, error) { return l.run(ctx, path, "--host", host) })
}

// run runs an executable inventory to its end and returns its standard output.
func (l *loader) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	problem := func(text string) error {
		return &SourceError{File: path, Problem: strings.Join(args, " ") + ": " + text}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, problem(err.Error())
	}
	limited, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	stdout, stderr := &capped{left: maxFile}, &capped{left: 64 << 10}
	cmd := exec.CommandContext(limited, absolute, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, time.Second
	ownGroup(cmd)
	err = cmd.Run()
	said := lastLines(stderr.String())
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, problem(fmt.Sprintf("no answer within %s%s", l.options.Timeout, said))
	case err != nil:
		return nil, problem(err.Error() + said)
	case stdout.over:
		return nil, problem(fmt.Sprintf("the answer is longer than %d MB", maxFile>>20))
	}
	return stdout.Bytes(), nil
}

// capped keeps the first bytes of what is written to it.
type capped struct {
	bytes.Buffer
	left int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	kept := p[:min(len(p), c.left)]
	c.left -= len(kept)
	c.over = c.over || len(kept) < len(p)
	c.Buffer.Write(kept)
	return len(p), nil
}

// ReadFrom is not the buffer's: that one knows no limit.
func (c *capped) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{c}, r) }

// lastLines returns the end of an error output, as the tail of a message.
func lastLines(stderr string) string {
	const shown = 5
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if lines[0] == "" {
		return ""
	}
	return "\n  " + strings.Join(lines[max(0, len(lines)-shown):], "\n  ")
}

// answer reads what --list gave. Without variables of hosts in it, host is asked for each; nil asks no one.
func (l *loader) answer(path string, list []byte, host func(string) ([]byte, error)) error {
	problem := func(format string, args ...any) error {
		return &SourceError{File: path, Problem: "--list: " + fmt.Sprintf(format, args...)}
	}
	groups, err := objectPairs(list)
	if err != nil {
		return problem("%v", err)
	}
	var meta struct {
		Hostvars map[string]json.RawMessage `json:"hostvars"`
	}
	var named []string
	for _, g := range groups {
		if g.name == "_meta" {
			if err := json.Unmarshal(g.value, &meta); err != nil {
				return problem("_meta: %v", err)
			}
			continue
		}
		hosts, err := l.listedGroup(path, g)
		if err != nil {
			return problem("group %s: %v", g.name, err)
		}
		named = append(named, hosts...)
	}
	asked := map[string]bool{}
	for _, name := range named {
		if asked[name] {
			continue
		}
		asked[name] = true
		raw := meta.Hostvars[name]
		if meta.Hostvars == nil && host != nil {
			if raw, err = host(name); err != nil {
				return err
			}
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		values, err := object(raw)
		if err != nil {
			return problem("the variables of host %s: %v", name, err)
		}
		for key, value := range values {
			l.tree.host[name].vars[key] = variable{value, path}
		}
	}
	return nil
}

// listedGroup reads one group of a --list: an object with hosts, children and vars, a bare list of hosts, or an object
// of variables, which describes a host of the group's name.
func (l *loader) listedGroup(path string, p rawPair) ([]string, error) {
	g, err := l.tree.addGroup(p.name)
	if err != nil {
		return nil, err
	}
	var said struct {
		Hosts    []string        `json:"hosts"`
		Children []string        `json:"children"`
		Vars     json.RawMessage `json:"vars"`
	}
	var keys map[string]json.RawMessage
	switch {
	case bytes.HasPrefix(p.value, []byte("[")):
		err = json.Unmarshal(p.value, &said.Hosts)
	case !bytes.HasPrefix(p.value, []byte("{")):
		return nil, fmt.Errorf("an object or a list is wanted, got %s", p.value)
	default:
		if err = json.Unmarshal(p.value, &keys); err == nil && keys["hosts"] == nil && keys["children"] == nil && keys["vars"] == nil {
			said.Hosts, said.Vars = []string{p.name}, p.value
		} else if err == nil {
			err = json.Unmarshal(p.value, &said)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range said.Hosts {
		if _, err := l.tree.addHost(name, g, 0, path); err != nil {
			return nil, err
		}
	}
	if len(said.Vars) > 0 {
		values, err := object(said.Vars)
		if err != nil {
			return nil, fmt.Errorf("vars: %w", err)
		}
		for key, value := range values {
			if err := g.set(key, variable{value, path}); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range said.Children {
		child, err := l.tree.addGroup(name)
		if err == nil {
			err = l.tree.addChild(g, child)
		}
		if err != nil {
			return nil, err
		}
	}
	return said.Hosts, nil
}

type rawPair struct {
	name  string
	value json.RawMessage
}

// objectPairs returns the entries of a JSON object in their order, which is the order of the groups.
func objectPairs(src []byte) ([]rawPair, error) {
	decoder := json.NewDecoder(bytes.NewReader(src))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("the answer is no JSON object")
	}
	var out []rawPair
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		p := rawPair{name: name.(string)}
		if err := decoder.Decode(&p.value); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the JSON object")
	}
	return out, nil
}

// object reads a JSON object of variables.
func object(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil, err
	}
	fromJSON(out)
	return out, nil
}
