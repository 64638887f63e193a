package ssh

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
)

// home makes a home directory with an ssh_config and returns Options for it.
func home(t *testing.T, config string, more map[string]string) Options {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".ssh"), 0o700))
	files := map[string]string{"config": config}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(dir, ".ssh", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return Options{Home: dir, LocalUser: "me", AgentSocket: "/agent"}
}

func TestSettings(t *testing.T) {
	const config = `
# a comment
Host web1 web2 !web3
  HostName %h.example.com   # trailing
  Port=2222
  user "deploy er"
  IdentityFile ~/.ssh/%r@%h-%p
  IdentityFile /keys/%u/%n
  IdentitiesOnly yes
  ConnectTimeout 1m30s
  ServerAliveInterval 7
  ServerAliveCountMax 2
  UserKnownHostsFile ~/kh1 "/kh 2"
  IdentityAgent none
  StrictHostKeyChecking accept-new
Host web2
  Port 1
Host *.10.in
  User pattern
Match originalhost other user me
  Port 99
Match host elsewhere
  Port 98
Host other
  HostName elsewhere
Match final host elsewhere
  ConnectTimeout 3
Host inc
  Include sub/*.conf
Host web? other
  User late
`
	o := home(t, config, map[string]string{
		"sub/a.conf": "User inside\nHost web1\n  HostName never\nHost inc\n  Port 77\n",
		"sub/b.conf": "Compression yes\n",
	})
	load := func(target transport.Target) *settings {
		s, err := o.load(target)
		require.NoError(t, err)
		return s
	}
	s := load(transport.Target{Name: "web1"})
	require.Equal(t, "web1.example.com", s.host)
	require.Equal(t, 2222, s.port)
	require.Equal(t, "deploy er", s.user)
	require.Equal(t, []string{o.Home + "/.ssh/deploy er@web1.example.com-2222", "/keys/me/web1"}, s.identities)
	require.True(t, s.identitiesOnly && s.identitiesSet && s.acceptNew)
	require.Equal(t, 90*time.Second, s.connectTimeout)
	require.Equal(t, 7*time.Second, s.aliveInterval)
	require.Equal(t, 2, s.aliveCount)
	require.Equal(t, []string{o.Home + "/kh1", "/kh 2"}, s.knownHosts)
	require.Empty(t, s.agent)

	require.Equal(t, 2222, load(transport.Target{Name: "web2"}).port, "the first value wins")
	s = load(transport.Target{Name: "web1", Addr: "10.0.0.1", Port: 5, User: "u"})
	require.Equal(t, Endpoint{Addr: "10.0.0.1", Port: 5, User: "u"}, s.endpoint(), "the target wins")
	require.Equal(t, "pattern", load(transport.Target{Name: "db", Addr: "1.10.in"}).user, "Host matches the address too")
	require.Equal(t, Endpoint{Addr: "elsewhere", Port: 98, User: "late"}, load(transport.Target{Name: "web9", Addr: "other"}).endpoint(), "an address that ssh_config knows by another name")
	require.Equal(t, Endpoint{Addr: "web2.example.com", Port: 22, User: "root"}, load(transport.Target{Name: "root@web2:22", Addr: "web2", User: "root", Port: 22}).endpoint())

	s = load(transport.Target{Name: "other"})
	require.Equal(t, Endpoint{Addr: "elsewhere", Port: 99, User: "late"}, s.endpoint())
	require.Equal(t, 3*time.Second, s.connectTimeout, "Match final sees the HostName")

	s = load(transport.Target{Name: "inc"})
	require.Equal(t, Endpoint{Addr: "inc", Port: 77, User: "inside"}, s.endpoint())

	s = load(transport.Target{Name: "web3"})
	require.Equal(t, Endpoint{Addr: "web3", Port: 22, User: "late"}, s.endpoint(), "a negated pattern")
	require.Equal(t, 10*time.Second, s.connectTimeout)
	require.Equal(t, 15*time.Second, s.aliveInterval)
	require.Equal(t, []string{o.Home + "/.ssh/id_ed25519", o.Home + "/.ssh/id_ecdsa", o.Home + "/.ssh/id_rsa"}, s.identities)
	require.Equal(t, "/agent", s.agent)
	require.False(t, s.acceptNew)
}

func TestConfigErrors(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"proxy command", "Host web1\n ProxyCommand nc %h %p\n", "config:2: ProxyCommand is not supported: use ProxyJump instead"},
		{"revoked keys", "RevokedHostKeys /x\n", "config:1: RevokedHostKeys is not supported"},
		{"match exec", "Match host web* exec true\n", "config:1: criterion exec of Match is not supported"},
		{"match exec for others", "Match host db* exec true\n Port 0\n", ""},
		{"proxy command for others", "Host db\n ProxyCommand nc\nHost web1\n ProxyCommand none\n", ""},
		{"port", "Port 70000\n", "config:1: 70000 is no number"},
		{"port zero", "Port 0\n", "port 0 is not between"},
		{"time", "ConnectTimeout soon\n", "config:1: soon is no time"},
		{"quote", "User \"me\n", "config:1: unbalanced quote"},
		{"no value", "User\n", "config:1: user has no value"},
		{"token", "IdentityFile %X\n", "%X is not supported"},
		{"variable", "IdentityFile ${HOME}/x\n", "environment variables are not supported"},
		{"strict", "StrictHostKeyChecking maybe\n", "maybe is not one of"},
		{"ciphers", "Ciphers blowfish\n", "none of blowfish is supported"},
		{"ciphers known", "Ciphers blowfish,aes256-ctr\n", ""},
		{"option for a host name", "HostName -oProxyCommand=x\n", "is no host name"},
		{"jump loop", "ProxyJump bastion\n", "or a loop"},
		{"jump port", "Host web1\n ProxyJump a:0\n", "is no port"},
		{"jump config", "Host web1\n ProxyJump a\nHost a\n ProxyCommand nc\n", "jump host a: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New(transport.Target{Name: "web1"}, home(t, tt.config, nil)).Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			var e *transport.UnreachableError
			require.ErrorAs(t, err, &e)
			require.Equal(t, "config", e.Op)
			require.ErrorContains(t, err, tt.want)
		})
	}
	err := New(transport.Target{Name: "x", ConfigFile: "/no/such"}, Options{}).Validate()
	require.ErrorContains(t, err, "no such file")
}

func TestResolvedJumps(t *testing.T) {
	o := home(t, `
Host web1
  ProxyJump b,admin@c:2200
Host b
  ProxyJump ssh://a
  User bee
Host c
  HostName see
  ProxyJump ignored
`, nil)
	e := New(transport.Target{Name: "web1"}, o).Resolved()
	require.Equal(t, Endpoint{Addr: "web1", Port: 22, User: "me", Jumps: []Endpoint{
		{Addr: "a", Port: 22, User: "me"}, {Addr: "b", Port: 22, User: "bee"}, {Addr: "see", Port: 2200, User: "admin"},
	}}, e)
}

// What a target says itself comes before ssh_config.
func TestTargetOverConfig(t *testing.T) {
	o := home(t, "Host web1\n  ProxyJump b\n  IdentityFile ~/of-config\n", nil)
	chain, err := o.chain(transport.Target{Name: "web1", Jump: "admin@c", IdentityFile: "~/of-target"})
	require.NoError(t, err)
	require.Len(t, chain, 2)
	require.Equal(t, "admin", chain[0].user)
	require.Equal(t, []string{filepath.Join(o.Home, "of-target"), filepath.Join(o.Home, "of-config")}, chain[1].identities)
	chain, err = o.chain(transport.Target{Name: "web1", Jump: "none"})
	require.NoError(t, err)
	require.Len(t, chain, 1)
}

func TestAlgorithmLists(t *testing.T) {
	usual, insecure := []string{"aa", "ab", "b"}, []string{"old"}
	tests := []struct {
		list string
		want []string
	}{
		{"b,old", []string{"b", "old"}},
		{"+old", []string{"aa", "ab", "b", "old"}},
		{"-a*", []string{"b"}},
		{"^b", []string{"b", "aa", "ab"}},
	}
	for _, tt := range tests {
		t.Run(tt.list, func(t *testing.T) {
			r := reader{l: &lookup{values: map[string][]value{"x": {{args: []string{tt.list}}}}}}
			require.Equal(t, tt.want, r.algorithms("x", usual, insecure))
			require.NoError(t, r.err)
		})
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"Host a\n Port 1\n", "Match final all\nUser x", "A=\"b\\\" c\" # d", "Include *", "Host \"", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		// Whatever it says, it is read or refused, and what is read can be dialled.
		s, err := Options{LocalUser: "me"}.load(transport.Target{Name: "web1", ConfigFile: file})
		if err == nil && (s.port < 1 || s.port > 65535 || s.host == "") {
			t.Fatalf("%+v", s)
		}
	})
}
