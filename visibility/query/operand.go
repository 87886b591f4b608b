package query

import (
	"math"
	"strconv"
	"strings"
)

// operand is one side of a predicate: a column, a literal, or something else
// that SQL allows there and the language does not.
type operand struct {
	column     string
	at         int // of the column, as a byte counted from 1
	isLiteral  bool
	literal    Value
	unreadable string // a number that cannot be read
	what       string // in words
}

const (
	whatLiteral   = "a literal"
	whatNull      = "NULL"
	whatBool      = "a boolean"
	whatFunction  = "a function"
	whatUnary     = "a unary expression"
	whatBinary    = "a binary expression"
	whatSubquery  = "a subquery"
	whatTuple     = "a list"
	whatParens    = "an expression in parentheses"
	whatInterval  = "an interval"
	whatParameter = "a parameter"
	whatCase      = "a case expression"
)

func (o operand) field() Field { return Field{Name: o.column, at: o.at} }

// operand reads an operand with the arithmetic behind it.
func (p *parser) operand() operand {
	o := p.term()
	if o.isLiteral && o.literal.Kind == Relative {
		o = p.offset(o)
	}
	for p.peek().kind != tokenEnd && isArithmetic(p.peek()) {
		p.take()
		p.term()
		o = operand{what: whatBinary}
	}
	if p.accept("collate") {
		p.take()
		o = operand{what: whatBinary}
	}
	return o
}

// arithmetic are the operators that SQL computes with.
var arithmetic = wordSet("+ - * / % & | ^ << >> div mod")

func isArithmetic(t token) bool {
	return (t.kind == tokenSymbol || t.kind == tokenKeyword) && arithmetic[t.text]
}

func (p *parser) term() operand {
	t := p.peek()
	switch {
	case t.kind == tokenString:
		p.take()
		return operand{isLiteral: true, literal: Value{Kind: String, String: t.text}, what: whatLiteral}
	case t.kind == tokenNumber:
		p.take()
		return number(t.text)
	case t.kind == tokenIdent || t.kind == tokenQuotedIdent:
		return p.columnOrCall()
	case t.kind == tokenParameter:
		return p.parameter()
	case t.kind == tokenSymbol:
		return p.symbolTerm()
	case t.kind == tokenKeyword:
		return p.keywordTerm()
	default:
		p.failSyntax(whatOperand)
		return operand{}
	}
}

func (p *parser) columnOrCall() operand {
	t := p.take()
	name := t.text
	if p.peek().is("(") {
		if isRelative(t) {
			return p.relativeCall(name)
		}
		p.skipParens()
		return operand{what: whatFunction}
	}
	if strings.EqualFold(name, "current_timestamp") {
		return operand{what: whatFunction}
	}
	return operand{column: name, at: t.start + 1, what: "a column"}
}

func (p *parser) symbolTerm() operand {
	switch t := p.peek(); t.text {
	case "-", "+":
		p.take()
		return signed(t.text, p.term())
	case "!", "~":
		p.take()
		p.term()
		return operand{what: whatUnary}
	case "?":
		p.take()
		return operand{what: whatParameter}
	case "(":
		return p.parenthesisTerm()
	default:
		p.failSyntax(whatOperand)
		return operand{}
	}
}

func (p *parser) parenthesisTerm() operand {
	p.expect("(")
	if p.peek().is("select") {
		return p.subquery()
	}
	p.operand()
	what := whatParens
	for p.accept(",") {
		p.operand()
		what = whatTuple
	}
	p.expect(")")
	return operand{what: what}
}

// subquery reads SELECT up to the parenthesis that closes it.
func (p *parser) subquery() operand {
	p.skipToClose()
	return operand{what: whatSubquery}
}

func (p *parser) keywordTerm() operand {
	switch t := p.peek(); t.text {
	case "null":
		p.take()
		return operand{what: whatNull}
	case "true", "false":
		p.take()
		return operand{isLiteral: true, literal: Value{Kind: Bool, Bool: t.text == "true"}, what: whatBool}
	case "interval":
		p.take()
		p.term()
		p.take()
		return operand{what: whatInterval}
	case "exists", "match", "values", "convert", "cast":
		p.take()
		p.skipParens()
		return operand{what: whatFunction}
	case "case":
		return p.caseTerm()
	default:
		p.failSyntax(whatOperand)
		return operand{}
	}
}

func (p *parser) caseTerm() operand {
	for !p.peek().is("end") && p.peek().kind != tokenEnd && p.peek().kind != tokenIllegal {
		p.take()
	}
	p.expect("end")
	return operand{what: whatCase}
}

func (p *parser) skipParens() {
	p.expect("(")
	p.skipToClose()
}

// skipToClose passes over everything up to the parenthesis that closes one opened before.
func (p *parser) skipToClose() {
	for open := 1; open > 0; {
		switch t := p.peek(); {
		case t.kind == tokenEnd || t.kind == tokenIllegal:
			p.failSyntax("')'")
			return
		case t.is("("):
			open++
		case t.is(")"):
			open--
		}
		p.take()
	}
}

// number reads an unsigned number.
func number(text string) operand {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return operand{isLiteral: true, literal: Value{Kind: Int, Int: i}, what: whatLiteral}
	}
	if f, ok := parseDouble(text); ok {
		return operand{isLiteral: true, literal: Value{Kind: Double, Double: f}, what: whatLiteral}
	}
	return operand{unreadable: text, what: whatLiteral}
}

// parseDouble reads decimal digits with a point and an exponent.
func parseDouble(text string) (float64, bool) {
	if strings.ContainsAny(text, "xX") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// signed applies a sign to a number.
func signed(sign string, o operand) operand {
	switch {
	case o.unreadable != "":
		return operand{unreadable: sign + o.unreadable, what: whatLiteral}
	case !o.isLiteral || o.literal.Kind != Int && o.literal.Kind != Double:
		return operand{what: whatUnary}
	case sign == "+":
		return o
	case o.literal.Kind == Int:
		o.literal.Int = -o.literal.Int
	case o.literal.Double == -math.MinInt64:
		// One below the least negative Int that has a positive counterpart.
		o.literal = Value{Kind: Int, Int: math.MinInt64}
	default:
		o.literal.Double = -o.literal.Double
	}
	return o
}
