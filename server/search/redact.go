package search

import "strings"

// Redact returns the text of a printed query with ? for each value, and for
// each row of values, so that queries which differ in values only read alike.
func Redact(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		kind, length := token(rest)
		if kind == tokenValue {
			b.WriteByte('?')
		} else {
			b.WriteString(rest[:length])
		}
		rest = rest[length:]
	}
	return joinValues(b.String())
}

// joinValues makes one ? of several in a row.
func joinValues(text string) string {
	for strings.Contains(text, "?, ?") {
		text = strings.ReplaceAll(text, "?, ?", "?")
	}
	return text
}

const (
	tokenOther = iota
	tokenValue
)

// token tells what the text begins with and how long it is.
func token(text string) (kind, length int) {
	switch c := text[0]; {
	case c == '\'' || c == '"':
		return tokenValue, quoted(text, c)
	case c == '`':
		return tokenOther, quoted(text, c)
	case isDigit(c), c == '-' && len(text) > 1 && isDigit(text[1]):
		return tokenValue, 1 + span(text[1:], isNumberByte)
	case isNameByte(c):
		return tokenOther, span(text, isNameByte)
	}
	return tokenOther, 1
}

// quoted is the length of a text in quotes, with its quotes.
func quoted(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}

func span(text string, in func(byte) bool) int {
	for i := range len(text) {
		if !in(text[i]) {
			return i
		}
	}
	return len(text)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNumberByte: the digits, point, exponent and sign of a number behind its first byte.
func isNumberByte(c byte) bool {
	return isDigit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

// isNameByte: all bytes of other alphabets belong to names.
func isNameByte(c byte) bool {
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// FillParameters puts a value in the place of each parameter of a saved
// filter, such as :days, and returns the names of the parameters.
func FillParameters(text, value string) (filled string, names []string) {
	var b strings.Builder
	for rest := text; rest != ""; {
		if length := 1 + span(rest[1:], isNameByte); rest[0] == ':' && length > 1 {
			b.WriteString(value)
			names = append(names, rest[1:length])
			rest = rest[length:]
			continue
		}
		_, length := token(rest)
		b.WriteString(rest[:length])
		rest = rest[length:]
	}
	return b.String(), names
}
