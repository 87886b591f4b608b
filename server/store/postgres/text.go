package postgres

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// escape makes any Go string one that PostgreSQL's text can hold: a NUL and
// bytes that are not UTF-8 become \xHH, and so that nothing else can look the
// same, a backslash becomes two. Almost all ids pass unchanged and stay readable.
func escape(text string) string {
	if plain(text) {
		return text
	}
	var escaped strings.Builder
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == 0 || r == utf8.RuneError && width == 1:
			escaped.WriteString(`\x`)
			escaped.WriteByte(hexDigits[text[i]>>4])
			escaped.WriteByte(hexDigits[text[i]&15])
		case r == '\\':
			escaped.WriteString(`\\`)
		default:
			escaped.WriteString(text[i : i+width])
		}
		i += width
	}
	return escaped.String()
}

func plain(text string) bool {
	return strings.IndexByte(text, 0) < 0 && strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text)
}

// unescape is the inverse of escape.
func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var raw strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\' || i+1 == len(text):
			raw.WriteByte(text[i])
		case text[i+1] == 'x' && i+3 < len(text):
			raw.WriteByte(digit(text[i+2])<<4 | digit(text[i+3]))
			i += 3
		default:
			i++
			raw.WriteByte(text[i])
		}
	}
	return raw.String()
}

func digit(c byte) byte {
	return byte(strings.IndexByte(hexDigits, c))
}
