package query

import "perdure/visibility/attr"

// isExists tells whether EXISTS over items comes next, and no subquery of SQL.
func (p *parser) isExists() bool {
	if !p.isCall("EXISTS") {
		return false
	}
	kind, next := p.tokens[p.at+2], p.tokens[min(p.at+3, len(p.tokens)-1)]
	return kind.kind == tokenIdent && (next.is("where") || next.is(")"))
}

func (p *parser) exists() Expr {
	p.countPredicate()
	p.take()
	p.expect("(")
	x := &Exists{Kind: p.take().text}
	if p.accept("where") {
		x.Where = p.expr(precedenceOr)
	}
	p.expect(")")
	return x
}

// exists checks the filter of the items by their own attributes.
func (c *checker) exists(x *Exists) error {
	types, ok := attr.ItemTypes(x.Kind)
	if !ok {
		return unsupported("EXISTS over %s: there are PendingActivity, PendingChild and PendingTimer", x.Kind)
	}
	if x.Where == nil {
		return nil
	}
	inner := &checker{options: c.options, schema: &Schema{Types: types}}
	where, err := inner.expr(x.Where)
	if err != nil {
		return err
	}
	x.Where = where
	if !inner.asOf.IsZero() {
		c.asOf = inner.asOf
	}
	return nil
}
