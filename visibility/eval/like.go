package eval

import (
	"slices"
	"unicode/utf8"

	"perdure/visibility/query"
)

// matchLike tells whether the value, or any element of a list, fits the pattern.
func matchLike(x *query.Like, row Row) bool {
	pattern := newPattern(x)
	switch value := row.get(x.Field).(type) {
	case string:
		return pattern.fits(value)
	case []string:
		return slices.ContainsFunc(value, pattern.fits)
	default:
		return false
	}
}

// pattern is a LIKE, one element for each character.
type pattern struct {
	elements []element
	folds    bool
}

type element struct {
	char     rune
	any, one bool
}

func newPattern(x *query.Like) pattern {
	p := pattern{folds: x.Folds()}
	for _, part := range x.Parts() {
		if part.Literal == "" {
			p.elements = append(p.elements, element{any: part.Any, one: part.One})
		}
		for _, char := range part.Literal {
			p.elements = append(p.elements, element{char: p.fold(char)})
		}
	}
	return p
}

// fold makes ASCII letters small where the pattern does not mind their case.
func (p pattern) fold(char rune) rune {
	if p.folds && char >= 'A' && char <= 'Z' {
		return char + 'a' - 'A'
	}
	return char
}

// fits walks through value and pattern; after a mismatch it goes on one
// character behind where the last run of anything began.
func (p pattern) fits(value string) bool {
	at, place := 0, 0
	retryAt, retryPlace := -1, -1
	for at < len(value) {
		char, size := utf8.DecodeRuneInString(value[at:])
		switch {
		case place < len(p.elements) && p.elements[place].any:
			retryAt, retryPlace = at, place
			place++
		case place < len(p.elements) && (p.elements[place].one || p.elements[place].char == p.fold(char)):
			at += size
			place++
		case retryPlace >= 0:
			_, skipped := utf8.DecodeRuneInString(value[retryAt:])
			retryAt += skipped
			at, place = retryAt, retryPlace+1
		default:
			return false
		}
	}
	for place < len(p.elements) && p.elements[place].any {
		place++
	}
	return place == len(p.elements)
}
