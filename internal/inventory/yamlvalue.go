package inventory

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file turns YAML nodes into values, by YAML 1.1: yes and off are bools, 0644 is octal, 1:30 is ninety. Dates stay
// text, as do numbers that neither an int64 nor a finite float64 holds.

func isJSON(src []byte) bool { return json.Valid(src) }

// pair is one entry of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs returns the entries of a mapping, those that << brings in first; the last of a name wins where it is used.
func (d *document) pairs(n *yaml.Node) ([]pair, error) {
	if d.within[n] {
		return nil, d.errorf(n, "YAML: a mapping that holds itself")
	}
	d.within[n] = true
	defer delete(d.within, n)
	var merged, own []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		if d.budget--; d.budget < 0 {
			return nil, d.errorf(n, "YAML: too large once its aliases are followed")
		}
		key, value := follow(n.Content[i]), follow(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			return nil, d.errorf(key, "YAML: %s is no name", kindOf(key))
		}
		if key.Value != "<<" || !plainScalar(key) && key.Tag != "!!merge" {
			name := key.Value
			if plainScalar(key) && !d.json {
				name, _ = keyText(scalarValue(key.Value))
			}
			own = append(own, pair{name, key, value})
			continue
		}
		from := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			from = value.Content
		}
		for j := len(from) - 1; j >= 0; j-- { // the first of a list wins, so it comes last
			each := follow(from[j])
			if each.Kind != yaml.MappingNode {
				return nil, d.errorf(key, "YAML: << takes a mapping, got %s", kindOf(each))
			}
			more, err := d.pairs(each)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
		}
	}
	return append(merged, own...), nil
}

func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// variables reads a mapping of names and values.
func (d *document) variables(n *yaml.Node, put func(string, variable) error) error {
	pairs, err := d.pairs(n)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		v, err := d.variable(p)
		if err != nil {
			return err
		}
		if err := put(p.name, v); err != nil {
			return d.errorf(p.key, "%v", err)
		}
	}
	return nil
}

func (d *document) variable(p pair) (variable, error) {
	v, err := d.value(p.value)
	return variable{v, fmt.Sprintf("%s:%d", d.file, p.key.Line)}, err
}

// value reads any node.
func (d *document) value(n *yaml.Node) (any, error) {
	n = follow(n)
	if d.budget--; d.budget < 0 {
		return nil, d.errorf(n, "YAML: too large once its aliases are followed")
	}
	switch n.Kind {
	case yaml.MappingNode:
		pairs, err := d.pairs(n)
		if err != nil {
			return nil, err
		}
		d.within[n] = true
		defer delete(d.within, n)
		out := make(map[string]any, len(pairs))
		for _, p := range pairs {
			if out[p.name], err = d.value(p.value); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.SequenceNode:
		if d.within[n] {
			return nil, d.errorf(n, "YAML: a list that holds itself")
		}
		d.within[n] = true
		defer delete(d.within, n)
		out := make([]any, len(n.Content))
		for i, each := range n.Content {
			var err error
			if out[i], err = d.value(each); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.ScalarNode:
		return d.scalar(n)
	}
	return nil, nil
}

// plainScalar reports whether the text of a scalar decides on its type.
func plainScalar(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
}

func (d *document) scalar(n *yaml.Node) (any, error) {
	if n.Style&yaml.TaggedStyle == 0 {
		switch {
		case !plainScalar(n):
			return n.Value, nil
		case d.json:
			return jsonScalar(n.Value), nil
		}
		return scalarValue(n.Value), nil
	}
	switch n.ShortTag() {
	case "!vault", "!vault-encrypted":
		return map[string]any{"__ansible_vault": n.Value}, nil
	case "!!str", "!unsafe", "!":
		return n.Value, nil
	case "!!int", "!!float", "!!bool", "!!null":
		return scalarValue(n.Value), nil
	}
	return nil, d.errorf(n, "YAML: the tag %s is not known here", n.Tag)
}

// wantText refuses names that YAML takes for something else: on, 10, 1.5.
func (d *document) wantText(key *yaml.Node, what string) error {
	if plainScalar(key) && !d.json {
		if _, ok := scalarValue(key.Value).(string); !ok {
			return d.errorf(key, "%s is %s, which YAML takes for no text; put it in quotes", what, key.Value)
		}
	}
	return nil
}

var (
	yamlInt   = regexp.MustCompile(`^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$`)
	yamlSixty = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`)
)

// scalarValue reads a plain scalar.
func scalarValue(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	}
	digits := strings.ReplaceAll(text, "_", "")
	switch {
	case yamlInt.MatchString(text):
		sign, body := "", strings.TrimPrefix(digits, "+")
		if strings.HasPrefix(body, "-") {
			sign, body = "-", body[1:]
		}
		if n, err := strconv.ParseInt(sign+body, 0, 64); err == nil { // base 0 reads 0x, 0b and a leading 0
			return n
		}
	case yamlFloat.MatchString(text):
		if f, err := strconv.ParseFloat(digits, 64); err == nil && !math.IsInf(f, 0) {
			return f
		}
	case yamlSixty.MatchString(text) && (text[0] != '0' || strings.Contains(text, ".")):
		if v, ok := sixties(digits); ok {
			return v
		}
	}
	return text
}

// sixties reads a number in base 60: 1:30 is 90.
func sixties(digits string) (any, bool) {
	sign := 1.0
	if digits[0] == '-' {
		sign = -1
	}
	sum := 0.0
	for _, part := range strings.Split(strings.TrimLeft(digits, "+-"), ":") {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return nil, false
		}
		sum = sum*60 + f
	}
	switch {
	case strings.Contains(digits, "."):
		return sign * sum, true
	case sum < 1<<53:
		return int64(sign * sum), true
	}
	return nil, false
}

// jsonScalar reads what JSON writes without quotes.
func jsonScalar(text string) any {
	switch text {
	case "null":
		return nil
	case "true", "false":
		return text == "true"
	}
	return jsonNumber(json.Number(text))
}

func jsonNumber(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil && strings.ContainsAny(n.String(), ".eE") {
		return f
	}
	return n.String()
}

// fromJSON turns what encoding/json has read, with UseNumber, into values as Host.Vars holds them.
func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		return jsonNumber(v)
	case []any:
		for i := range v {
			v[i] = fromJSON(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = fromJSON(v[name])
		}
	}
	return v
}
