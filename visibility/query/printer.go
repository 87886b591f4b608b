package query

import (
	"strconv"
	"strings"
	"time"

	"perdure/visibility/attr"
)

// String prints the query so that Parse gives the same one back, and Check of
// that gives the same as Check of q.
func (q *Query) String() string {
	var clauses []string
	if q.Where != nil {
		clauses = append(clauses, printExpr(q.Where, precedenceOr))
	}
	if len(q.GroupBy) > 0 {
		names := make([]string, len(q.GroupBy))
		for i, name := range q.GroupBy {
			names[i] = printName(name)
		}
		clauses = append(clauses, "GROUP BY "+strings.Join(names, ", "))
	}
	if len(q.OrderBy) > 0 {
		terms := make([]string, len(q.OrderBy))
		for i, term := range q.OrderBy {
			terms[i] = printName(term.Field)
			if term.Descending {
				terms[i] += " DESC"
			}
		}
		clauses = append(clauses, "ORDER BY "+strings.Join(terms, ", "))
	}
	return strings.Join(clauses, " ")
}

// printExpr puts parentheses around x when it binds less tightly than its place needs.
func printExpr(x Expr, precedence int) string {
	text, own := printBare(x)
	if own < precedence {
		return "(" + text + ")"
	}
	return text
}

// printBare returns the text of x and how tightly it binds.
func printBare(x Expr) (string, int) {
	switch x := x.(type) {
	case *And:
		return printExpr(x.Left, precedenceAnd) + " AND " + printExpr(x.Right, precedenceNot), precedenceAnd
	case *Or:
		return printExpr(x.Left, precedenceOr) + " OR " + printExpr(x.Right, precedenceAnd), precedenceOr
	case *Not:
		return "NOT " + printExpr(x.X, precedenceNot), precedenceNot
	default:
		return printPredicate(x), precedenceNot
	}
}

func printPredicate(x Expr) string {
	switch x := x.(type) {
	case *Compare:
		return printName(x.Field.Name) + " " + x.Op.String() + " " + printValue(x.Value)
	case *In:
		values := make([]string, len(x.Values))
		for i, v := range x.Values {
			values[i] = printValue(v)
		}
		return printName(x.Field.Name) + not(x.Negated) + " IN (" + strings.Join(values, ", ") + ")"
	case *Between:
		return printName(x.Field.Name) + not(x.Negated) + " BETWEEN " + printValue(x.Low) + " AND " + printValue(x.High)
	case *StartsWith:
		return printName(x.Field.Name) + not(x.Negated) + " STARTS_WITH " + printValue(x.Prefix)
	case *IsNull:
		return printName(x.Field.Name) + " IS" + not(x.Negated) + " NULL"
	case *refused:
		return printName(x.Field.Name) + " " + x.Operator + " " + printValue(x.Value)
	default:
		panic("unknown expression")
	}
}

func not(negated bool) string {
	if negated {
		return " NOT"
	}
	return ""
}

// printName quotes a name unless it reads as one.
func printName(name string) string {
	tokens := lex(name)
	if len(tokens) == 2 && tokens[0].kind == tokenIdent && tokens[0].text == name && !strings.EqualFold(name, "current_timestamp") {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func printValue(v Value) string {
	switch v.Kind {
	case String:
		return printString(v.String)
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Double:
		return printDouble(v.Double)
	case Bool:
		return strconv.FormatBool(v.Bool)
	default:
		return printString(v.Time.Format(time.RFC3339Nano))
	}
}

func printString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// printDouble keeps a point or an exponent, so that it does not read as an Int.
func printDouble(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// isStatus and isDuration tell the two attributes whose literals have forms of their own.
func isStatus(name string) bool   { return name == attr.ExecutionStatus }
func isDuration(name string) bool { return name == attr.ExecutionDuration }
