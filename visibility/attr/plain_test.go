package attr

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The short way of plain lists finds what JSON finds, or nothing.
func TestPlainListIsJSON(t *testing.T) {
	for text, plain := range map[string]bool{`["a","b"]`: true, `[""]`: true, `["","x,y"]`: true, `["a", "b"]`: false, `[]`: false, `["]`: false, `["a\n"]`: false, `["ä"]`: false} {
		_, ok := plainList(text)
		require.Equal(t, plain, ok, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`\[?("?[ab,\\ ä]{0,3}"?,?){0,3}\]?`).Draw(t, "text")
		if rapid.Bool().Draw(t, "list") {
			data, err := json.Marshal(rapid.SliceOfN(rapid.StringMatching(`[ab,"\\ä]{0,3}`), 1, 4).Draw(t, "words"))
			require.NoError(t, err)
			text = string(data)
		}
		list, ok := plainList(text)
		if !ok {
			return
		}
		var want []string
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		require.Equal(t, want, list)
	})
}
