package inventory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// connection reads from a host's variables how it is reached.
type connection struct {
	host     *Host
	warnings []string
}

// connect fills in h's Target, Become and Problem, and returns what was read and is not followed.
func connect(h *Host) []string {
	c := &connection{host: h}
	t := &h.Target
	if user, name, ok := strings.Cut(h.Target.Name, "@"); ok && user != "" && name != "" {
		t.User, t.Addr = user, name
	}
	c.text(&t.Addr, "ansible_host", "ansible_ssh_host")
	c.text(&t.User, "ansible_user", "ansible_ssh_user")
	c.text(&t.IdentityFile, "ansible_private_key_file", "ansible_ssh_private_key_file")
	c.port()
	c.method()
	for _, name := range []string{"ansible_ssh_common_args", "ansible_ssh_extra_args"} {
		var args string
		if c.text(&args, name) {
			if err := c.arguments(name, args); err != nil {
				c.fail(name, err.Error())
			}
		}
	}
	c.become()
	for _, name := range passwords() {
		if _, ok := h.Vars[name]; ok {
			c.warn(name, "is not used: passwords are not taken from inventories")
		}
	}
	return c.warnings
}

// passwords are the variables that hold one, for Ansible.
func passwords() []string {
	return []string{"ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"}
}

// Shown are the host's variables without those that hold a password: for whoever writes down what he is told.
func (h Host) Shown() map[string]any {
	vars := maps.Clone(h.Vars)
	for _, name := range passwords() {
		delete(vars, name)
	}
	return vars
}

// fail notes the first reason why the host can't be used.
func (c *connection) fail(name, problem string) {
	if c.host.Problem == nil {
		c.host.Problem = &HostError{Host: c.host.Target.Name, Source: c.host.VarSource[name], Problem: name + " " + problem}
	}
}

func (c *connection) warn(name, problem string) {
	c.warnings = append(c.warnings, fmt.Sprintf("%s: %s %s", c.host.VarSource[name], name, problem))
}

// text sets to to the last of the variables that is there and not None, and reports whether one was.
func (c *connection) text(to *string, names ...string) bool {
	found := false
	for _, name := range names {
		switch v := c.host.Vars[name].(type) {
		case nil:
			continue
		case string:
			if strings.Contains(v, "{{") || strings.Contains(v, "{%") {
				c.fail(name, fmt.Sprintf("is a template, which is not evaluated here: %s", v))
				continue
			}
			*to = v
		case int64:
			*to = strconv.FormatInt(v, 10)
		default:
			c.fail(name, fmt.Sprintf("is no text: %v", v))
			continue
		}
		found = true
	}
	return found
}

func (c *connection) port() {
	for _, name := range []string{"ansible_port", "ansible_ssh_port"} {
		var text string
		if !c.text(&text, name) || text == "" {
			continue
		}
		port, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || port < 1 || port > 65535 {
			c.fail(name, fmt.Sprintf("is no port: %s", text))
			continue
		}
		c.host.Target.Port = port
	}
}

// method checks that the host is reached over SSH.
func (c *connection) method() {
	var method string
	if !c.text(&method, "ansible_connection") {
		return
	}
	method = strings.TrimPrefix(method, "ansible.builtin.")
	if !slices.Contains([]string{"", "ssh", "smart", "paramiko", "paramiko_ssh"}, method) {
		c.fail("ansible_connection", fmt.Sprintf("is %s, and hosts are reached over ssh only", method))
	}
}

func (c *connection) become() {
	b := &c.host.Become
	if v, ok := c.host.Vars["ansible_become"]; ok {
		enabled, err := truth(v)
		if err != nil {
			c.fail("ansible_become", err.Error())
		}
		b.Enabled = enabled
	}
	c.text(&b.User, "ansible_become_user")
	if c.text(&b.Method, "ansible_become_method") {
		b.Method = strings.TrimPrefix(strings.TrimPrefix(b.Method, "ansible.builtin."), "community.general.")
		if !slices.Contains([]string{"", "sudo", "doas", "su"}, b.Method) {
			c.fail("ansible_become_method", fmt.Sprintf("is %s; there are sudo, doas and su", b.Method))
		}
	}
}

// truth reads a bool as Ansible does.
func truth(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case nil:
		return false, nil
	case int64:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "y", "yes", "on", "1", "true", "t":
			return true, nil
		case "n", "no", "off", "0", "false", "f", "":
			return false, nil
		}
		if strings.Contains(v, "{{") || strings.Contains(v, "{%") {
			return false, fmt.Errorf("is a template, which is not evaluated here: %s", v)
		}
	}
	return false, fmt.Errorf("is neither yes nor no: %v", v)
}

// arguments reads the ssh arguments that are followed: -J, -o ProxyJump, and a ProxyCommand that is a jump written out.
// Any other is a warning.
func (c *connection) arguments(name, line string) error {
	words, err := splitWords(strings.ReplaceAll(line, "#", `\#`))
	if err != nil {
		return fmt.Errorf("can't be read: %w", err)
	}
	for i := 0; i < len(words); i++ {
		flag, value := words[i], ""
		if len(flag) > 2 && (strings.HasPrefix(flag, "-o") || strings.HasPrefix(flag, "-J")) {
			flag, value = flag[:2], flag[2:]
		} else if flag == "-o" || flag == "-J" {
			if i++; i == len(words) {
				return errors.New("ends in " + flag)
			}
			value = words[i]
		}
		switch option, setting := sshOption(value); {
		case flag == "-J":
			c.host.Target.Jump = value
		case flag == "-o" && option == "proxyjump":
			c.host.Target.Jump = setting
		case flag == "-o" && option == "proxycommand" && jumpOf(setting) != "":
			c.host.Target.Jump = jumpOf(setting)
		case flag == "-o" && option == "proxycommand":
			return fmt.Errorf("has a ProxyCommand, which can't be followed here: say -o ProxyJump=host, or put it into ssh_config: %s", setting)
		default:
			c.warn(name, fmt.Sprintf("is followed for ProxyJump only; passed over: %s", strings.TrimSpace(flag+" "+value)))
		}
	}
	return nil
}

// sshOption splits "Name=value" or "Name value".
func sshOption(text string) (name, value string) {
	at := strings.IndexAny(text, "= \t")
	if at < 0 {
		return strings.ToLower(text), ""
	}
	return strings.ToLower(text[:at]), strings.TrimLeft(text[at:], "= \t")
}

// jumpOf returns the jump host of "ssh -W %h:%p [-q] [-p port] [user@]host", or "" when it is something else.
func jumpOf(command string) string {
	words, err := splitWords(command)
	if err != nil || len(words) < 4 || words[0] != "ssh" {
		return ""
	}
	host, port, user, forwards := "", "", "", false
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		case w == "-q":
		case (w == "-W" || w == "-p" || w == "-l") && i+1 < len(words):
			i++
			switch w {
			case "-W":
				if words[i] != "%h:%p" && words[i] != "[%h]:%p" {
					return ""
				}
				forwards = true
			case "-p":
				port = words[i]
			case "-l":
				user = words[i] + "@"
			}
		case strings.HasPrefix(w, "-") || host != "":
			return ""
		default:
			host = w
		}
	}
	if !forwards || host == "" || strings.ContainsAny(host, "%,") {
		return ""
	}
	if port != "" {
		host += ":" + port
	}
	return user + host
}
