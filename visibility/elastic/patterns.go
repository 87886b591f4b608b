package elastic

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"perdure/visibility/query"
)

// A pattern becomes an automaton in the server, which refuses to build one with
// too many states: many single characters, or a long text, behind a run of anything.
const (
	patternOnesMax  = 8
	patternRunesMax = 100
)

// compileLike uses the cheapest query that fits: of a term, of a prefix, or of a pattern.
func compileLike(x *query.Like) filter {
	place, parts := placeOf(x.Field), x.Parts()
	folds := x.Folds() && strings.ContainsFunc(x.Pattern.String, unicode.IsLetter)
	switch {
	case !folds && len(parts) == 0:
		return is(object{"term": object{place.field: place.term("")}})
	case !folds && len(parts) == 1 && parts[0].Literal != "":
		return is(object{"term": object{place.field: place.term(parts[0].Literal)}})
	case !folds && len(parts) == 2 && parts[0].Literal != "" && parts[1].Any:
		return place.startsWith(parts[0].Literal)
	case isSimple(parts, folds):
		return place.fits(parts, folds)
	case parts[0].Literal != "" && !folds:
		return candidates(place.startsWith(parts[0].Literal))
	default:
		return candidates(place.present())
	}
}

// fits tests a pattern.
func (p place) fits(parts []query.Part, folds bool) filter {
	pattern := object{"value": p.term(wildcards(parts))}
	if folds {
		pattern["case_insensitive"] = true
	}
	return is(object{"wildcard": object{p.field: pattern}})
}

// isSimple tells whether the server can take a pattern. It ignores the case of
// ASCII letters only, as we do, but newer ones may of others as well.
func isSimple(parts []query.Part, folds bool) bool {
	ones, runes := 0, 0
	for _, part := range parts {
		if part.One {
			ones++
		}
		runes += utf8.RuneCountInString(part.Literal)
		if folds && !isASCII(part.Literal) {
			return false
		}
	}
	return ones <= patternOnesMax && runes <= patternRunesMax
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

var wildcardEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

func wildcards(parts []query.Part) string {
	var b strings.Builder
	for _, part := range parts {
		switch {
		case part.Any:
			b.WriteByte('*')
		case part.One:
			b.WriteByte('?')
		default:
			b.WriteString(wildcardEscapes.Replace(part.Literal))
		}
	}
	return b.String()
}

// compilePair narrows a comparison of two attributes to runs that have both.
func compilePair(x *query.CompareFields) filter {
	both := candidates(allOf(placeOf(x.Left).present(), placeOf(x.Right).present()))
	return both.when(x.Op == query.NotEqual)
}

// compilePhrase looks for words one behind the other.
func compilePhrase(x *query.Phrase) filter {
	place := placeOf(x.Field)
	if len(x.Words) == 1 {
		return is(object{"term": object{fieldWords: wordTerm(place.key, x.Words[0])}})
	}
	return is(object{"match_phrase": object{fieldWords: wordsText(place.key, x.Words)}})
}
