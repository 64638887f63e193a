package ssh

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"starling/internal/transport"
)

const maxJumps = 8

// Endpoint is where a transport goes, ssh_config and defaults considered.
type Endpoint struct {
	Addr string // host name or IP address
	Port int
	User string
	// Jumps are the hosts on the way, the first one dialled first; their own Jumps are nil.
	Jumps []Endpoint
}

// HostPort returns Addr and Port as one string.
func (e Endpoint) HostPort() string { return net.JoinHostPort(e.Addr, strconv.Itoa(e.Port)) }

func (s *settings) endpoint() Endpoint { return Endpoint{Addr: s.host, Port: s.port, User: s.user} }
func (s *settings) hostPort() string   { return s.endpoint().HostPort() }

// chain returns the settings of all hosts to go through, the target last.
func (o Options) chain(target transport.Target) ([]*settings, error) {
	last, err := o.load(target)
	if err != nil {
		return nil, err
	}
	chain := []*settings{last}
	for jump := last.jump; jump != ""; {
		hops := strings.Split(jump, ",")
		if len(hops)+len(chain) > maxJumps+1 {
			return nil, fmt.Errorf("ProxyJump %s: more than %d jumps, or a loop: a jump host that must not jump itself needs ProxyJump none", jump, maxJumps)
		}
		var front []*settings
		for _, hop := range hops {
			at, err := parseHop(strings.TrimSpace(hop))
			if err != nil {
				return nil, fmt.Errorf("ProxyJump %s: %w", jump, err)
			}
			at.ConfigFile = target.ConfigFile
			s, err := o.load(at)
			if err != nil {
				return nil, fmt.Errorf("jump host %s: %w", at.Name, err)
			}
			front = append(front, s)
		}
		// The way to each hop but the first is the hop before it; the first may have a ProxyJump of its own.
		chain = append(front, chain...)
		jump = front[0].jump
	}
	return chain, nil
}

// parseHop reads one hop of a ProxyJump: [user@]host[:port] or ssh://[user@]host[:port].
func parseHop(text string) (transport.Target, error) {
	var t transport.Target
	rest := strings.TrimSuffix(strings.TrimPrefix(text, "ssh://"), "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		t.User, rest = rest[:at], rest[at+1:]
	}
	t.Name = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		number, err := strconv.Atoi(port)
		if err != nil || number < 1 || number > 1<<16-1 {
			return t, fmt.Errorf("%q is no port", port)
		}
		t.Name, t.Port = host, number
	}
	if t.Name == "" {
		return t, errors.New("a hop has no host name")
	}
	return t, nil
}
