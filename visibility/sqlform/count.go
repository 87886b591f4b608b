package sqlform

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Counting is a statement that counts, and how to read its rows.
type Counting struct {
	Text string
	Args []any
	// Columns is how many values each row has.
	Columns int

	query      *query.Query
	aggregates []query.Aggregate
	widths     []int // columns of each aggregate
	isWhole    bool  // the rows are all groups there are
}

// groupsRead is how many groups are read at most where HAVING or ORDER BY needs all of them.
const groupsRead = 200_000

// Count returns the statement that counts; false where rows must be read and counted one by one.
func Count(d Dialect, namespace int64, q *query.Query) (*Counting, bool) {
	c := &Counting{query: q, aggregates: q.Aggregates()}
	s := &statement{dialect: d}
	number, from := "count(*)", Table+" WHERE NOT deleted"
	if isCounted(q) {
		number, from = d.Total("runs"), CountsTable+" WHERE TRUE"
	}
	from += " AND namespace = " + s.bind(namespace) + " AND " + s.expr(q.Where)
	var selected []string
	for _, key := range q.GroupBy {
		selected = append(selected, s.groupKey(key))
	}
	keys := len(selected)
	selected = append(selected, number)
	for _, aggregate := range c.aggregates {
		values, ok := s.aggregate(aggregate, number)
		if !ok {
			return nil, false
		}
		c.widths = append(c.widths, len(values))
		selected = append(selected, values...)
	}
	c.Columns = len(selected) + 1
	c.Text = "SELECT " + strings.Join(selected, ", ") + ", " + total(number, keys) + " FROM " + from + s.grouping(number, keys)
	c.Text += c.order(keys)
	c.Args = s.args
	for _, key := range q.GroupBy {
		if key.Location != nil {
			return nil, false // the calendar of a zone is the evaluator's
		}
	}
	return c, true
}

// total is how many rows all groups have.
func total(number string, keys int) string {
	if keys == 0 {
		return number
	}
	return "CAST(sum(" + number + ") OVER () AS bigint)"
}

// isCounted tells that the numbers of CountsTable answer the query.
func isCounted(q *query.Query) bool {
	if hasExists(q.Where) {
		return false
	}
	for _, name := range query.Fields(q.Where) {
		if !countedColumns[name] {
			return false
		}
	}
	for _, key := range q.GroupBy {
		if !countedColumns[key.Field.Name] {
			return false
		}
	}
	for _, aggregate := range q.Aggregates() {
		if aggregate.Function != query.Count {
			return false
		}
	}
	return true
}

func (s *statement) grouping(number string, keys int) string {
	if keys == 0 {
		return ""
	}
	return " GROUP BY " + places(1, keys, "") + " HAVING " + number + " <> 0"
}

// places names columns of the answer.
func places(first, count int, suffix string) string {
	list := make([]string, count)
	for i := range list {
		list[i] = strconv.Itoa(first+i) + suffix
	}
	return strings.Join(list, ", ")
}

// order cuts the groups off where the answer has no more of them.
func (c *Counting) order(keys int) string {
	switch {
	case keys == 0:
		return ""
	case len(c.query.Having) > 0 || len(c.query.OrderBy) > 0:
		c.isWhole = true
		return " LIMIT " + strconv.Itoa(groupsRead+1)
	default:
		return fmt.Sprintf(" ORDER BY %d DESC, %s LIMIT %d", keys+1, places(1, keys, " NULLS LAST"), query.MaxGroups+1)
	}
}

// groupKey is an expression for the value of a key.
func (s *statement) groupKey(key query.Key) string {
	value := s.scalar(key.Field)
	switch {
	case key.Bucket > 0:
		return s.bucket(key, value)
	case len(key.Bounds) > 0:
		return s.rangePlace(key, value)
	case key.Field.Name == attr.ExecutionStatus:
		return "CAST(" + value + " AS bigint)"
	default:
		return value
	}
}

// bucket is the second at which the bucket begins.
func (s *statement) bucket(key query.Key, value string) string {
	seconds := "CAST(substr(" + value + ", 1, 12) AS bigint) - " + strconv.Itoa(secondsOffset)
	if columns[key.Field.Name].isTime {
		seconds = "(" + value + " / 1000000000 - CASE WHEN " + value + " % 1000000000 < 0 THEN 1 ELSE 0 END)"
	}
	// The places of the buckets are those of eval.
	width, origin := int64(key.Bucket/time.Second), eval.BucketStart(query.Key{Bucket: key.Bucket}, time.Unix(0, 0)).Unix()
	return fmt.Sprintf("(%s) - ((%s - (%d)) %% %d + %d) %% %d", seconds, seconds, origin, width, width, width)
}

// rangePlace counts the bounds that are not above the value.
func (s *statement) rangePlace(key query.Key, value string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CASE WHEN %s IS NULL THEN NULL", value)
	for i, bound := range key.Bounds {
		below := s.comparison(key.Field, query.Less, bound)
		fmt.Fprintf(&b, " WHEN %s THEN %d", below(value), i)
	}
	fmt.Fprintf(&b, " ELSE %d END", len(key.Bounds))
	return b.String()
}

// aggregate returns the columns from which an aggregate is made; false where the database cannot.
func (s *statement) aggregate(a query.Aggregate, number string) ([]string, bool) {
	if a.Function == query.Count {
		return []string{number}, true
	}
	if a.Field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST {
		return nil, false
	}
	value := s.scalar(a.Field)
	switch a.Function {
	case query.CountDistinct:
		return []string{"count(DISTINCT " + value + ")"}, true
	case query.Min:
		return []string{"min(" + value + ")"}, true
	case query.Max:
		return []string{"max(" + value + ")"}, true
	default:
		return s.dialect.Aggregate(a, value)
	}
}

// Group makes a group of a row, and returns how many rows all groups have.
func (c *Counting) Group(row []any) (eval.Group, int64, error) {
	keys := len(c.query.GroupBy)
	group := eval.Group{Values: make([]any, keys), Count: integer(row[keys]), Aggregates: make([]any, len(c.aggregates))}
	for i, key := range c.query.GroupBy {
		group.Values[i] = keyValue(key, row[i])
	}
	at := keys + 1
	for i, a := range c.aggregates {
		value, err := aggregateValue(a, row[at:at+c.widths[i]])
		if err != nil {
			return group, 0, fmt.Errorf("%s: %w", a, err)
		}
		group.Aggregates[i] = value
		at += c.widths[i]
	}
	return group, integer(row[at]), nil
}

// Result makes the answer of the groups.
func (c *Counting) Result(groups []eval.Group, total int64) (visibility.CountResult, error) {
	if c.isWhole && len(groups) > groupsRead {
		return visibility.CountResult{}, &query.Error{Message: fmt.Sprintf("invalid query: more than %d groups for HAVING or ORDER BY", groupsRead)}
	}
	return visibility.Result(c.query, eval.Finish(c.query, total, groups)), nil
}

func keyValue(key query.Key, value any) any {
	switch {
	case value == nil:
		return nil
	case key.Bucket > 0:
		return eval.StartOf(key, integer(value))
	case len(key.Bounds) > 0:
		return integer(value)
	default:
		return fieldValue(key.Field, value)
	}
}

// fieldValue returns a value of an attribute from its stored form.
func fieldValue(field query.Field, value any) any {
	switch field.Type {
	case enumspb.INDEXED_VALUE_TYPE_INT:
		return integer(value)
	case enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		return doubleOf(integer(value))
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		if b, ok := value.(bool); ok {
			return b
		}
		return integer(value) != 0
	case enumspb.INDEXED_VALUE_TYPE_DATETIME:
		if text, ok := value.(string); ok {
			return timeOf(text)
		}
		return time.Unix(0, integer(value)).UTC()
	default:
		text, _ := value.(string)
		return Original(text)
	}
}

// aggregateValue makes an aggregate of its columns.
func aggregateValue(a query.Aggregate, row []any) (any, error) {
	switch {
	case a.Function == query.Count || a.Function == query.CountDistinct:
		return integer(row[0]), nil
	case row[0] == nil:
		return nil, nil
	case a.Function == query.Sum || a.Function == query.Avg:
		return sumValue(a, row)
	default:
		return fieldValue(a.Field, row[0]), nil
	}
}

// sumValue reads the sum, an integer as text, and for an average the number of values behind it.
func sumValue(a query.Aggregate, row []any) (any, error) {
	text, isText := row[0].(string)
	number, isDouble := row[0].(float64)
	if !isText && !isDouble {
		return nil, fmt.Errorf("unexpected %T", row[0])
	}
	if isText {
		exact, err := strconv.ParseInt(text, 10, 64)
		if err == nil && a.Function == query.Sum {
			return exact, nil
		}
		if number, err = strconv.ParseFloat(text, 64); err != nil {
			return nil, err
		}
	}
	if a.Function == query.Avg {
		number /= float64(integer(row[1]))
	}
	return number + 0, nil
}

func integer(value any) int64 {
	switch v := value.(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	default:
		return 0
	}
}

// doubleOf is the inverse of DoubleKey.
func doubleOf(key int64) float64 {
	if key < 0 {
		return math.Float64frombits(uint64(math.MinInt64 - key))
	}
	return math.Float64frombits(uint64(key))
}

// timeOf is the inverse of TimeKey; the zero time for anything else.
func timeOf(key string) time.Time {
	if len(key) != timeKeyBytes {
		return time.Time{}
	}
	seconds, _ := strconv.ParseInt(key[:12], 10, 64)
	nanos, _ := strconv.ParseInt(key[12:], 10, 64)
	return time.Unix(seconds-secondsOffset, nanos).UTC()
}

// timeKeyBytes is the length of each TimeKey.
const timeKeyBytes = 21

// rowsRead is how many runs are read at most where a database cannot count by itself.
const rowsRead = 1_000_000

// Rows returns the statement for all rows that a RowCounter counts: version and record.
func Rows(d Dialect, namespace int64, where query.Expr) (string, []any) {
	s := &statement{dialect: d}
	text := "SELECT version, record FROM " + Table + " WHERE namespace = " + s.bind(namespace) + " AND NOT deleted AND " + s.expr(where)
	return text + " LIMIT " + s.bind(int64(rowsRead+1)), s.args
}

// RowCounter counts records by the evaluator.
type RowCounter struct {
	query   *query.Query
	grouper *eval.Grouper
	rows    int
}

// NewRowCounter returns a counter for a checked query, whose filter the records have passed.
func NewRowCounter(q *query.Query) *RowCounter {
	return &RowCounter{query: q, grouper: eval.NewGrouper(q)}
}

// Add counts a record.
func (c *RowCounter) Add(rec *visibility.Record) {
	c.rows++
	c.grouper.Add(visibility.Row(rec))
}

// Result returns the answer, or a *query.Error where there were more records than can be read.
func (c *RowCounter) Result() (visibility.CountResult, error) {
	if c.rows > rowsRead {
		return visibility.CountResult{}, &query.Error{Message: fmt.Sprintf("invalid query: more than %d runs would have to be read one by one; narrow the filter", rowsRead)}
	}
	return visibility.Result(c.query, c.grouper.Result()), nil
}

// Explained returns the statement of a list's first page or of a count.
func Explained(d Dialect, namespace int64, req visibility.ExplainRequest, few bool) (string, []any, error) {
	if !req.Counts {
		return List(d, namespace, visibility.ListRequest{NamespaceID: req.NamespaceID, Query: req.Query, PageSize: explainedRows}, few)
	}
	counting, ok := Count(d, namespace, req.Query)
	if !ok {
		text, args := Rows(d, namespace, req.Query.Where)
		return text, args, nil
	}
	return counting.Text, counting.Args, nil
}

// explainedRows is the page that a plan is made for.
const explainedRows = 100
