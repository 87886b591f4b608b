package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a query: enough for what people and tools write, small enough that
// no text can exhaust the stack or a statement's arguments.
const (
	MaxTextBytes  = 20 << 10
	MaxDepth      = 32   // nested NOT and parentheses
	MaxPredicates = 200  // comparisons and the like, views written out
	MaxInValues   = 2000 // values of one list, as of IN
)

// Positions in errors are byte offsets behind the wrong token plus one of
// these, so that clients see the numbers they know: the public server puts a
// SELECT before the text, with WHERE unless the text begins with a clause. The
// place in the text itself stands behind, as a byte counted from 1.
const (
	positionBaseWhere  = 28
	positionBaseClause = 22
)

// Parse reads a filter. The empty text is a query for everything. An error is
// an *Error.
func Parse(text string) (*Query, error) { return parse(&lexer{text: text}, nil) }

// parse reads a filter; params are the values of its parameters.
func parse(l *lexer, params map[string]Value) (*Query, error) {
	if len(l.text) > MaxTextBytes {
		return nil, unsupported("query text of %d bytes, the limit is %d", len(l.text), MaxTextBytes)
	}
	if !utf8.ValidString(l.text) { // no store can hold such a value, and each would read it in its own way
		return nil, unsupported("query text that is not UTF-8")
	}
	p := &parser{tokens: l.all(), params: params, positionBase: positionBaseWhere}
	if len(p.tokens) == 1 && strings.TrimSpace(l.text) != "" {
		p.failSyntax(whatPredicate) // nothing but a comment is a mistake
	}
	q := p.query()
	if p.syntaxErr != nil {
		return nil, p.syntaxErr
	}
	if p.meaningErr != nil {
		return nil, p.meaningErr
	}
	return q, nil
}

// parser reads tokens by precedence. A syntax error stops it: every later
// token is the end. An error of meaning is kept until the syntax is known to be right.
type parser struct {
	tokens       []token
	params       map[string]Value
	positionBase int
	at           int
	bareAt       int // behind an attribute that nothing was asked about
	depth        int
	predicates   int
	syntaxErr    error
	meaningErr   error
}

func (p *parser) peek() token {
	if p.syntaxErr != nil {
		return token{kind: tokenEnd}
	}
	return p.tokens[p.at]
}

func (p *parser) take() token {
	t := p.peek()
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// accept takes the next token if it is that keyword or symbol.
func (p *parser) accept(text string) bool {
	if p.peek().is(text) {
		p.take()
		return true
	}
	return false
}

// acceptWord takes the next token if it is that word of the extensions, which
// is no keyword. The word is in upper case.
func (p *parser) acceptWord(word string) bool {
	if p.isWord(word) {
		p.take()
		return true
	}
	return false
}

func (p *parser) isWord(word string) bool {
	t := p.peek()
	return t.kind == tokenIdent && strings.EqualFold(t.text, word)
}

// isCall tells whether that word with a parenthesis comes next.
func (p *parser) isCall(word string) bool {
	return (p.isWord(word) || p.peek().is(strings.ToLower(word))) && p.tokens[p.at+1].is("(")
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.failSyntax("'" + strings.ToUpper(text) + "'")
	}
}

// failSyntax refuses the next token and tells what belongs in its place.
func (p *parser) failSyntax(expected string) {
	if p.syntaxErr != nil {
		return
	}
	t := p.tokens[p.at]
	end := t.end
	if t.kind == tokenEnd && p.at > 0 {
		end = p.tokens[p.at-1].end
	}
	message := fmt.Sprintf("invalid query: malformed SQL query: syntax error at position %d", end+p.positionBase)
	if t.kind != tokenSymbol && t.text != "" {
		message += fmt.Sprintf(" near '%s'", t.text)
	}
	p.syntaxErr = &Error{Message: message + fmt.Sprintf(" (byte %d: expected %s)", t.start+1, expected)}
}

// What the grammar has in a place, in words for errors.
const (
	whatPredicate = "an attribute, NOT or '('"
	whatOperand   = "an attribute or a value"
	whatOperator  = "an operator, such as = or IN"
	whatEnd       = "AND, OR, a clause or the end"
)

// stop ends the parse with that error, whatever follows.
func (p *parser) stop(err error) {
	if p.syntaxErr == nil {
		p.syntaxErr = err
	}
}

// failMeaning keeps the first error of meaning.
func (p *parser) failMeaning(err error) {
	if p.meaningErr == nil && p.syntaxErr == nil {
		p.meaningErr = err
	}
}

func invalid(format string, args ...any) error {
	return &Error{Message: "invalid query: invalid expression: " + fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &Error{Message: "invalid query: operation is not supported: " + fmt.Sprintf(format, args...)}
}

// Precedences of the operators that join expressions.
const (
	precedenceOr = iota + 1
	precedenceAnd
	precedenceNot
)

// expr reads an expression whose operators bind at least as tightly as precedence.
func (p *parser) expr(precedence int) Expr {
	left := p.unary()
	for {
		switch {
		case precedence <= precedenceAnd && (p.accept("and") || p.accept("&&")):
			left = &And{Left: left, Right: p.expr(precedenceNot)}
		case precedence <= precedenceOr && (p.accept("or") || p.accept("||")):
			left = &Or{Left: left, Right: p.expr(precedenceAnd)}
		default:
			return left
		}
	}
}

// unary reads NOT, a parenthesis or a predicate.
func (p *parser) unary() Expr {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > MaxDepth {
		p.stop(unsupported("expression nested deeper than %d", MaxDepth))
		return &IsNull{}
	}
	switch {
	case p.accept("not"):
		return &Not{X: p.expr(precedenceNot)}
	case p.peek().is("("):
		return p.parenthesis()
	case p.isExists():
		return p.exists()
	case p.isCall("MATCH"):
		return p.match()
	case p.isCall("VIEW"):
		return p.view()
	default:
		return p.predicate()
	}
}

func (p *parser) parenthesis() Expr {
	p.expect("(")
	x := p.expr(precedenceOr)
	p.expect(")")
	if _, compares := comparisons[p.peek().text]; compares && p.peek().kind == tokenSymbol {
		p.failMeaning(invalid("must be a column name but was an expression in parentheses"))
		p.take()
		p.operand()
	}
	return x
}
