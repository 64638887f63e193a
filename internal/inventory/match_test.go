package inventory

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"starling/internal/transport"
)

const fleet = `
lone ansible_host=1.2.3.4
[web]
web[1:4]
[db]
db1
db2
web4
[prod:children]
web
db
[empty]
[six]
fd00::1
[2001:db8::7]:22
`

func load(t testing.TB, src string) *Inventory {
	inv, err := Load(t.Context(), []string{filepath.Join(files(t, map[string]string{"hosts": src}), "hosts")}, Options{})
	require.NoError(t, err)
	return inv
}

// names are hosts as one text.
func hostsText(hosts []Host) string {
	var out []string
	for _, h := range hosts {
		out = append(out, h.Target.Name)
	}
	return strings.Join(out, " ")
}

// The rows marked A are what ansible --list-hosts answers for the same file.
func TestMatch(t *testing.T) {
	inv := load(t, fleet)
	t.Chdir(files(t, map[string]string{"failed": "# of yesterday\nweb2\n\n db1 # slow\n", "none": "# nothing\n"}))
	tests := []struct{ pattern, want string }{
		{"web", "web1 web2 web3 web4"},               // A
		{"web:!web3", "web1 web2 web4"},              // A
		{"web:&db", "web4"},                          // A
		{"web*", "web1 web2 web3 web4"},              // A
		{"db:web", "db1 db2 web4 web1 web2 web3"},    // A
		{"web,db", "web1 web2 web3 web4 db1 db2"},    // A
		{"~web[12]", "web1 web2"},                    // A
		{"~(web|db)1", "web1 db1"},                   // A
		{"web[0]", "web1"},                           // A
		{"web[-1]", "web4"},                          // A
		{"w*", "web1 web2 web3 web4"},                // A
		{"ungrouped", "lone"},                        // A
		{"prod:&db:!db1", "web4 db2"},                // A
		{"empty", ""},                                // A
		{"lone:web1", "lone web1"},                   // A
		{"web?", "web1 web2 web3 web4"},              // A
		{"web[!12]", "web3 web4"},                    // A
		{"[dw]*1", "web1 db1"},                       // A
		{"*1:db:!fd00*:!2001*", "web1 db1 db2 web4"}, // A
		{"!web:!six", "lone db1 db2"},                // A
		{"&db", "web4 db1 db2"},                      // A
		{"all", "lone fd00::1 2001:db8::7 web1 web2 web3 web4 db1 db2"},
		{"*", "lone fd00::1 2001:db8::7 web1 web2 web3 web4 db1 db2"},
		{"web[1:2]", "web1 web2"}, // names, where Ansible counts: web2 web3
		{"web[1:3:2],db1", "web1 web3 db1"},
		{"~db{1,1}1,web1", "db1 web1"},
		{"~web(?:1|2):!web2", "web1"},
		{" web1 , db1 ,", "web1 db1"},
		{"!web3:web", "web1 web2 web4"},
		{"fd00::1", "fd00::1"},
		{"fd00::1,web1", "fd00::1 web1"},
		{"six,!fd00::1", "2001:db8::7"},
		{"@failed", "web2 db1"},
		{"web:!@failed", "web1 web3 web4"},
		{"web,&@failed", "web2"},
		{"@none", ""},
		{"web1:web1,web1", "web1"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			hosts, err := inv.Match(tt.pattern)
			require.NoError(t, err)
			require.Equal(t, tt.want, hostsText(hosts))
		})
	}
}

func TestMatchErrors(t *testing.T) {
	inv := load(t, fleet)
	t.Chdir(files(t, map[string]string{"failed": "web2\nwebb3\n"}))
	tests := []struct{ pattern, want string }{
		{"wbe1", `pattern "wbe1": "wbe1" is none of the 9 hosts there are, and no group (did you mean web1?)`},
		{"prodd", `pattern "prodd": "prodd" is none of the 9 hosts there are, and no group (did you mean prod?)`},
		{"web:!wbe3", `pattern "web:!wbe3": "wbe3" is none of the 9 hosts there are, and no group (did you mean web3?)`},
		{"something.else", `pattern "something.else": "something.else" is none of the 9 hosts there are, and no group`},
		{"web1:22", `pattern "web1:22": "web1:22" is none of the 9 hosts there are, and no group`},
		{"web[1:9]", `pattern "web[1:9]": "web5" is none of the 9 hosts there are, and no group (did you mean web1?)`},
		{"web[4]", `pattern "web[4]": web[4]: the group has 4 hosts`},
		{"a*", `pattern "a*": a* matches none of the 9 hosts and 5 groups there are`},
		{"~(", "pattern \"~(\": ~( is no regular expression: error parsing regexp: missing closing ): `^(?:()`"},
		{"", `pattern "": it names nothing`},
		{" , ", `pattern " , ": it names nothing`},
		{"web:!", `pattern "web:!": a ! without a name`},
		{"@failed", `pattern "@failed": "webb3" is none of the 9 hosts there are, and no group (did you mean web3?)`},
		{"@nowhere", `pattern "@nowhere": @nowhere: no such file or directory`},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			hosts, err := inv.Match(tt.pattern)
			require.EqualError(t, err, tt.want)
			require.Empty(t, hosts)
			var pattern *PatternError
			require.ErrorAs(t, err, &pattern)
			if strings.Contains(tt.want, "no group") {
				require.Regexp(t, `^starling hosts -i \S+$`, pattern.Hint(), "what lists them")
			}
		})
	}
}

func TestNamesWithoutInventory(t *testing.T) {
	t.Chdir(files(t, map[string]string{"failed": "web2\nroot@db:2222\n"}))
	tests := []struct {
		pattern string
		want    []transport.Target
		err     string
	}{
		{"web1", []transport.Target{{Name: "web1"}}, ""},
		{"web1:web2", []transport.Target{{Name: "web1"}, {Name: "web2"}}, ""},
		{"web[09:11],web10", []transport.Target{{Name: "web09"}, {Name: "web10"}, {Name: "web11"}}, ""},
		{"root@db:2222", []transport.Target{{Name: "root@db:2222", Addr: "db", Port: 2222, User: "root"}}, ""},
		{"[::1]:22", []transport.Target{{Name: "[::1]:22", Addr: "::1", Port: 22}}, ""},
		{"fd00::1", []transport.Target{{Name: "fd00::1"}}, ""},
		{"web[1:3]:!web2", []transport.Target{{Name: "web1"}, {Name: "web3"}}, ""},
		{"@failed", []transport.Target{{Name: "web2"}, {Name: "root@db:2222", Addr: "db", Port: 2222, User: "root"}}, ""},
		{"all", nil, `pattern "all": all means nothing without an inventory`},
		{"web*", nil, `pattern "web*": web* means nothing without an inventory`},
		{"@db", nil, `pattern "@db": @db: no such file or directory`},
		{"x@", nil, `pattern "x@": "x@" is no host name`},
		{"db:99999", nil, `pattern "db:99999": "99999" is no port`},
		{"-oProxyCommand=x", nil, `pattern "-oProxyCommand=x": "-oProxyCommand=x" is no host name`},
		{"$(x)", nil, `pattern "$(x)": "$(x)" is no host name`},
		{"web:!wbe", nil, `pattern "web:!wbe": "wbe" is none of the 1 hosts there are, and no group (did you mean web?)`},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			got, err := Names(tt.pattern)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestLimit(t *testing.T) {
	inv := load(t, fleet)
	web, err := inv.Match("web")
	require.NoError(t, err)
	for pattern, want := range map[string]string{"": "web1 web2 web3 web4", "db": "web4", "!web3": "web1 web2 web4", "web4,web1": "web1 web4", "lone": ""} {
		got, err := inv.Limit(web, pattern)
		require.NoError(t, err, pattern)
		require.Equal(t, want, hostsText(got), pattern)
	}
	none, err := Load(t.Context(), nil, Options{ConfigFile: "cfg"})
	require.NoError(t, err)
	named, err := none.Match("a[1:3]")
	require.NoError(t, err)
	require.Equal(t, "cfg", named[0].Target.ConfigFile)
	got, err := none.Limit(named, "a2")
	require.NoError(t, err)
	require.Equal(t, "a2", hostsText(got))
	require.Equal(t, "cfg", got[0].Target.ConfigFile)
	_, err = none.Limit(named, "b1")
	require.EqualError(t, err, `pattern "b1": "b1" is none of the 3 hosts there are, and no group (did you mean a1?)`)
}

// FuzzMatch: any pattern is hosts of the inventory, once each, or a PatternError.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"web:!web3", "web:&db", "~web[12]", "web[0]", "web[01:20]", "[dw]*", "fd00::1", "[::1]:22", "@/nowhere", "a[!]b]", "web[[:alpha:]]", "!&x", "~(?=x)"} {
		f.Add(seed)
	}
	inv := load(f, fleet)
	f.Fuzz(func(t *testing.T, pattern string) {
		if strings.Contains(pattern, "@") {
			t.Skip("no files")
		}
		for _, each := range []*Inventory{inv, {empty: true}} {
			hosts, err := each.Match(pattern)
			if err != nil {
				var wrong *PatternError
				require.True(t, errors.As(err, &wrong), "%v", err)
				continue
			}
			seen := map[string]bool{}
			for _, h := range hosts {
				require.False(t, seen[h.Target.Name], h.Target.Name)
				seen[h.Target.Name] = true
			}
		}
	})
}
