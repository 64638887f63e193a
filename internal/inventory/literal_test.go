package inventory

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata/literals.json holds texts and what Python's ast.literal_eval makes of each; the text itself where it refuses.
func TestValuesAsPython(t *testing.T) {
	src, err := os.ReadFile("testdata/literals.json")
	require.NoError(t, err)
	var want map[string]any
	require.NoError(t, json.Unmarshal(src, &want))
	require.Greater(t, len(want), 150)
	for text, value := range want {
		t.Run(text, func(t *testing.T) {
			raw, err := json.Marshal(iniValue(text))
			require.NoError(t, err)
			var got any
			require.NoError(t, json.Unmarshal(raw, &got))
			require.Equal(t, value, got)
		})
	}
}

func TestValuesKeepTheirTypes(t *testing.T) {
	tests := []struct {
		text string
		want any
	}{
		{"5", int64(5)},
		{"5.0", 5.0},
		{"None", nil},
		{"[1, 2.0]", []any{int64(1), 2.0}},
		{"{'a': 1}", map[string]any{"a": int64(1)}},
		{"9223372036854775808", "9223372036854775808"}, // Python has it as a number
		{"1e999", "1e999"},
		{strings.Repeat("[", 5000) + strings.Repeat("]", 5000), strings.Repeat("[", 5000) + strings.Repeat("]", 5000)},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, iniValue(tt.text), tt.text)
	}
}

// FuzzValue: no text does harm, and what comes out can be written as JSON.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"5", "[1, 'x'", `'\x41\u00e9\101'`, "{'a': (1,)}", "1_0.5e3", "-.5", "br'a'", "80,443 # ports"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := json.Marshal(iniValue(text))
		require.NoError(t, err)
	})
}
