package query

import (
	"strconv"
	"strings"
)

// comparisons are the operators between two operands; those with a negative Op are refused.
var comparisons = map[string]Op{
	"=": Equal, "!=": NotEqual, "<>": NotEqual, "<": Less, "<=": LessOrEqual, ">": Greater, ">=": GreaterOrEqual, "<=>": -1,
}

// predicate reads one test of an attribute.
func (p *parser) predicate() Expr {
	p.countPredicate()
	left := p.operand()
	field := left.field()
	negated := p.accept("not")
	t := p.peek()
	op, compares := comparisons[t.text]
	if form, ok := p.likeOperator(); ok {
		return p.like(left, negated, form)
	}
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
	case p.isWord("HAS_ANY") || p.isWord("HAS_ALL"):
		p.needColumn(left)
		return &HasList{Field: field, Negated: negated, All: strings.EqualFold(p.take().text, "HAS_ALL"), Values: p.inValues()}
	case p.accept("rlike") || p.accept("regexp"):
		return p.refuseOperator(left, negated, "REGEXP")
	case !negated && p.accept("is"):
		p.needColumn(left)
		return p.isNull(field)
	case negated:
		p.failSyntax("IN, BETWEEN, STARTS_WITH, LIKE or another operator that has NOT")
		return &IsNull{}
	default:
		return p.bare(left)
	}
}

func (p *parser) countPredicate() {
	p.predicates++
	if p.predicates == MaxPredicates+1 {
		p.failMeaning(tooManyPredicates())
	}
}

func tooManyPredicates() error { return unsupported("more than %d predicates", MaxPredicates) }

func (p *parser) compare(left operand, field Field, op Op) Expr {
	symbol := p.take().text
	p.needColumn(left)
	right := p.operand()
	if right.column != "" && op >= 0 {
		return &CompareFields{Left: field, Op: op, Right: right.field()}
	}
	value := p.literal(right)
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
	return &refused{Field: left.field(), Operator: name, Value: p.value()}
}

func (p *parser) isNull(field Field) Expr {
	negated := p.accept("not")
	switch {
	case p.accept("null"):
	case p.accept("true") || p.accept("false"):
		p.failMeaning(invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'"))
	default:
		p.failSyntax("NULL")
	}
	return &IsNull{Field: field, Negated: negated}
}

// bare refuses an operand that nothing is asked about.
func (p *parser) bare(left operand) Expr {
	if left.column != "" {
		p.bareAt = p.at
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
func (p *parser) value() Value { return p.literal(p.operand()) }

// literal returns the value of an operand that must have one.
func (p *parser) literal(o operand) Value {
	switch {
	case p.syntaxErr != nil:
	case o.column != "":
		p.failMeaning(forgotQuotes(o.column))
	case o.unreadable != "":
		p.failMeaning(invalid("unable to parse value %s", strconv.Quote(o.unreadable)))
	case !o.isLiteral && o.what == whatFunction:
		p.failMeaning(unsupported("nested func"))
	case !o.isLiteral:
		p.failMeaning(invalid("unexpected value type %s", o.what))
	}
	return o.literal
}

func forgotQuotes(column string) error {
	return unsupported("column name on the right side of comparison expression (did you forget to quote %s?)", strconv.Quote(column))
}
