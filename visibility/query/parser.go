package query

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of a query: enough for what people and tools write, small enough that
// no text can exhaust the stack or a statement's arguments.
const (
	MaxTextBytes  = 20 << 10
	MaxDepth      = 64   // nested NOT and parentheses
	MaxPredicates = 200  // comparisons and the like
	MaxInValues   = 2000 // values of one IN
)

// Positions in errors are byte offsets behind the wrong token plus one of
// these, so that clients see the numbers they know: the public server puts a
// SELECT before the text, with WHERE unless the text begins with a clause.
const (
	positionBaseWhere  = 28
	positionBaseClause = 22
)

// Parse reads a filter. The empty text is a query for everything. An error is
// an *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxTextBytes {
		return nil, unsupported("query text of %d bytes, the limit is %d", len(text), MaxTextBytes)
	}
	p := &parser{tokens: lex(text), positionBase: positionBaseWhere}
	if len(p.tokens) == 1 && strings.TrimSpace(text) != "" {
		p.failSyntax() // nothing but a comment is a mistake
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
	positionBase int
	at           int
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

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.failSyntax()
	}
}

// failSyntax refuses the next token.
func (p *parser) failSyntax() {
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
	p.syntaxErr = &Error{message}
}

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
	return &Error{"invalid query: invalid expression: " + fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &Error{"invalid query: operation is not supported: " + fmt.Sprintf(format, args...)}
}

func (p *parser) query() *Query {
	q := &Query{}
	if t := p.peek(); t.kind == tokenEnd {
		return q
	}
	if p.atClause() {
		p.positionBase = positionBaseClause
	} else {
		q.Where = p.expr(precedenceOr)
	}
	if p.accept("group") {
		q.GroupBy = p.groupBy()
	}
	if p.accept("order") {
		q.OrderBy = p.orderBy()
	}
	p.otherClauses(q)
	p.accept(";")
	if p.peek().kind != tokenEnd {
		p.failSyntax()
	}
	return q
}

func (p *parser) atClause() bool {
	return (p.peek().is("group") || p.peek().is("order")) && p.tokens[p.at+1].is("by")
}

// otherClauses refuses the clauses that SQL has and the language does not.
func (p *parser) otherClauses(q *Query) {
	if q.Where == nil && q.GroupBy == nil && q.OrderBy == nil {
		return
	}
	for _, clause := range []string{"having", "limit", "for", "lock", "union"} {
		if p.peek().is(clause) {
			p.failMeaning(unsupported("'%s' clause", strings.ToUpper(clause)))
			p.at = len(p.tokens) - 1
		}
	}
}

func (p *parser) groupBy() []string {
	p.expect("by")
	var names []string
	for {
		names = append(names, p.clauseName())
		if !p.accept(",") {
			return names
		}
	}
}

func (p *parser) orderBy() []OrderTerm {
	p.expect("by")
	var terms []OrderTerm
	for {
		term := OrderTerm{Field: p.clauseName()}
		if !p.accept("asc") {
			term.Descending = p.accept("desc")
		}
		terms = append(terms, term)
		if !p.accept(",") {
			return terms
		}
	}
}

// clauseName reads the name of an attribute in GROUP BY or ORDER BY.
func (p *parser) clauseName() string {
	o := p.operand()
	if o.column == "" {
		p.failMeaning(invalid("must be a column name but was %s", o.what))
	}
	return o.column
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

// comparisons are the operators between two operands; those with a negative Op are refused.
var comparisons = map[string]Op{
	"=": Equal, "!=": NotEqual, "<>": NotEqual, "<": Less, "<=": LessOrEqual, ">": Greater, ">=": GreaterOrEqual, "<=>": -1,
}

// predicate reads one test of an attribute.
func (p *parser) predicate() Expr {
	p.predicates++
	if p.predicates == MaxPredicates+1 {
		p.failMeaning(unsupported("more than %d predicates", MaxPredicates))
	}
	left := p.operand()
	field := Field{Name: left.column}
	negated := p.accept("not")
	t := p.peek()
	op, compares := comparisons[t.text]
	switch {
	case !negated && t.kind == tokenSymbol && compares:
		return p.compare(left, field, op)
	case p.accept("in"):
		p.needColumn(left)
		return &In{Field: field, Negated: negated, Values: p.inValues()}
	case p.accept("between"):
		p.needColumn(left)
		low := p.value()
		p.expect("and")
		return &Between{Field: field, Negated: negated, Low: low, High: p.value()}
	case p.accept("starts_with"):
		p.needColumn(left)
		return &StartsWith{Field: field, Negated: negated, Prefix: p.value()}
	case p.accept("like"):
		return p.refuseOperator(left, negated, "LIKE")
	case p.accept("rlike") || p.accept("regexp"):
		return p.refuseOperator(left, negated, "REGEXP")
	case !negated && p.accept("is"):
		p.needColumn(left)
		return p.isNull(field)
	case negated:
		p.failSyntax()
		return &IsNull{}
	default:
		return p.bare(left)
	}
}

func (p *parser) compare(left operand, field Field, op Op) Expr {
	symbol := p.take().text
	p.needColumn(left)
	value := p.value()
	if op < 0 {
		return &refused{Field: field, Operator: symbol, Value: value}
	}
	return &Compare{Field: field, Op: op, Value: value}
}

func (p *parser) needColumn(left operand) {
	if left.column == "" {
		p.failMeaning(invalid("must be a column name but was %s", left.what))
	}
}

// refused is a predicate with an operator of SQL that the language does not
// have. Check refuses it, since the words need the type of the attribute.
type refused struct {
	Field    Field
	Operator string
	Value    Value
}

func (*refused) expr() {}

func (p *parser) refuseOperator(left operand, negated bool, name string) Expr {
	p.needColumn(left)
	if negated {
		name = "NOT " + name
	}
	return &refused{Field: Field{Name: left.column}, Operator: name, Value: p.value()}
}

func (p *parser) isNull(field Field) Expr {
	negated := p.accept("not")
	switch {
	case p.accept("null"):
	case p.accept("true") || p.accept("false"):
		p.failMeaning(invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'"))
	default:
		p.failSyntax()
	}
	return &IsNull{Field: field, Negated: negated}
}

// bare refuses an operand that nothing is asked about.
func (p *parser) bare(left operand) Expr {
	if left.column != "" {
		p.failMeaning(invalid("incomplete expression"))
	} else {
		p.failMeaning(unsupported("expression of type %s", left.what))
	}
	return &IsNull{}
}

func (p *parser) inValues() []Value {
	p.expect("(")
	if p.peek().is("select") {
		p.failMeaning(invalid("unexpected value type %s", p.subquery().what))
		return nil
	}
	var values []Value
	for {
		values = append(values, p.value())
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	if len(values) > MaxInValues {
		p.failMeaning(unsupported("%d values of IN, the limit is %d", len(values), MaxInValues))
	}
	return values
}

// value reads an operand that must be a literal.
func (p *parser) value() Value {
	o := p.operand()
	switch {
	case p.syntaxErr != nil:
	case o.column != "":
		p.failMeaning(unsupported("column name on the right side of comparison expression (did you forget to quote %s?)", strconv.Quote(o.column)))
	case o.unreadable != "":
		p.failMeaning(invalid("unable to parse value %s", strconv.Quote(o.unreadable)))
	case !o.isLiteral && o.what == whatFunction:
		p.failMeaning(unsupported("nested func"))
	case !o.isLiteral:
		p.failMeaning(invalid("unexpected value type %s", o.what))
	}
	return o.literal
}
