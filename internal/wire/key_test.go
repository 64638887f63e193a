package wire

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeys(t *testing.T) {
	for _, sh := range hostShells {
		t.Run(sh.name, func(t *testing.T) {
			h := newHost(t, shell(t, sh.program, sh.pkg))
			c := h.open()
			facts, err := DecodeProbe(c.ask(Probe{}))
			require.NoError(t, err)
			ask := func(c *channel, key string) Keyed {
				k, err := DecodeKey(c.ask(Key{Base: facts.Base, Key: key, Salt: nonce()}))
				require.NoError(t, err)
				return k
			}
			first := ask(c, "it's nightly\n")
			require.Equal(t, 0, first.Generation)
			require.Equal(t, first, ask(c, "it's nightly\n"))
			require.NotEqual(t, first.Salt, ask(c, "other").Salt)
			require.NotEqual(t, first.ID(), Keyed{Salt: first.Salt, Generation: 1}.ID())
			for n := range 12 {
				for range 2 {
					require.NoError(t, DecodePing(c.ask(Mark{Base: facts.Base, Key: "it's nightly\n", Generation: n})))
				}
				require.Equal(t, Keyed{first.Salt, n + 1}, ask(c, "it's nightly\n"))
			}

			// Many controllers at the same instant see the same salt, and so the same job.
			var wg sync.WaitGroup
			seen := make([]Keyed, 8)
			for i := range seen {
				c := h.open()
				wg.Go(func() { seen[i] = ask(c, "race") })
			}
			wg.Wait()
			for _, k := range seen {
				require.Equal(t, seen[0], k)
			}
		})
	}
}

func TestKeyRefusals(t *testing.T) {
	for name, r := range map[string]Request{
		"empty": Key{Base: "/b", Salt: nonce()}, "salt": Key{Base: "/b", Key: "k", Salt: "x y"},
		"base": Key{Base: "b", Key: "k", Salt: nonce()}, "generation": Mark{Base: "/b", Key: "k", Generation: -1},
	} {
		_, err := Encode(nonce(), 1, r)
		require.ErrorIs(t, err, ErrRequest, name)
	}
	_, err := DecodeKey([]Frame{{Verb: "R", Args: []string{"failed"}, Text: "failed it"}})
	require.ErrorContains(t, err, "failed it")
}
