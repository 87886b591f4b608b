package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func (p *parser) query() *Query {
	q := &Query{}
	if p.peek().kind == tokenEnd {
		return q
	}
	hasHead := p.head(q)
	switch {
	case p.accept("where"):
		q.Where = p.expr(precedenceOr)
	case p.atClause(hasHead):
		if !hasHead {
			p.positionBase = positionBaseClause
		}
	default:
		q.Where = p.expr(precedenceOr)
	}
	p.clauses(q)
	p.refuseClauses()
	p.accept(";")
	if p.peek().kind != tokenEnd {
		p.failSyntax(p.afterFilter())
	}
	return q
}

// head reads what stands before the filter, and tells whether there was any.
func (p *parser) head(q *Query) bool {
	start := p.at
	q.Explain = p.accept("explain")
	if p.accept("select") {
		q.Select = p.selectItems()
	}
	if p.accept("from") {
		p.from()
	}
	return p.at > start
}

// from reads what is searched: runs, for now.
func (p *parser) from() {
	t := p.take()
	switch {
	case t.kind != tokenIdent && t.kind != tokenQuotedIdent:
		p.at--
		p.failSyntax("executions")
	case !strings.EqualFold(t.text, "executions"):
		p.failMeaning(unsupported("FROM %s: only executions can be searched in this version", t.text))
	}
}

func (p *parser) atClause(hasHead bool) bool {
	t := p.peek()
	if hasHead && (t.kind == tokenEnd || t.is(";") || t.is("having") || t.is("limit")) {
		return true
	}
	return (t.is("group") || t.is("order")) && p.tokens[p.at+1].is("by")
}

func (p *parser) clauses(q *Query) {
	if p.accept("group") {
		q.GroupBy = p.groupBy()
	}
	if p.accept("having") {
		q.Having = p.having()
	}
	if p.accept("order") {
		q.OrderBy = p.orderBy()
	}
	if p.accept("limit") {
		q.Limit = p.limit()
	}
}

// refuseClauses refuses the clauses that SQL has and the language does not.
func (p *parser) refuseClauses() {
	for _, clause := range []string{"for", "lock", "union"} {
		if p.peek().is(clause) {
			p.refuseClause(clause)
		}
	}
}

func (p *parser) refuseClause(clause string) {
	p.failMeaning(unsupported("'%s' clause", strings.ToUpper(clause)))
	p.at = len(p.tokens) - 1
}

// afterFilter says what can follow what was read.
func (p *parser) afterFilter() string {
	if p.bareAt == p.at {
		return whatOperator
	}
	return whatEnd
}

func (p *parser) selectItems() []SelectItem {
	var items []SelectItem
	for {
		items = append(items, p.selectItem())
		if !p.accept(",") {
			return items
		}
	}
}

func (p *parser) selectItem() SelectItem {
	if !p.atAggregate() {
		key := p.key()
		return SelectItem{Key: &key}
	}
	aggregate := p.aggregate()
	item := SelectItem{Aggregate: &aggregate}
	if p.accept("as") {
		t := p.take()
		if t.kind != tokenIdent && t.kind != tokenQuotedIdent {
			p.at--
			p.failSyntax("a name")
		}
		item.As = t.text
	}
	return item
}

func (p *parser) groupBy() []Key {
	p.expect("by")
	var keys []Key
	for {
		keys = append(keys, p.key())
		if !p.accept(",") {
			return keys
		}
	}
}

func (p *parser) key() Key {
	switch {
	case p.isCall("BUCKET"):
		return p.bucket()
	case p.isCall("RANGE"):
		return p.numberRanges()
	default:
		return Key{Field: p.column()}
	}
}

// column reads the name of an attribute.
func (p *parser) column() Field {
	o := p.operand()
	if o.column == "" && p.syntaxErr == nil {
		p.failMeaning(invalid("must be a column name but was %s", o.what))
	}
	return o.field()
}

func (p *parser) bucket() Key {
	p.take()
	p.expect("(")
	key := Key{Field: p.column()}
	p.expect(",")
	width := p.value()
	if p.accept(",") {
		key.Zone = p.value().String
	}
	p.expect(")")
	d, ok := parseDuration(width.String)
	switch {
	case width.Kind != String || !ok || d <= 0 || d%time.Second != 0:
		p.failMeaning(invalid("BUCKET needs a duration in whole seconds, such as '1h'"))
	case key.Zone != "" && d%day != 0:
		p.failMeaning(unsupported("BUCKET in a time zone is of whole days, not of %s", d))
	}
	key.Bucket = d
	return key
}

const day = 24 * time.Hour

func (p *parser) numberRanges() Key {
	p.take()
	p.expect("(")
	key := Key{Field: p.column()}
	for p.accept(",") {
		key.Bounds = append(key.Bounds, p.value())
	}
	if len(key.Bounds) == 0 {
		p.failSyntax("','")
	}
	p.expect(")")
	return key
}

func (p *parser) having() []HavingTerm {
	var terms []HavingTerm
	for {
		if !p.atAggregate() {
			p.failSyntax("an aggregate, such as COUNT(*)")
			return nil
		}
		term := HavingTerm{Aggregate: p.aggregate()}
		op, compares := comparisons[p.peek().text]
		if p.peek().kind != tokenSymbol || !compares || op < 0 {
			p.failSyntax("a comparison")
			return nil
		}
		p.take()
		term.Op, term.Number = op, p.value()
		terms = append(terms, term)
		if !p.accept("and") {
			return terms
		}
	}
}

func (p *parser) orderBy() []OrderTerm {
	p.expect("by")
	var terms []OrderTerm
	for {
		terms = append(terms, p.orderTerm())
		if !p.accept(",") {
			return terms
		}
	}
}

func (p *parser) orderTerm() OrderTerm {
	var term OrderTerm
	if p.atAggregate() {
		aggregate := p.aggregate()
		term.Aggregate = &aggregate
	} else {
		term.Field = p.column()
	}
	if !p.accept("asc") {
		term.Descending = p.accept("desc")
	}
	if p.acceptWord("NULLS") {
		term.NullsFirst = p.acceptWord("FIRST")
		if !term.NullsFirst && !p.acceptWord("LAST") {
			p.failSyntax("FIRST or LAST")
		}
	}
	return term
}

// limit reads a positive number; other forms that SQL has are refused.
func (p *parser) limit() int {
	t := p.peek()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokenNumber || err != nil || n < 1 || !p.endsAt(p.at+1) {
		p.refuseClause("limit")
		return 0
	}
	p.take()
	return n
}

func (p *parser) endsAt(place int) bool {
	return p.tokens[place].kind == tokenEnd || p.tokens[place].is(";")
}

// functionNames finds the aggregates that a name calls; percentiles of their own apart.
var functionNames = map[string]Function{
	"COUNT": Count, "COUNT_DISTINCT": CountDistinct, "MIN": Min, "MAX": Max, "AVG": Avg, "SUM": Sum, "PCT": Percentile,
	"P50": Percentile, "P90": Percentile, "P95": Percentile, "P99": Percentile,
}

func (p *parser) atAggregate() bool {
	t := p.peek()
	_, known := functionNames[strings.ToUpper(t.text)]
	return t.kind == tokenIdent && known && p.tokens[p.at+1].is("(")
}

func (p *parser) aggregate() Aggregate {
	name := strings.ToUpper(p.take().text)
	a := Aggregate{Function: functionNames[name], Thousandths: percentiles[name]}
	p.expect("(")
	if a.Function == Count {
		p.expect("*")
	} else {
		a.Field = p.column()
	}
	if name == "PCT" {
		p.expect(",")
		a.Thousandths = p.percent()
	}
	p.expect(")")
	return a
}

// percent reads a number from 0 to 100 with at most three decimals.
func (p *parser) percent() int64 {
	v := p.value()
	number := v.Double
	if v.Kind == Int {
		number = float64(v.Int)
	}
	thousandths := math.Round(number * percentOne)
	isWhole := math.Abs(number*percentOne-thousandths) < 1e-6
	if v.Kind != Int && v.Kind != Double || !isWhole || number < 0 || number > 100 {
		p.failMeaning(invalid("a percentile is a number from 0 to 100 with at most three decimals"))
		return 0
	}
	return int64(thousandths)
}
