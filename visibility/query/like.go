package query

import "strings"

// LikeForm is how a test of a part of a Keyword is written.
type LikeForm int

// Forms. LIKE and ILIKE have patterns, the others the text itself.
const (
	FormLike     LikeForm = iota
	FormILike             // ASCII letters in any case
	FormContains          // anywhere
	FormEndsWith
)

var likeTexts = []string{"LIKE", "ILIKE", "CONTAINS", "ENDS_WITH"}

// likeForms finds the form of an operator in upper case.
var likeForms = map[string]LikeForm{"LIKE": FormLike, "ILIKE": FormILike, "CONTAINS": FormContains, "ENDS_WITH": FormEndsWith}

// Like holds where a Keyword, or any element of a KeywordList, fits a pattern.
type Like struct {
	Field   Field
	Negated bool
	Form    LikeForm
	// Pattern of LIKE and ILIKE has % for any characters, _ for any one, and a
	// backslash before a character that stands for itself.
	Pattern Value
}

// Part is a piece of a pattern; exactly one field is set.
type Part struct {
	Literal string
	Any     bool // any characters, also none
	One     bool // any one character
}

// Folds tells that ASCII letters match in any case.
func (x *Like) Folds() bool { return x.Form == FormILike }

// Parts returns the pattern. Literals are not empty and not next to one another.
func (x *Like) Parts() []Part {
	switch x.Form {
	case FormContains:
		return joinParts(Part{Any: true}, Part{Literal: x.Pattern.String}, Part{Any: true})
	case FormEndsWith:
		return joinParts(Part{Any: true}, Part{Literal: x.Pattern.String})
	default:
		return patternParts(x.Pattern.String)
	}
}

func patternParts(pattern string) []Part {
	var parts []Part
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			parts = append(parts, Part{Any: true})
		case c == '_':
			parts = append(parts, Part{One: true})
		case c == likeEscape && i+1 < len(pattern):
			i++
			parts = append(parts, Part{Literal: pattern[i : i+1]})
		default:
			parts = append(parts, Part{Literal: pattern[i : i+1]})
		}
	}
	return joinParts(parts...)
}

// joinParts joins neighbouring literals, and neighbouring runs of anything.
func joinParts(parts ...Part) []Part {
	var out []Part
	for _, part := range parts {
		last := len(out) - 1
		switch {
		case part == Part{}:
		case last >= 0 && part.Any && out[last].Any:
		case last >= 0 && part.Literal != "" && out[last].Literal != "":
			out[last].Literal += part.Literal
		default:
			out = append(out, part)
		}
	}
	return out
}

// likeEscape stands before a character of a pattern that stands for itself.
const likeEscape = '\\'

// escapePattern returns a pattern that only text fits.
func escapePattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// likeOperator reads LIKE, ILIKE, CONTAINS or ENDS_WITH, whichever is next.
func (p *parser) likeOperator() (LikeForm, bool) {
	t := p.peek()
	if t.kind != tokenIdent && !t.is("like") {
		return 0, false
	}
	form, ok := likeForms[strings.ToUpper(t.text)]
	if ok {
		p.take()
	}
	return form, ok
}

func (p *parser) like(left operand, negated bool, form LikeForm) Expr {
	p.needColumn(left)
	x := &Like{Field: left.field(), Negated: negated, Form: form, Pattern: p.value()}
	if !p.accept("escape") {
		return x
	}
	escape := p.value()
	switch {
	case form != FormLike && form != FormILike:
		p.failMeaning(unsupported("ESCAPE behind %s", likeTexts[form]))
	case escape.Kind != String || len([]rune(escape.String)) > 1:
		p.failMeaning(invalid("ESCAPE needs one character, or none"))
	case x.Pattern.Kind == String:
		x.Pattern.String = changeEscape(x.Pattern.String, []rune(escape.String))
	}
	return x
}

// changeEscape rewrites a pattern with another escape character, or none, to one with the usual.
func changeEscape(pattern string, escape []rune) string {
	var b strings.Builder
	escaped := false
	for _, c := range pattern {
		switch {
		case !escaped && len(escape) == 1 && c == escape[0]:
			escaped = true
			continue
		case escaped:
			b.WriteString(`\`)
		case c == likeEscape:
			b.WriteString(`\`)
		}
		escaped = false
		b.WriteRune(c)
	}
	if escaped {
		b.WriteString(`\`)
	}
	return b.String()
}

// like checks a test of a part of a Keyword.
func (c *checker) like(x *Like) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	given := x.Pattern
	prefix := r.prefix
	r.prefix = ""
	if x.Pattern, err = r.value(x.Pattern); err != nil {
		return err
	}
	operator := strings.TrimSpace(not(x.Negated) + " " + likeTexts[x.Form])
	switch {
	case !isText(x.Field) || r.words != nil:
		return r.unsupportedOperator(operator)
	case given.Kind != String:
		return r.need(given, false)
	case !x.Folds() && x.Form != FormLike:
	case endsInEscape(x.Pattern.String):
		return invalid("the pattern of %s ends with its escape character", operator)
	}
	if prefix != "" {
		x.addPrefix(prefix)
	}
	return nil
}

// addPrefix makes a test of what follows a prefix one of the whole value.
func (x *Like) addPrefix(prefix string) {
	text := x.Pattern.String
	switch x.Form {
	case FormContains:
		text = "%" + escapePattern(text) + "%"
	case FormEndsWith:
		text = "%" + escapePattern(text)
	}
	if !x.Folds() {
		x.Form = FormLike
	}
	x.Pattern.String = escapePattern(prefix) + text
}

func endsInEscape(pattern string) bool {
	trailing := len(pattern) - len(strings.TrimRight(pattern, `\`))
	return trailing%2 == 1
}
