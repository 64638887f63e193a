package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFold(t *testing.T) {
	for names, want := range map[string]string{
		"web1 web2 web3":                            "web[1:3]",
		"db web9 web10 web11 web13":                 "db web[9:11] web13",
		"web1 web2":                                 "web1 web2",
		"web3 web2 web1":                            "web3 web2 web1",
		"web08 web09 web10":                         "web[08:10]",
		"web98 web99 web100":                        "web[98:100]",
		"web098 web099 web100 web101 web1000":       "web[098:101] web1000",
		"web8 web9 web09 web10":                     "web8 web9 web09 web10",
		"web0 web1 web2":                            "web[0:2]",
		"web00 web01 web02":                         "web[00:02]",
		"a1.x a2.x a3.x a3.y":                       "a[1:3].x a3.y",
		"10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10":      "10.0.0.[7:10]",
		"n1-r1 n1-r2 n1-r3 n2-r1 n2-r2 n2-r3 other": "n1-r[1:3] n2-r[1:3] other",
		"x[1:2] x[1:3] x[1:4]":                      "x[1:2] x[1:3] x[1:4]",
		"root@web1:2222 root@web1:2223":             "root@web1:2222 root@web1:2223",
		"":                                          "",
	} {
		given := strings.Fields(names)
		folded := Fold(given)
		require.Equal(t, want, strings.Join(folded, " "))
		if strings.Contains(names, "[") {
			continue
		}
		var back []string
		for _, text := range folded {
			expanded, err := Expand(text)
			require.NoError(t, err)
			back = append(back, expanded...)
		}
		require.Equal(t, given, append([]string{}, back...), names)
	}
}
