package spec

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Signature returns the call as a def line would declare it: name(first, *, second=0).
func (s *Spec) Signature() string {
	var parts []string
	// What is behind this mark is taken by name only.
	mark := "*"
	if s.Variadic {
		mark = "*args"
	}
	for _, p := range s.Params {
		if !p.Positional && mark != "" {
			parts = append(parts, mark)
			mark = ""
		}
		if p.Required {
			parts = append(parts, p.Name)
		} else {
			parts = append(parts, p.Name+"="+p.Default)
		}
	}
	if s.Variadic {
		if mark != "" {
			parts = append(parts, mark)
		}
		parts = append(parts, "**kwargs")
	}
	return s.Name + "(" + strings.Join(parts, ", ") + ")"
}

// helpWidth is the longest line of Help, in runes; words that are longer stay whole.
const helpWidth = 96

// Help returns what `starling doc` prints, plain text that ends with a newline.
func (s *Spec) Help() string {
	var b strings.Builder
	b.WriteString(wrap(s.Signature(), "", "    "))
	b.WriteString("\n" + wrap(s.Summary, "", ""))
	if len(s.Params) > 0 {
		b.WriteString("\n")
	}
	for i := range s.Params {
		p := &s.Params[i]
		fmt.Fprintf(&b, "  %s: %s%s\n", p.Name, p.Type, p.remark("; "))
		b.WriteString(wrap(p.Doc, "      ", "      "))
	}
	b.WriteString("\n" + wrap("Returns: "+s.Returns, "", "    "))
	if s.Fails != "" {
		b.WriteString(wrap("Fails: "+s.Fails, "", "    "))
	}
	b.WriteString("\nExample:\n\n")
	for _, line := range strings.Split(strings.Trim(s.Example, "\n"), "\n") {
		b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	}
	return b.String()
}

// remark says whether the parameter is required, else its default, and the choices it leaves.
func (p *Param) remark(sep string) string {
	r := sep + "required"
	if !p.Required {
		r = sep + "default " + p.Default
	}
	if p.Choices != nil {
		r += sep + "one of " + strings.Join(p.Choices, ", ")
	}
	return r
}

// Markdown returns the builtin's section of docs/builtins.md, beginning with a heading of the second level.
func (s *Spec) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n```python\n%s\n```\n\n%s\n", s.Name, s.Signature(), s.Summary)
	if len(s.Params) > 0 {
		b.WriteString("\n| parameter | type | default | |\n|---|---|---|---|\n")
	}
	for i := range s.Params {
		p := &s.Params[i]
		def := "required"
		if !p.Required {
			def = "`" + p.Default + "`"
		}
		doc := p.Doc
		if p.Choices != nil {
			doc += " One of `" + strings.Join(p.Choices, "`, `") + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, cell(p.Type.String()), cell(def), cell(doc))
	}
	fmt.Fprintf(&b, "\n**Returns** %s\n", s.Returns)
	if s.Fails != "" {
		fmt.Fprintf(&b, "\n**Fails** %s\n", s.Fails)
	}
	fmt.Fprintf(&b, "\n```python\n%s\n```\n", strings.Trim(s.Example, "\n"))
	return b.String()
}

// cell makes text fit into one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// wrap breaks text at spaces; first is put before the first line and next before all others.
func wrap(text, first, next string) string {
	var b strings.Builder
	line := first
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > helpWidth {
			b.WriteString(line + "\n")
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	return b.String() + line + "\n"
}
