package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"perdure/visibility/attr"
)

// String prints the query so that Parse gives the same one back, and Check of
// that gives the same as Check of q.
func (q *Query) String() string {
	var clauses []string
	if q.Explain {
		clauses = append(clauses, "EXPLAIN")
	}
	clauses = appendClause(clauses, "SELECT ", ", ", q.Select)
	if q.Where != nil {
		if len(clauses) > 0 {
			clauses = append(clauses, "WHERE")
		}
		clauses = append(clauses, printExpr(q.Where, precedenceOr))
	}
	clauses = appendClause(clauses, "GROUP BY ", ", ", q.GroupBy)
	clauses = appendClause(clauses, "HAVING ", " AND ", q.Having)
	clauses = appendClause(clauses, "ORDER BY ", ", ", q.OrderBy)
	if q.Limit > 0 {
		clauses = append(clauses, "LIMIT "+strconv.Itoa(q.Limit))
	}
	return strings.Join(clauses, " ")
}

func appendClause[T fmt.Stringer](clauses []string, head, separator string, parts []T) []string {
	if len(parts) == 0 {
		return clauses
	}
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.String()
	}
	return append(clauses, head+strings.Join(texts, separator))
}

// String prints the item as it is written.
func (i SelectItem) String() string {
	switch {
	case i.Aggregate == nil:
		return i.Key.String()
	case i.As != "":
		return i.Aggregate.String() + " AS " + printName(i.As)
	default:
		return i.Aggregate.String()
	}
}

// String prints the key as it is written.
func (k Key) String() string {
	name := printName(k.Field.Name)
	switch {
	case k.Bucket > 0 && k.Zone != "":
		return "BUCKET(" + name + ", " + printString(k.Bucket.String()) + ", " + printString(k.Zone) + ")"
	case k.Bucket > 0:
		return "BUCKET(" + name + ", " + printString(k.Bucket.String()) + ")"
	case len(k.Bounds) > 0:
		return "RANGE(" + name + ", " + printValues(k.Bounds) + ")"
	default:
		return name
	}
}

// String prints the condition as it is written.
func (h HavingTerm) String() string {
	return h.Aggregate.String() + " " + h.Op.String() + " " + printValue(h.Number)
}

// String prints the term as it is written.
func (o OrderTerm) String() string {
	text := printName(o.Field.Name)
	if o.Aggregate != nil {
		text = o.Aggregate.String()
	}
	if o.Descending {
		text += " DESC"
	}
	if o.NullsFirst {
		text += " NULLS FIRST"
	}
	return text
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
	case *CompareFields:
		return printName(x.Left.Name) + " " + x.Op.String() + " " + printName(x.Right.Name)
	case *In:
		return printName(x.Field.Name) + not(x.Negated) + " IN (" + printValues(x.Values) + ")"
	case *HasList:
		return printName(x.Field.Name) + not(x.Negated) + hasOperator(x) + " (" + printValues(x.Values) + ")"
	case *Between:
		return printName(x.Field.Name) + not(x.Negated) + " BETWEEN " + printValue(x.Low) + " AND " + printValue(x.High)
	case *StartsWith:
		return printName(x.Field.Name) + not(x.Negated) + " STARTS_WITH " + printValue(x.Prefix)
	case *IsNull:
		return printName(x.Field.Name) + " IS" + not(x.Negated) + " NULL"
	case *refused:
		return printName(x.Field.Name) + " " + x.Operator + " " + printValue(x.Value)
	case *Like:
		return printName(x.Field.Name) + not(x.Negated) + " " + likeTexts[x.Form] + " " + printValue(x.Pattern)
	default:
		return printCall(x)
	}
}

// printCall prints the predicates that look like calls.
func printCall(x Expr) string {
	switch x := x.(type) {
	case *Match:
		fields := "*"
		if !x.All {
			fields = printNames(x.Fields)
		}
		return "MATCH(" + fields + ", " + printString(x.Text) + ")"
	case *Phrase:
		return printPhrase(x)
	case *Exists:
		if x.Where == nil {
			return "EXISTS(" + x.Kind + ")"
		}
		return "EXISTS(" + x.Kind + " WHERE " + printExpr(x.Where, precedenceOr) + ")"
	case *View:
		text := "VIEW(" + printString(x.Name)
		for _, param := range x.Params {
			text += ", " + param.Name + " => " + printValue(param.Value)
		}
		return text + ")"
	default:
		panic("unknown expression")
	}
}

func printNames(fields []Field) string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = printName(field.Name)
	}
	return strings.Join(names, ", ")
}

func printValues(values []Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = printValue(v)
	}
	return strings.Join(texts, ", ")
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
	case Relative:
		return printRelative(v.Relative)
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
