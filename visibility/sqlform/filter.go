package sqlform

import (
	"fmt"
	"math"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// What holds for closed and for open runs; the number is OpenKey.
const (
	isClosed = "close_key < 9223372036854775807"
	isOpen   = "close_key = 9223372036854775807"
)

// statement collects SQL with its arguments. Every name and value of a query is an argument.
type statement struct {
	dialect Dialect
	args    []any
	// twins says of attributes with a twin whether only runs in which both are equal are looked at, or only the others.
	twins map[string]bool
	// item is the object of the pending item that is looked at, empty outside EXISTS.
	item string
	// few tells that few runs are in the range that the filter is.
	few bool
}

func (s *statement) bind(value any) string {
	s.args = append(s.args, value)
	return s.dialect.Arg(len(s.args), value)
}

func (s *statement) bindAll(values []any) string {
	args := make([]string, len(values))
	for i, value := range values {
		args[i] = s.bind(value)
	}
	return strings.Join(args, ", ")
}

// expr compiles a filter to a condition that is true where it holds, and false
// or NULL elsewhere. NULL never leaves a NOT.
func (s *statement) expr(x query.Expr) string {
	switch x := x.(type) {
	case nil:
		return "TRUE"
	case *query.And:
		return "(" + s.expr(x.Left) + " AND " + s.expr(x.Right) + ")"
	case *query.Or:
		return "(" + s.expr(x.Left) + " OR " + s.expr(x.Right) + ")"
	case *query.Not:
		return complement(s.expr(x.X), true)
	case *query.IsNull:
		return s.isNull(x)
	default:
		return s.predicate(x)
	}
}

func (s *statement) predicate(x query.Expr) string {
	switch x := x.(type) {
	case *query.Compare:
		if x.Op == query.NotEqual {
			return complement(s.hasAny(x.Field, x.Value), true)
		}
		return s.compare(x.Field, x.Op, x.Value)
	case *query.In:
		return complement(s.hasAny(x.Field, x.Values...), x.Negated)
	case *query.Between:
		return complement(s.between(x), x.Negated)
	case *query.StartsWith:
		return complement(s.startsWith(x), x.Negated)
	case *query.CompareFields:
		return s.compareFields(x)
	case *query.Like:
		return complement(s.like(x), x.Negated)
	case *query.Phrase:
		return s.dialect.Phrase(Key(x.Field.Name, x.Field.Type), x.Words, s.bind)
	case *query.Exists:
		return s.exists(x)
	default:
		panic(fmt.Sprintf("the query is not checked: %T", x))
	}
}

// complement holds, when negated, exactly where the condition is not true.
func complement(condition string, negated bool) string {
	if !negated {
		return condition
	}
	return "NOT COALESCE(" + condition + ", FALSE)"
}

// scalar is an expression for the stored value of an attribute; of a list, for its least element.
func (s *statement) scalar(field query.Field) string {
	if column, ok := s.column(field); ok {
		return column.name
	}
	if field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST {
		return s.dialect.Least(s.key(field))
	}
	return s.dialect.Extract(s.object(), s.key(field), field.Type)
}

// column returns the column of an attribute; items have none.
func (s *statement) column(field query.Field) (column, bool) {
	if s.item != "" {
		return column{}, false
	}
	column, ok := columns[field.Name]
	return column, ok
}

// object is the JSON object that has the attributes which are looked at.
func (s *statement) object() string {
	if s.item != "" {
		return s.item
	}
	return attributesColumn
}

func (s *statement) key(field query.Field) string {
	return s.dialect.Key(Key(field.Name, field.Type), s.bind)
}

// where applies a test to the value of an attribute, in the form that its index has.
func (s *statement) where(field query.Field, test func(value string) string) string {
	column, ok := s.column(field)
	switch {
	case !ok:
		return test(s.scalar(field))
	case field.Name == attr.CloseTime:
		return "(" + test("close_key") + " AND " + isClosed + ")"
	case column.isOfClosed:
		return "(" + test(column.name) + " AND " + isClosed + ")"
	case column.twin != "":
		return s.whereTwin(field, column, test)
	default:
		return test(column.name)
	}
}

// whereTwin tests a column of which only those values that differ from its twin's are in an index.
func (s *statement) whereTwin(field query.Field, column column, test func(value string) string) string {
	areEqual, known := s.twins[field.Name]
	switch {
	case known && areEqual:
		return fmt.Sprintf("(%s AND %s = %s)", test(column.twin), column.name, column.twin)
	case known:
		return fmt.Sprintf("(%s AND %s <> %s)", test(column.name), column.name, column.twin)
	default:
		return fmt.Sprintf("(%s AND %s = %s OR %s AND %s <> %s)",
			test(column.twin), column.name, column.twin, test(column.name), column.name, column.twin)
	}
}

func (s *statement) isNull(x *query.IsNull) string {
	not := map[bool]string{true: " NOT"}[x.Negated]
	column, isColumn := s.column(x.Field)
	switch {
	case isColumn && column.isOfClosed && x.Negated:
		return isClosed
	case isColumn && column.isOfClosed:
		return isOpen
	case isColumn:
		return column.name + " IS" + not + " NULL"
	default:
		return complement(s.dialect.IsAbsent(s.object(), s.key(x.Field)), x.Negated)
	}
}

func (s *statement) compare(field query.Field, op query.Op, v query.Value) string {
	if op == query.Equal {
		return s.hasAny(field, v)
	}
	test := s.comparison(field, op, v)
	return s.where(field, test)
}

// comparison returns the test of being less or greater than a value.
func (s *statement) comparison(field query.Field, op query.Op, v query.Value) func(string) string {
	if field.Type == enumspb.INDEXED_VALUE_TYPE_INT && v.Kind == query.Double {
		return s.intDouble(op, v.Double)
	}
	arg := s.bind(s.literal(field, v))
	return func(value string) string { return value + " " + op.String() + " " + arg }
}

// intDouble compares with a number that is no integer: being less is being at most its floor.
func (s *statement) intDouble(op query.Op, f float64) func(string) string {
	isLess := op == query.Less || op == query.LessOrEqual
	switch {
	case f < math.MinInt64 && isLess || f >= -math.MinInt64 && !isLess:
		return func(value string) string { return "(" + value + " IS NULL AND FALSE)" } // no argument may be without use
	case f < math.MinInt64 || f >= -math.MinInt64:
		return func(value string) string { return value + " IS NOT NULL" }
	}
	arg := s.bind(int64(math.Floor(f)))
	if isLess {
		return func(value string) string { return value + " <= " + arg }
	}
	return func(value string) string { return value + " > " + arg }
}

func (s *statement) between(x *query.Between) string {
	low, high := s.comparison(x.Field, query.GreaterOrEqual, x.Low), s.comparison(x.Field, query.LessOrEqual, x.High)
	return s.where(x.Field, func(value string) string { return "(" + low(value) + " AND " + high(value) + ")" })
}

// startsWith tests for the range of the strings that begin with the prefix, which an index has side by side.
func (s *statement) startsWith(x *query.StartsWith) string {
	return s.where(x.Field, s.prefix(Text(x.Prefix.String)))
}

func (s *statement) prefix(prefix string) func(string) string {
	if prefix == "" {
		return func(value string) string { return value + " IS NOT NULL" }
	}
	low := s.bind(prefix)
	end, ok := behindPrefix(prefix)
	if !ok {
		return func(value string) string { return value + " >= " + low }
	}
	high := s.bind(end)
	return func(value string) string { return "(" + value + " >= " + low + " AND " + value + " < " + high + ")" }
}

// behindPrefix returns the least string above all that begin with the prefix; false where there is none.
func behindPrefix(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		switch next := runes[i] + 1; {
		case next == 0xD800: // behind it are no characters but halves of some
			return string(runes[:i]) + string(rune(0xE000)), true
		case next <= 0x10FFFF:
			return string(runes[:i]) + string(next), true
		}
	}
	return "", false
}

func (s *statement) like(x *query.Like) string {
	pattern := Pattern{Parts: x.Parts(), Folds: x.Folds()}
	fits := func(value string) string { return s.dialect.Fits(value, pattern, s.bind) }
	if x.Field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST {
		return s.dialect.AnyElement(s.key(x.Field), fits)
	}
	if len(pattern.Parts) == 0 || pattern.Parts[0].Literal == "" || pattern.Folds {
		return s.where(x.Field, fits)
	}
	begins := s.prefix(Text(pattern.Parts[0].Literal))
	return s.where(x.Field, func(value string) string { return "(" + begins(value) + " AND " + fits(value) + ")" })
}

// compareFields compares two attributes in the same form.
func (s *statement) compareFields(x *query.CompareFields) string {
	left, right := s.scalar(x.Left), s.scalar(x.Right)
	leftColumn, _ := s.column(x.Left)
	rightColumn, _ := s.column(x.Right)
	if leftColumn.isTime && !rightColumn.isTime {
		left = s.dialect.TimeKey(left)
	}
	if rightColumn.isTime && !leftColumn.isTime {
		right = s.dialect.TimeKey(right)
	}
	if x.Op == query.NotEqual {
		return complement(left+" = "+right, true)
	}
	return "(" + left + " " + x.Op.String() + " " + right + ")"
}

// hasAny tests equality with one of the values.
func (s *statement) hasAny(field query.Field, values ...query.Value) string {
	literals := s.literals(field, values)
	_, isColumn := s.column(field)
	switch {
	case len(literals) == 0:
		return "FALSE"
	case isColumn || s.item != "":
		args := s.bindAll(literals)
		return s.where(field, func(value string) string { return value + " IN (" + args + ")" })
	default:
		return s.dialect.HasAny(Key(field.Name, field.Type), field.Type, literals, s.bind)
	}
}

// literals returns the stored forms of values. A Text has one per word, and a
// number that no integer equals has none.
func (s *statement) literals(field query.Field, values []query.Value) []any {
	var out []any
	for _, v := range values {
		switch {
		case field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT:
			for _, word := range attr.Words(v.String) {
				out = append(out, Text(word))
			}
		case field.Type == enumspb.INDEXED_VALUE_TYPE_INT && v.Kind == query.Double:
		default:
			out = append(out, s.literal(field, v))
		}
	}
	return out
}

// literal returns the stored form of a value.
func (s *statement) literal(field query.Field, v query.Value) any {
	switch v.Kind {
	case query.String:
		return Text(v.String)
	case query.Int:
		if field.Type == enumspb.INDEXED_VALUE_TYPE_DOUBLE {
			return DoubleKey(float64(v.Int))
		}
		return v.Int
	case query.Double:
		return DoubleKey(v.Double)
	case query.Bool:
		return v.Bool
	default:
		if column, _ := s.column(field); column.isTime {
			return visibility.LimitNanos(v.Time)
		}
		return TimeKey(v.Time)
	}
}
