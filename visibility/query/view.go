package query

// MaxViewDepth is how deep views may be made of views.
const MaxViewDepth = 4

// view reads VIEW('name', parameter => value).
func (p *parser) view() Expr {
	p.countPredicate()
	x := &View{at: p.take().start + 1}
	p.expect("(")
	name := p.value()
	if name.Kind != String {
		p.failMeaning(invalid("the name of a view is a string"))
	}
	x.Name = name.String
	for p.accept(",") {
		x.Params = append(x.Params, p.viewParam())
	}
	p.expect(")")
	return x
}

func (p *parser) viewParam() Param {
	t := p.take()
	if t.kind != tokenIdent {
		p.at--
		p.failSyntax("the name of a parameter")
	}
	p.expect("=")
	p.expect(">")
	return Param{Name: t.text, Value: p.value()}
}

// parameter reads :name as the value it stands for.
func (p *parser) parameter() operand {
	name := p.take().text
	value, ok := p.params[name]
	if !ok {
		p.failMeaning(invalid("no value for parameter %s", name))
	}
	return operand{isLiteral: true, literal: value, what: whatLiteral}
}

// expand returns the checked filter that a view stands for.
func (c *checker) expand(x *View) (Expr, error) {
	if c.options.View == nil {
		return nil, unsupported("VIEW where there are no views")
	}
	if c.viewDepth >= MaxViewDepth {
		return nil, unsupported("view '%s': views of views nested deeper than %d", x.Name, MaxViewDepth)
	}
	text, err := c.options.View(x.Name)
	if err != nil {
		return nil, err
	}
	q, err := parseView(x, text)
	if err != nil {
		return nil, err
	}
	if c.predicates += countPredicates(q.Where); c.predicates > MaxPredicates {
		return nil, tooManyPredicates()
	}
	c.viewDepth++
	defer func() { c.viewDepth-- }()
	filter, err := c.expr(q.Where)
	return filter, inView(err, x)
}

// inView says of an error that it is in the text of a view.
func inView(err error, x *View) error {
	refused, ok := err.(*Error)
	if !ok {
		return err
	}
	return &Error{Message: refused.Message + " in view '" + x.Name + "'", located: true}
}

// parseView reads the text of a view with the values of its parameters.
func parseView(x *View, text string) (*Query, error) {
	params := map[string]Value{}
	for _, param := range x.Params {
		params[param.Name] = param.Value
	}
	l := &lexer{text: text, parameters: true}
	q, err := parse(l, params)
	if err != nil {
		return nil, inView(err, x)
	}
	for _, t := range l.tokens {
		if t.kind == tokenParameter {
			delete(params, t.text)
		}
	}
	for _, param := range x.Params {
		if _, unused := params[param.Name]; unused {
			return nil, invalid("view '%s' has no parameter %s", x.Name, param.Name)
		}
	}
	if q.Where == nil || q.Explain || q.IsGrouped() || len(q.OrderBy) > 0 || len(q.Having) > 0 || q.Limit > 0 {
		return nil, unsupported("view '%s' is no filter alone", x.Name)
	}
	return q, nil
}

func countPredicates(x Expr) int {
	n := 0
	Walk(x, func(x Expr) {
		switch x.(type) {
		case *And, *Or, *Not:
		default:
			n++
		}
	})
	return n
}
