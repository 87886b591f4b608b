package query

import (
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Options are what Check needs of the world.
type Options struct {
	Custom attr.Types
	// Keys are those of the custom attributes.
	Keys attr.Keys
	// Now is what NOW() stands for; zero: relative times are refused.
	Now time.Time
	// Zone finds a time zone by name, as time.LoadLocation does; nil: there are none.
	Zone func(name string) (*time.Location, error)
	// View returns the text of a saved filter, in which :name stands for a
	// parameter; nil: there are none. An unknown name is an *Error.
	View func(name string) (text string, err error)
	// SQLNulls makes NOT, != and the other negations pass over runs without the
	// attribute, as SQL does; otherwise they are complements and keep them.
	SQLNulls bool
}

// Check is CheckWith for attributes alone.
func Check(q *Query, custom attr.Types) error { return CheckWith(q, Options{Custom: custom}) }

// CheckWith resolves the names of q against the attributes of the namespace,
// turns every value into the kind of its attribute, replaces the forms that no
// store knows, and adds the test that hides runs of a namespace division unless
// q mentions the division. It changes q in place; a checked query can be checked
// again. An error is an *Error.
func CheckWith(q *Query, options Options) error {
	c := &checker{options: options, predicates: countPredicates(q.Where)}
	if err := c.where(q); err != nil {
		return err
	}
	if err := c.clauses(q); err != nil {
		return err
	}
	if options.SQLNulls && q.Where != nil {
		q.Where = excludeAbsent(q.Where, false)
	}
	if !c.mentionsDivision {
		q.Where = And2(q.Where, &IsNull{Field: Field{Name: attr.NamespaceDivision, Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD}})
	}
	return nil
}

// CheckList is CheckListWith for attributes alone.
func CheckList(q *Query, custom attr.Types) error { return CheckListWith(q, Options{Custom: custom}) }

// CheckListWith is CheckWith for a list, which has no groups.
func CheckListWith(q *Query, options Options) error {
	if err := CheckWith(q, options); err != nil {
		return err
	}
	return refuseGroups(q)
}

// refuseGroups refuses the clauses of a query for groups.
func refuseGroups(q *Query) error {
	switch {
	case len(q.Select) > 0:
		return unsupported("'SELECT' clause")
	case len(q.GroupBy) > 0:
		return unsupported("'GROUP BY' clause")
	case len(q.Having) > 0:
		return unsupported("'HAVING' clause")
	case q.Limit > 0:
		return unsupported("'LIMIT' clause")
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
// is hidden, and there are no clauses.
func CheckRows(q *Query, schema Schema) error {
	c := &checker{schema: &schema}
	if err := c.where(q); err != nil {
		return err
	}
	if len(q.OrderBy) > 0 {
		return unsupported("'ORDER BY' clause")
	}
	return refuseGroups(q)
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
	options          Options
	schema           *Schema // of rows that are no runs; nil: runs
	mentionsDivision bool
	viewDepth        int
	predicates       int
	asOf             time.Time // what a relative time was resolved for
}

func (c *checker) where(q *Query) error {
	if q.Where == nil {
		return nil
	}
	where, err := c.expr(q.Where)
	if err != nil {
		return err
	}
	q.Where = where
	if !c.asOf.IsZero() {
		q.AsOf = c.asOf
	}
	return nil
}

// expr checks a filter and returns what stands in its place.
func (c *checker) expr(x Expr) (Expr, error) {
	switch x := x.(type) {
	case *And:
		return x, c.both(&x.Left, &x.Right)
	case *Or:
		return x, c.both(&x.Left, &x.Right)
	case *Not:
		inner, err := c.expr(x.X)
		x.X = inner
		return x, err
	case *HasList:
		list, err := c.hasList(x)
		return list, located(err, x.Field.at)
	case *Match:
		search, err := c.match(x)
		return search, located(err, x.at)
	case *View:
		filter, err := c.expand(x)
		return filter, located(err, x.at)
	default:
		return x, c.predicate(x)
	}
}

func (c *checker) both(left, right *Expr) (err error) {
	if *left, err = c.expr(*left); err != nil {
		return err
	}
	*right, err = c.expr(*right)
	return err
}

// predicate checks a predicate that stays what it is.
func (c *checker) predicate(x Expr) error {
	switch x := x.(type) {
	case *Compare:
		return located(c.compare(x), x.Field.at)
	case *CompareFields:
		return located(c.compareFields(x), x.Left.at)
	case *In:
		return located(c.in(x), x.Field.at)
	case *Between:
		return located(c.between(x), x.Field.at)
	case *StartsWith:
		return located(c.startsWith(x), x.Field.at)
	case *Like:
		return located(c.like(x), x.Field.at)
	case *IsNull:
		_, err := c.field(&x.Field)
		return err
	case *Phrase:
		_, err := c.field(&x.Field)
		return err
	case *Exists:
		return c.exists(x)
	case *refused:
		return located(c.refused(x), x.Field.at)
	default:
		panic("unknown expression")
	}
}

// resolved is what a name stands for.
type resolved struct {
	written  string
	name     string
	declared enumspb.IndexedValueType
	prefix   string // put before every value
	words    map[string]string
	checker  *checker
}

// field resolves f and gives it its name and type.
func (c *checker) field(f *Field) (resolved, error) {
	r, err := c.resolve(f.Name)
	r.checker = c
	if err != nil {
		return r, c.suggest(err, *f)
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
		types := c.options.Custom
		if name != written {
			types = nil
		}
		if declared, ok := attr.TypeOf(types, name); ok {
			r.name, r.declared = c.options.Keys.Of(name), declared
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
	return &Error{Message: "invalid query: invalid search attribute: " + name}
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

// compareFields checks that the attributes can be compared with one another.
func (c *checker) compareFields(x *CompareFields) error {
	left, err := c.field(&x.Left)
	if err != nil {
		return err
	}
	written := x.Right.Name
	right, err := c.field(&x.Right)
	switch {
	case err != nil:
		return forgotQuotes(written)
	case isUnordered(left.declared):
		return left.unsupportedOperator(x.Op.String())
	case left.declared != right.declared || x.Left.Type != x.Right.Type || left.prefix != right.prefix:
		return unsupported("comparison of search attribute %s of type %s with %s of type %s", left.written, left.declared, right.written, right.declared)
	}
	return nil
}

// hasList returns a test of a list as the simpler tests it consists of.
func (c *checker) hasList(x *HasList) (Expr, error) {
	r, err := c.field(&x.Field)
	if err != nil {
		return nil, err
	}
	in := &In{Field: x.Field, Negated: x.Negated, Values: x.Values}
	if err := c.in(in); err != nil {
		return nil, err
	}
	if r.declared != enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST {
		return nil, r.unsupportedOperator(strings.TrimSpace(not(x.Negated) + hasOperator(x)))
	}
	if !x.All {
		return in, nil
	}
	var all Expr
	for _, v := range in.Values {
		all = And2(all, &Compare{Field: x.Field, Op: Equal, Value: v})
	}
	if x.Negated {
		all = &Not{X: all}
	}
	return all, nil
}

func hasOperator(x *HasList) string {
	if x.All {
		return " HAS_ALL"
	}
	return " HAS_ANY"
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
