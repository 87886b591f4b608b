package query

import (
	"strconv"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Check resolves the names of q against the attributes of the namespace, turns
// every value into the kind of its attribute, and adds the test that hides
// runs of a namespace division unless q mentions the division. It changes q in
// place; a checked query can be checked again. An error is an *Error.
func Check(q *Query, custom attr.Types) error {
	c := &checker{custom: custom}
	if q.Where != nil {
		if err := c.expr(q.Where); err != nil {
			return err
		}
	}
	if err := c.groupBy(q); err != nil {
		return err
	}
	if err := c.orderBy(q); err != nil {
		return err
	}
	if !c.mentionsDivision {
		q.Where = And2(q.Where, &IsNull{Field: Field{Name: attr.NamespaceDivision, Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD}})
	}
	return nil
}

// CheckList is Check for a list, which has no groups.
func CheckList(q *Query, custom attr.Types) error {
	if err := Check(q, custom); err != nil {
		return err
	}
	if len(q.GroupBy) > 0 {
		return unsupported("'GROUP BY' clause")
	}
	return nil
}

// Schema describes rows that are no runs.
type Schema struct {
	Types attr.Types
	// Words are the accepted spellings of attributes that have few values, each
	// with the value that rows have.
	Words map[string]map[string]string
}

// CheckRows is Check for rows of another kind: names are as written, nothing
// is hidden, and there are no groups.
func CheckRows(q *Query, schema Schema) error {
	c := &checker{schema: &schema}
	if q.Where != nil {
		if err := c.expr(q.Where); err != nil {
			return err
		}
	}
	switch {
	case len(q.GroupBy) > 0:
		return unsupported("'GROUP BY' clause")
	case len(q.OrderBy) > 0:
		return unsupported("'ORDER BY' clause")
	}
	return nil
}

// And2 joins two expressions; either may be nil for everything.
func And2(left, right Expr) Expr {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	default:
		return &And{Left: left, Right: right}
	}
}

type checker struct {
	custom           attr.Types
	schema           *Schema // of rows that are no runs; nil: runs
	mentionsDivision bool
}

func (c *checker) expr(x Expr) error {
	switch x := x.(type) {
	case *And:
		return c.both(x.Left, x.Right)
	case *Or:
		return c.both(x.Left, x.Right)
	case *Not:
		return c.expr(x.X)
	case *Compare:
		return c.compare(x)
	case *In:
		return c.in(x)
	case *Between:
		return c.between(x)
	case *StartsWith:
		return c.startsWith(x)
	case *IsNull:
		_, err := c.field(&x.Field)
		return err
	case *refused:
		return c.refused(x)
	default:
		panic("unknown expression")
	}
}

func (c *checker) both(left, right Expr) error {
	if err := c.expr(left); err != nil {
		return err
	}
	return c.expr(right)
}

// resolved is what a name stands for.
type resolved struct {
	written  string
	name     string
	declared enumspb.IndexedValueType
	prefix   string // put before every value
	words    map[string]string
}

// field resolves f and gives it its name and type.
func (c *checker) field(f *Field) (resolved, error) {
	r, err := c.resolve(f.Name)
	if err != nil {
		return r, err
	}
	f.Name, f.Type = r.name, r.declared
	if isStatus(r.name) {
		f.Type = enumspb.INDEXED_VALUE_TYPE_INT
	}
	return r, nil
}

// resolve finds the attribute of a name: as it stands, as a schedule id, with
// the prefix of the predefined attributes added, and with it removed.
func (c *checker) resolve(written string) (resolved, error) {
	r := resolved{written: written, name: written}
	if c.schema != nil {
		return c.schema.resolve(written)
	}
	for _, name := range []string{written, predefinedPrefix + written, strings.TrimPrefix(written, predefinedPrefix)} {
		types := c.custom
		if name != written {
			types = nil
		}
		if declared, ok := attr.TypeOf(types, name); ok {
			r.name, r.declared = name, declared
			c.mentionsDivision = c.mentionsDivision || name == attr.NamespaceDivision
			return r, nil
		}
		if name == attr.ScheduleID {
			return resolved{written: written, name: attr.WorkflowID, declared: enumspb.INDEXED_VALUE_TYPE_KEYWORD, prefix: attr.ScheduleIDPrefix}, nil
		}
	}
	if key, declared, ok := attr.BuiltIn(written); ok {
		r.name, r.declared = key, declared
		return r, nil
	}
	return r, unknownAttribute(written)
}

func unknownAttribute(name string) error {
	return &Error{"invalid query: invalid search attribute: " + name}
}

func (s *Schema) resolve(name string) (resolved, error) {
	r := resolved{written: name, name: name, words: s.Words[name]}
	declared, ok := s.Types[name]
	if !ok {
		return r, unknownAttribute(name)
	}
	r.declared = declared
	return r, nil
}

const predefinedPrefix = "Temporal"

func (c *checker) compare(x *Compare) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	if x.Value, err = r.value(x.Value); err != nil {
		return err
	}
	if x.Op != Equal && x.Op != NotEqual && isUnordered(r.declared) {
		return r.unsupportedOperator(x.Op.String())
	}
	return nil
}

func (c *checker) in(x *In) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	for i := range x.Values {
		if x.Values[i], err = r.value(x.Values[i]); err != nil {
			return err
		}
	}
	if r.declared == enumspb.INDEXED_VALUE_TYPE_TEXT {
		return r.unsupportedOperator(strings.TrimSpace(not(x.Negated) + " IN"))
	}
	return nil
}

func (c *checker) between(x *Between) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	if isUnordered(r.declared) || r.declared == enumspb.INDEXED_VALUE_TYPE_BOOL {
		return invalid("cannot do range condition on search attribute '%s' of type %s", r.written, r.declared)
	}
	if x.Low, err = r.value(x.Low); err != nil {
		return err
	}
	x.High, err = r.value(x.High)
	return err
}

func (c *checker) startsWith(x *StartsWith) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	given := x.Prefix
	if x.Prefix, err = r.value(x.Prefix); err != nil {
		return err
	}
	operator := strings.TrimSpace(not(x.Negated) + " STARTS_WITH")
	if r.declared != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
		return r.unsupportedOperator(operator)
	}
	if x.Prefix.Kind != String {
		return invalid(`right-hand side of "%s" operator must be a literal string (got: %s)`, strings.ToLower(operator), showPlain(given))
	}
	return nil
}

func (c *checker) refused(x *refused) error {
	r, err := c.field(&x.Field)
	if err != nil {
		return err
	}
	if _, err := r.value(x.Value); err != nil {
		return err
	}
	return r.unsupportedOperator(x.Operator)
}

// isUnordered tells the types whose values are neither less nor greater.
func isUnordered(t enumspb.IndexedValueType) bool {
	return t == enumspb.INDEXED_VALUE_TYPE_TEXT || t == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
}

func (r resolved) unsupportedOperator(operator string) error {
	return unsupported("operator '%s' not supported for %s type search attribute '%s'", operator, r.declared, r.written)
}

func (c *checker) groupBy(q *Query) error {
	if len(q.GroupBy) > 1 {
		return unsupported("'GROUP BY' clause supports only a single field")
	}
	for i, written := range q.GroupBy {
		r, err := c.resolve(written)
		if err != nil {
			return err
		}
		if !groupable(r.name) {
			return unsupported("'GROUP BY' clause is not supported for search attribute %s", written)
		}
		q.GroupBy[i] = r.name
	}
	return nil
}

// groupable tells the attributes with few enough values to count each.
func groupable(name string) bool {
	return name == attr.ExecutionStatus || name == attr.NamespaceDivision || strings.HasPrefix(name, attr.LowCardinalityKeywordPrefix)
}

// orderBy refuses ORDER BY, after its names: there is one order, the default.
func (c *checker) orderBy(q *Query) error {
	for _, term := range q.OrderBy {
		r, err := c.resolve(term.Field)
		if err != nil {
			return err
		}
		if r.declared == enumspb.INDEXED_VALUE_TYPE_TEXT {
			return unsupported("unable to sort by search attribute type %s", r.declared)
		}
	}
	if len(q.OrderBy) > 0 {
		return unsupported("'ORDER BY' clause")
	}
	return nil
}

// showPlain prints a value without quotes.
func showPlain(v Value) string {
	if v.Kind == String {
		return v.String
	}
	return showValue(v)
}

func showValue(v Value) string {
	switch v.Kind {
	case String:
		return strconv.Quote(v.String)
	case Double:
		return strconv.FormatFloat(v.Double, 'g', -1, 64)
	default:
		return printValue(v)
	}
}
