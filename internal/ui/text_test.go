package ui

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s":    -time.Second,
		"350ms": 350 * time.Millisecond,
		"1.2s":  1290 * time.Millisecond,
		"2s":    2 * time.Second,
		"9.9s":  9999 * time.Millisecond,
		"42s":   42900 * time.Millisecond,
		"1m":    time.Minute,
		"1m03s": 63 * time.Second,
		"3m20s": 200*time.Second + 900*time.Millisecond,
		"30m":   30 * time.Minute,
		"2h":    2*time.Hour + 59*time.Second,
		"2h05m": 2*time.Hour + 5*time.Minute,
		"1d":    24 * time.Hour,
		"1d03h": 27*time.Hour + 59*time.Minute,
		"90d":   90 * 24 * time.Hour,
	} {
		require.Equal(t, want, Duration(d))
	}
}

func TestSafe(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "make world", "make world"},
		{"tab", "a\tb", "a\tb"},
		{"letters", "größer 日本語 👩‍🚀 é", "größer 日本語 👩‍🚀 é"},
		{"escape", "\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`},
		{"carriage return and line feed", "a\r\nb", `a\x0d\x0ab`},
		{"nul and delete", "\x00\x7f", `\x00\x7f`},
		{"C1", "\u009b31m", `\u009b31m`},
		{"bare bytes", "a\xff\x9bb", `a\xff\x9bb`},
		{"half a character", "\xe6\x97", `\xe6\x97`},
		{"bidirectional", "a\u202eb\u2066c\u200f", `a\u202eb\u2066c\u200f`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"a real replacement character", "\ufffd", `\ufffd`},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, Safe(tt.in)) })
	}
}

func FuzzSafe(f *testing.F) {
	for _, s := range []string{"", "a\x1b[0m", "\xff\xfe", "\u202e", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Safe(s)
		require.True(t, utf8.ValidString(got))
		require.NotRegexp(t, `[\x00-\x08\x0a-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`, got)
		require.Equal(t, got, Safe(got), "once is enough")
	})
}

func TestVisible(t *testing.T) {
	require.Equal(t, " 80%", visible(" 10%\r 50%\r 80%\r\n"))
	require.Equal(t, "done", visible("done"))
	require.Empty(t, visible("\r\n"))
}
