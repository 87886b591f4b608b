package query

import (
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Match is a search in texts as people type it: all words, "a phrase", -not, OR.
type Match struct {
	All    bool // every Text attribute
	Fields []Field
	Text   string
	at     int
}

// Phrase holds where the words of a Text, in order and with repetitions, have
// these words one behind the other. Words are in the form of attr.Tokens.
type Phrase struct {
	Field Field
	Words []string
}

// match reads MATCH(attributes, 'text').
func (p *parser) match() Expr {
	p.countPredicate()
	x := &Match{at: p.take().start + 1}
	p.expect("(")
	if x.All = p.accept("*"); x.All {
		p.expect(",")
	}
	for p.syntaxErr == nil {
		o := p.operand()
		if o.column == "" || x.All {
			x.Text = p.searchText(o)
			break
		}
		x.Fields = append(x.Fields, o.field())
		p.expect(",")
	}
	p.expect(")")
	if !x.All && len(x.Fields) == 0 && p.syntaxErr == nil {
		p.failMeaning(invalid("MATCH needs attributes to search, or *"))
	}
	return x
}

func (p *parser) searchText(o operand) string {
	v := p.literal(o)
	if v.Kind != String {
		p.failMeaning(invalid("MATCH searches for a string"))
	}
	return v.String
}

// match checks a search and returns it as phrases: what it finds must have one
// of the alternatives, of an alternative all terms. A term is found when it is in
// any of the attributes.
func (c *checker) match(x *Match) (Expr, error) {
	fields, err := c.searched(x)
	if err != nil {
		return nil, err
	}
	var found Expr
	for _, terms := range searchTerms(x.Text) {
		var all Expr
		for _, term := range terms {
			all = And2(all, term.expr(fields))
		}
		if all != nil {
			found = or2(found, all)
		}
	}
	if found == nil {
		return nil, invalid("no words to search for in MATCH")
	}
	return found, nil
}

// searched returns the attributes that a search looks at.
func (c *checker) searched(x *Match) ([]Field, error) {
	if x.All {
		return c.allTexts()
	}
	fields := slices.Clone(x.Fields)
	for i := range fields {
		r, err := c.field(&fields[i])
		if err != nil {
			return nil, err
		}
		if r.declared != text {
			return nil, r.unsupportedOperator("MATCH")
		}
	}
	return fields, nil
}

const text = enumspb.INDEXED_VALUE_TYPE_TEXT

func (c *checker) allTexts() ([]Field, error) {
	types := c.allTypes()
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if types[name] == text {
			f := Field{Name: name}
			if _, err := c.field(&f); err != nil {
				return nil, err
			}
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return nil, unsupported("MATCH of * where there is no Text search attribute")
	}
	return fields, nil
}

// or2 joins two expressions; left may be nil for nothing.
func or2(left, right Expr) Expr {
	if left == nil {
		return right
	}
	return &Or{Left: left, Right: right}
}

// searchTerm is a word or a phrase that must be there, or must not.
type searchTerm struct {
	negated bool
	words   []string
}

func (t searchTerm) expr(fields []Field) Expr {
	var any Expr
	for _, field := range fields {
		any = or2(any, &Phrase{Field: field, Words: t.words})
	}
	if t.negated {
		return &Not{X: any}
	}
	return any
}

// searchTerms cuts a search into alternatives of terms. What has no letters or
// digits is passed over.
func searchTerms(search string) [][]searchTerm {
	alternatives := [][]searchTerm{nil}
	for rest := search; ; {
		var piece string
		var quoted, negated bool
		piece, rest, quoted, negated = nextPiece(rest)
		if piece == "" && rest == "" {
			return alternatives
		}
		last := len(alternatives) - 1
		if !quoted && !negated && strings.EqualFold(piece, "or") {
			if len(alternatives[last]) > 0 {
				alternatives = append(alternatives, nil)
			}
			continue
		}
		if words := attr.Tokens(piece); len(words) > 0 {
			alternatives[last] = append(alternatives[last], searchTerm{negated: negated, words: words})
		}
	}
}

// nextPiece cuts the next word or quoted phrase from a search.
func nextPiece(search string) (piece, rest string, quoted, negated bool) {
	search = strings.TrimLeft(search, " \t\r\n")
	if strings.HasPrefix(search, "-") {
		negated, search = true, search[1:]
	}
	if strings.HasPrefix(search, `"`) {
		piece, rest, _ = strings.Cut(search[1:], `"`)
		return piece, rest, true, negated
	}
	end := strings.IndexAny(search, " \t\r\n\"")
	if end < 0 {
		end = len(search)
	}
	return search[:end], search[end:], false, negated
}

// printPhrase prints a phrase as the search that finds it.
func printPhrase(x *Phrase) string {
	return "MATCH(" + printName(x.Field.Name) + ", " + printString(`"`+strings.Join(x.Words, " ")+`"`) + ")"
}
