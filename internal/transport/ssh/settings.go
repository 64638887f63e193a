package ssh

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"starling/internal/transport"
)

const (
	defaultConnectTimeout = 10 * time.Second
	defaultAliveInterval  = 15 * time.Second
	defaultAliveCount     = 3
)

// settings is what is known of one host before it is dialled: ssh_config and the target's own say, defaults filled
// in, tokens expanded.
type settings struct {
	name string // as the user, or a ProxyJump, called it
	host string // what is resolved and dialled
	port int
	user string

	network     string // tcp, tcp4 or tcp6
	jump        string // ProxyJump, unexpanded; "" is none
	keyAlias    string // HostKeyAlias
	knownHosts  []string
	globalHosts []string
	acceptNew   bool
	hashHosts   bool
	minRSA      int // bits of the smallest RSA host key to accept; 0 is x/crypto's own limit

	identities     []string
	identitiesSet  bool // named by the user, not the defaults
	identitiesOnly bool
	certificates   []string
	agent          string // socket; "" is none
	publicKey      bool
	password       bool
	keyboard       bool

	connectTimeout time.Duration
	aliveInterval  time.Duration // 0 asks never
	aliveCount     int

	hostKeyAlgorithms, ciphers, macs, kex []string // nil is x/crypto's own choice
}

// refused are the keywords that this package does not honour and that change what is trusted or reached, with what
// to do instead.
var refused = []struct{ keyword, name, instead string }{
	{"proxycommand", "ProxyCommand", "use ProxyJump instead"},
	{"revokedhostkeys", "RevokedHostKeys", "put @revoked lines into known_hosts instead"},
}

// load reads the config for one host. What target says itself wins over it. An address of its own is taken as ssh(1)
// takes a name: the HostName of a block for that address counts, and the one of a block for the host's name does not.
func (o Options) load(target transport.Target) (*settings, error) {
	if target.Addr == "" || target.Addr == target.Name {
		l, err := o.lookUp(target, target.Name)
		if err != nil {
			return nil, err
		}
		return o.interpret(l, target)
	}
	l, err := o.lookUp(target, target.Name, target.Addr)
	if err != nil {
		return nil, err
	}
	address, err := o.lookUp(target, target.Addr)
	if err != nil {
		return nil, err
	}
	l.values["hostname"] = address.values["hostname"]
	return o.interpret(l, target)
}

// lookUp reads what the config says of a host under its names, the first of which is what the user called it.
func (o Options) lookUp(target transport.Target, names ...string) (*lookup, error) {
	l := &lookup{
		names: names, original: names[0], localUser: o.LocalUser, home: o.Home, user: target.User,
		values: map[string][]value{},
	}
	files, required := []string{target.ConfigFile}, true
	if target.ConfigFile == "" {
		files, required = nil, false
		if o.Home != "" {
			files = append(files, filepath.Join(o.Home, ".ssh", "config"))
		}
		if o.SystemConfig != "" {
			files = append(files, o.SystemConfig)
		}
	} else if rest, ok := strings.CutPrefix(target.ConfigFile, "~/"); ok {
		files[0] = filepath.Join(o.Home, rest)
	}
	if err := l.read(files, required); err != nil {
		return nil, err
	}
	for _, r := range refused {
		if v := l.first(r.keyword); v != nil && !strings.EqualFold(v.args[0], "none") {
			return nil, fmt.Errorf("%s: %s is not supported: %s", v.where, r.name, r.instead)
		}
	}
	return l, nil
}

func (o Options) interpret(l *lookup, target transport.Target) (*settings, error) {
	r := reader{l: l}
	s := &settings{
		name: target.Name, host: cmp.Or(target.Addr, target.Name), port: target.Port, user: target.User,
		jump: r.text("proxyjump", "none"), keyAlias: r.text("hostkeyalias", ""),
		acceptNew: o.AcceptNew || r.oneOf("stricthostkeychecking", "ask", "yes", "ask", "accept-new", "no", "off") >= 2,
		hashHosts: r.yes("hashknownhosts", false), minRSA: r.number("requiredrsasize", 0, 1<<16),
		identitiesOnly: r.yes("identitiesonly", false),
		publicKey:      r.oneOf("pubkeyauthentication", "yes", "no", "yes", "unbound", "host-bound") > 0,
		password:       r.yes("passwordauthentication", true),
		keyboard:       r.yes("kbdinteractiveauthentication", r.yes("challengeresponseauthentication", true)),
		connectTimeout: r.duration("connecttimeout", defaultConnectTimeout),
		aliveInterval:  r.duration("serveraliveinterval", defaultAliveInterval),
		aliveCount:     r.number("serveralivecountmax", defaultAliveCount, 1<<16),
		network:        []string{"tcp", "tcp4", "tcp6"}[r.oneOf("addressfamily", "any", "any", "inet", "inet6")],
	}
	if s.connectTimeout == 0 {
		s.connectTimeout = defaultConnectTimeout
	}
	if target.Jump != "" {
		s.jump = target.Jump
	}
	if strings.EqualFold(s.jump, "none") {
		s.jump = ""
	}
	if s.port == 0 {
		s.port = r.number("port", 22, 1<<16-1)
	}
	if s.port < 1 || s.port > 1<<16-1 {
		r.fail(fmt.Errorf("port %d is not between 1 and 65535", s.port))
	}
	if s.user == "" {
		s.user = r.text("user", o.LocalUser)
	}
	if v := l.first("hostname"); v != nil {
		s.host = r.expand(v, tokens{'h': s.host, 'n': s.host})[0]
	}
	s.host = strings.TrimSuffix(strings.TrimPrefix(s.host, "["), "]")
	switch {
	case s.host == "":
		r.fail(errors.New("the host has no name"))
	case strings.HasPrefix(s.host, "-"), strings.ContainsAny(s.host, " \t\r\n/@"):
		r.fail(fmt.Errorf("%q is no host name", s.host))
	}

	r.home = o.Home
	r.tokens = tokens{
		'd': o.Home, 'h': s.host, 'n': target.Name, 'p': strconv.Itoa(s.port), 'r': s.user, 'u': o.LocalUser,
		'k': s.host,
	}
	if s.keyAlias != "" {
		r.tokens['k'] = s.keyAlias
	}
	s.identities, s.identitiesSet = r.files("identityfile", "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
	if target.IdentityFile != "" {
		s.identities = append([]string{inHome(target.IdentityFile, o.Home)}, s.identities...)
		s.identitiesSet = true
	}
	s.certificates, _ = r.files("certificatefile")
	s.knownHosts, _ = r.files("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	s.globalHosts, _ = r.files("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
	s.agent = r.agent(o.AgentSocket)

	supported, insecure := xssh.SupportedAlgorithms(), xssh.InsecureAlgorithms()
	s.hostKeyAlgorithms = r.algorithms("hostkeyalgorithms", supported.HostKeys, insecure.HostKeys)
	s.ciphers = r.algorithms("ciphers", supported.Ciphers, insecure.Ciphers)
	s.macs = r.algorithms("macs", supported.MACs, insecure.MACs)
	s.kex = r.algorithms("kexalgorithms", supported.KeyExchanges, insecure.KeyExchanges)
	return s, r.err
}

// inHome puts the home in the place of a leading ~/.
func inHome(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

type tokens map[byte]string

// reader turns words into values and remembers the first that is none.
type reader struct {
	l      *lookup
	tokens tokens
	home   string
	err    error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) text(keyword, otherwise string) string {
	if v := r.l.first(keyword); v != nil {
		return v.args[0]
	}
	return otherwise
}

// oneOf returns the index of the value among choices.
func (r *reader) oneOf(keyword, otherwise string, choices ...string) int {
	text := r.text(keyword, otherwise)
	for i, choice := range choices {
		if strings.EqualFold(text, choice) {
			return i
		}
	}
	r.fail(fmt.Errorf("%s: %s is not one of %s", r.l.first(keyword).where, text, strings.Join(choices, ", ")))
	return 0
}

func (r *reader) yes(keyword string, otherwise bool) bool {
	text := "no"
	if otherwise {
		text = "yes"
	}
	return r.oneOf(keyword, text, "no", "yes", "false", "true")%2 == 1
}

func (r *reader) number(keyword string, otherwise, most int) int {
	v := r.l.first(keyword)
	if v == nil {
		return otherwise
	}
	n, err := strconv.Atoi(v.args[0])
	if err != nil || n < 0 || n > most {
		r.fail(fmt.Errorf("%s: %s is no number from 0 to %d", v.where, v.args[0], most))
	}
	return n
}

// duration reads seconds, or numbers with units as in 1m30s; none is zero.
func (r *reader) duration(keyword string, otherwise time.Duration) time.Duration {
	v := r.l.first(keyword)
	if v == nil {
		return otherwise
	}
	text := strings.ToLower(v.args[0])
	if text == "none" {
		return 0
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var total time.Duration
	for text != "" {
		digits := 0
		for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(text[:digits])
		unit := time.Second
		text = text[digits:]
		if text != "" {
			unit = units[text[0]]
			text = text[1:]
		}
		if err != nil || unit == 0 || n > 1<<24 {
			r.fail(fmt.Errorf("%s: %s is no time in seconds", v.where, v.args[0]))
			return otherwise
		}
		total += time.Duration(n) * unit
	}
	return total
}

// files returns the paths of all values of a keyword, or the defaults, and whether there were any values. The value
// none gives no paths.
func (r *reader) files(keyword string, otherwise ...string) (paths []string, set bool) {
	values := r.l.values[keyword]
	set = len(values) > 0
	if !set {
		values = []value{{args: otherwise}}
	}
	for _, v := range values {
		for _, path := range r.expand(&v, r.tokens) {
			rest, inHome := strings.CutPrefix(path, "~/")
			switch {
			case strings.EqualFold(path, "none") && set:
				continue
			case inHome && r.home == "":
				continue
			case inHome:
				path = filepath.Join(r.home, rest)
			}
			paths = append(paths, path)
		}
	}
	return paths, set
}

// expand replaces the % tokens in a value's words.
func (r *reader) expand(v *value, with tokens) []string {
	var words []string
	for _, arg := range v.args {
		var word strings.Builder
		for i := 0; i < len(arg); i++ {
			switch {
			case arg[i] == '$' && strings.HasPrefix(arg[i:], "${"):
				r.fail(fmt.Errorf("%s: environment variables are not supported in %s", v.where, arg))
				word.WriteByte(arg[i])
			case arg[i] != '%':
				word.WriteByte(arg[i])
			case i+1 < len(arg) && arg[i+1] == '%':
				i++
				word.WriteByte('%')
			default:
				if i++; i == len(arg) {
					r.fail(fmt.Errorf("%s: %s ends in %%", v.where, arg))
				} else if text, ok := with[arg[i]]; ok {
					word.WriteString(text)
				} else {
					r.fail(fmt.Errorf("%s: %%%c is not supported in %s", v.where, arg[i], arg))
				}
			}
		}
		words = append(words, word.String())
	}
	return words
}

func (r *reader) agent(socket string) string {
	v := r.l.first("identityagent")
	if v == nil || v.args[0] == "SSH_AUTH_SOCK" || v.args[0] == "$SSH_AUTH_SOCK" {
		return socket
	}
	if strings.HasPrefix(v.args[0], "$") {
		r.fail(fmt.Errorf("%s: environment variables are not supported in %s", v.where, v.args[0]))
		return ""
	}
	paths, _ := r.files("identityagent")
	if len(paths) == 0 {
		return ""
	}
	return paths[0]
}

// algorithms reads a list of algorithms, with the prefixes + - ^ and with patterns, and leaves out what x/crypto
// does not know. It returns nil when nothing was said.
func (r *reader) algorithms(keyword string, usual, insecure []string) []string {
	v := r.l.first(keyword)
	if v == nil {
		return nil
	}
	all := slices.Concat(usual, insecure)
	list, prefix := v.args[0], byte(0)
	if strings.IndexByte("+-^", list[0]) >= 0 {
		prefix, list = list[0], list[1:]
	}
	var named []string
	for _, pattern := range strings.Split(list, ",") {
		for _, algorithm := range all {
			if matchPattern(pattern, algorithm) && !slices.Contains(named, algorithm) {
				named = append(named, algorithm)
			}
		}
	}
	unnamed := slices.DeleteFunc(slices.Clone(usual), func(a string) bool { return slices.Contains(named, a) })
	var result []string
	switch prefix {
	case '-':
		result = unnamed
	case '+':
		result = slices.Concat(unnamed, named)
	case '^':
		result = slices.Concat(named, unnamed)
	default:
		result = named
	}
	if len(result) == 0 {
		r.fail(fmt.Errorf("%s: none of %s is supported", v.where, v.args[0]))
	}
	return result
}
