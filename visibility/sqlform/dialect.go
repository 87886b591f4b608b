package sqlform

import (
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/query"
)

// Dialect is what differs between databases. Its bind functions add an argument and return its text.
type Dialect interface {
	// Arg is the text of the n-th argument, from 1, with the type of its value
	// where the database needs it: string, int64 or bool.
	Arg(n int, value any) string
	// HasAny tests that an attribute has one of the values, or a list any of them.
	HasAny(key string, t enumspb.IndexedValueType, values []any, bind func(any) string) string
	// Phrase tests that a Text has words one behind the other.
	Phrase(key string, words []string, bind func(any) string) string
	// Key is the text by which the methods below find an attribute.
	Key(key string, bind func(any) string) string
	// Extract is an expression for a single attribute of a JSON object: that of the run, or of an item.
	Extract(object, key string, t enumspb.IndexedValueType) string
	// IsAbsent tests that an attribute is not in an object.
	IsAbsent(object, key string) string
	// AnyItem tests that a pending item of a kind passes a test, in which the item's object is named item. Each such item has
	// these values by their keys, which an index can find.
	AnyItem(kind string, values map[string]any, test string, bind func(any) string) string
	// AnyElement tests that an element of a list passes a test, which is given an expression for it.
	AnyElement(key string, test func(element string) string) string
	// Least is an expression for the least element of a list.
	Least(key string) string
	// Fits tests that a string fits a pattern.
	Fits(text string, p Pattern, bind func(any) string) string
	// TimeKey is an expression for the TimeKey of nanoseconds since 1970.
	TimeKey(nanos string) string
	// Covers tells that the index of a column has close_key and start_ns behind it.
	Covers(column string) bool
	// Total adds a column up to an integer, 0 without rows.
	Total(column string) string
	// Aggregate returns the columns from which Value makes the aggregate of an expression; false where the database has none.
	Aggregate(a query.Aggregate, value string) ([]string, bool)
}

// Pattern is a pattern for strings as they are stored.
type Pattern struct {
	Parts []query.Part
	Folds bool // ASCII letters match in any case
}

// isPlain tells that each character of the pattern is one of the stored form, as the patterns of SQL need it.
func (p Pattern) isPlain() bool {
	for _, part := range p.Parts {
		if part.One || strings.ContainsAny(part.Literal, "\x00\x01") {
			return false
		}
	}
	return true
}

// Like returns the pattern with the signs of a database for any characters and an escape before those that escaped has. It is
// false for a pattern that must be a Regexp, since a stored character may be two.
func (p Pattern) Like(anything string, escape func(literal string) string) (string, bool) {
	if !p.isPlain() {
		return "", false
	}
	var b strings.Builder
	for _, part := range p.Parts {
		if part.Any {
			b.WriteString(anything)
		} else {
			b.WriteString(escape(p.fold(part.Literal)))
		}
	}
	return b.String(), true
}

// oneStored is one original character in the stored form.
const oneStored = "(?:\x01.|[^\x01])"

// Regexp returns the pattern as a regular expression in which a dot and a set may stand for a newline.
func (p Pattern) Regexp() string {
	var b strings.Builder
	b.WriteByte('^')
	for _, part := range p.Parts {
		switch {
		case part.Any:
			b.WriteString(oneStored + "*")
		case part.One:
			b.WriteString(oneStored)
		default:
			b.WriteString(quoteRegexp(Text(p.fold(part.Literal))))
		}
	}
	return b.String() + "$"
}

// quoteRegexp puts a backslash before each sign.
func quoteRegexp(text string) string {
	var b strings.Builder
	for _, c := range text {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// fold makes ASCII letters small where the pattern does not mind their case.
func (p Pattern) fold(text string) string {
	if !p.Folds {
		return text
	}
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, text)
}
