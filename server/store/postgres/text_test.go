package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEscapeExamples(t *testing.T) {
	for raw, want := range map[string]string{
		"":           "",
		"order-é-🚀":  "order-é-🚀",
		"a\x00b":     `a\x00b`,
		`a\x00b`:     `a\\x00b`,
		"\xff\xfe":   `\xff\xfe`,
		"\uFFFD":     "\uFFFD",
		`back\slash`: `back\\slash`,
	} {
		require.Equal(t, want, escape(raw))
		require.Equal(t, raw, unescape(want))
	}
}

func TestEscapeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOf(rapid.SampledFrom([]byte{0, 'x', '0', '\\', 0xff, 0xc3, 0xa9, 'a'})).Draw(t, "raw"))
		escaped := escape(raw)
		if !utf8.ValidString(escaped) || strings.IndexByte(escaped, 0) >= 0 {
			t.Fatalf("%q is no text", escaped)
		}
		if got := unescape(escaped); got != raw {
			t.Fatalf("%q became %q by %q", raw, got, escaped)
		}
	})
}
