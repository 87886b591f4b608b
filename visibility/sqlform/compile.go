package sqlform

import (
	"math"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// columns maps the attributes that are columns to them.
var columns = map[string]string{
	attr.WorkflowID:           "workflow_id",
	attr.RunID:                "run_id",
	attr.WorkflowType:         "workflow_type",
	attr.TaskQueue:            "task_queue",
	attr.ExecutionStatus:      "status",
	attr.StartTime:            "start_ns",
	attr.ExecutionTime:        "execution_ns",
	attr.CloseTime:            "close_ns",
	attr.ExecutionDuration:    "duration_ns",
	attr.HistoryLength:        "history_length",
	attr.HistorySizeBytes:     "history_size_bytes",
	attr.StateTransitionCount: "state_transition_count",
	attr.ParentWorkflowID:     "parent_workflow_id",
	attr.ParentRunID:          "parent_run_id",
	attr.RootWorkflowID:       "root_workflow_id",
	attr.RootRunID:            "root_run_id",
	attr.NamespaceDivision:    "division",
}

// Dialect is what differs between databases.
type Dialect interface {
	// Arg is the text of the n-th argument, from 1, with the type of its value
	// where the database needs it: string, int64 or bool.
	Arg(n int, value any) string
	// KeyArg returns the argument by which the other methods find an attribute.
	KeyArg(key string) any
	// Extract is an expression for a single attribute.
	Extract(keyArg string, t enumspb.IndexedValueType) string
	// IsAbsent tests that an attribute is not there.
	IsAbsent(keyArg string) string
	// HasAny tests that an attribute has one of the values, or a list any of
	// them. bind adds an argument and returns its text.
	HasAny(key string, values []any, isList bool, bind func(any) string) string
	// StartsWith tests a string.
	StartsWith(text, prefixArg string) string
}

// statement collects SQL with its arguments.
type statement struct {
	dialect Dialect
	args    []any
}

func (s *statement) bind(value any) string {
	s.args = append(s.args, value)
	return s.dialect.Arg(len(s.args), value)
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
	case *query.Compare:
		if x.Op == query.NotEqual {
			return complement(s.hasAny(x.Field, x.Value), true)
		}
		return s.compare(x.Field, x.Op, x.Value)
	case *query.In:
		return complement(s.hasAny(x.Field, x.Values...), x.Negated)
	case *query.Between:
		both := "(" + s.compare(x.Field, query.GreaterOrEqual, x.Low) + " AND " + s.compare(x.Field, query.LessOrEqual, x.High) + ")"
		return complement(both, x.Negated)
	case *query.StartsWith:
		return complement(s.dialect.StartsWith(s.scalar(x.Field), s.bind(Text(x.Prefix.String))), x.Negated)
	case *query.IsNull:
		return s.isNull(x)
	default:
		panic("the query is not checked")
	}
}

// complement holds, when negated, exactly where the condition is not true.
func complement(condition string, negated bool) string {
	if !negated {
		return condition
	}
	return "NOT COALESCE(" + condition + ", FALSE)"
}

// scalar is an expression for the value of an attribute.
func (s *statement) scalar(field query.Field) string {
	if column, ok := columns[field.Name]; ok {
		return column
	}
	return s.dialect.Extract(s.key(field), field.Type)
}

func (s *statement) key(field query.Field) string {
	return s.bind(s.dialect.KeyArg(Key(field.Name, field.Type)))
}

func (s *statement) isNull(x *query.IsNull) string {
	if column, ok := columns[x.Field.Name]; ok {
		return column + " IS" + map[bool]string{true: " NOT"}[x.Negated] + " NULL"
	}
	return complement(s.dialect.IsAbsent(s.key(x.Field)), x.Negated)
}

func (s *statement) compare(field query.Field, op query.Op, v query.Value) string {
	if op == query.Equal {
		return s.hasAny(field, v)
	}
	if field.Type == enumspb.INDEXED_VALUE_TYPE_INT && v.Kind == query.Double {
		return s.compareIntDouble(field, op, v.Double)
	}
	return s.scalar(field) + " " + op.String() + " " + s.bind(s.literal(field, v))
}

// compareIntDouble compares with a number that is no integer: being less is
// being at most its floor.
func (s *statement) compareIntDouble(field query.Field, op query.Op, f float64) string {
	isLess := op == query.Less || op == query.LessOrEqual
	switch {
	case f < math.MinInt64 && isLess || f >= -math.MinInt64 && !isLess:
		return "FALSE"
	case f < math.MinInt64 || f >= -math.MinInt64:
		return s.scalar(field) + " IS NOT NULL"
	case isLess:
		return s.scalar(field) + " <= " + s.bind(int64(math.Floor(f)))
	default:
		return s.scalar(field) + " > " + s.bind(int64(math.Floor(f)))
	}
}

// hasAny tests equality with one of the values.
func (s *statement) hasAny(field query.Field, values ...query.Value) string {
	literals := s.literals(field, values)
	column, isColumn := columns[field.Name]
	switch {
	case len(literals) == 0:
		return "FALSE"
	case isColumn:
		return column + " IN (" + s.bindAll(literals) + ")"
	default:
		isList := field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST || field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT
		return s.dialect.HasAny(Key(field.Name, field.Type), literals, isList, s.bind)
	}
}

func (s *statement) bindAll(values []any) string {
	args := make([]string, len(values))
	for i, value := range values {
		args[i] = s.bind(value)
	}
	return strings.Join(args, ", ")
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
	_, isColumn := columns[field.Name]
	switch v.Kind {
	case query.String:
		return Text(v.String)
	case query.Int:
		return v.Int
	case query.Double:
		return DoubleKey(v.Double)
	case query.Bool:
		return v.Bool
	default:
		if isColumn {
			return visibility.LimitNanos(v.Time)
		}
		return TimeKey(v.Time)
	}
}

// List returns the statement for a page and one row more: version and record.
func List(d Dialect, req visibility.ListRequest) (string, []any, error) {
	after, err := req.Position()
	if err != nil {
		return "", nil, err
	}
	s := &statement{dialect: d}
	where := s.where(req.NamespaceID, req.Query)
	if after != nil {
		where += " AND (close_key, start_ns, run_id) < (" + s.bindAll([]any{after.CloseKey, after.StartNanos, Text(after.RunID)}) + ")"
	}
	text := "SELECT version, record FROM " + Table + " WHERE " + where +
		" ORDER BY close_key DESC, start_ns DESC, run_id DESC LIMIT " + s.bind(int64(req.Size()+1))
	return text, s.args, nil
}

func (s *statement) where(namespaceID string, q *query.Query) string {
	return "namespace_id = " + s.bind(Text(namespaceID)) + " AND NOT deleted AND " + s.expr(q.Where)
}

// Count returns the statement that counts: one number, or with GROUP BY the
// value and the number of each group.
func Count(d Dialect, namespaceID string, q *query.Query) (string, []any) {
	s := &statement{dialect: d}
	if len(q.GroupBy) == 0 {
		return "SELECT count(*) FROM " + Table + " WHERE " + s.where(namespaceID, q), s.args
	}
	group := columns[q.GroupBy[0]]
	return "SELECT " + group + ", count(*) FROM " + Table + " WHERE " + s.where(namespaceID, q) + " GROUP BY " + group, s.args
}

// Page cuts the rows that List found to a page and makes the token of the next.
func Page(req visibility.ListRequest, found []*visibility.Record) ([]*visibility.Record, []byte) {
	if len(found) <= req.Size() {
		return found, nil
	}
	page := found[:req.Size()]
	return page, visibility.PositionOf(page[len(page)-1]).Token(req)
}

// Result makes the result of a count from its rows: one without a value, or
// one per group.
func Result(q *query.Query, groups []eval.Group) visibility.CountResult {
	var result visibility.CountResult
	for i, group := range groups {
		result.Total += group.Count
		if text, ok := group.Value.(string); ok {
			groups[i].Value = Original(text)
		}
	}
	if len(q.GroupBy) > 0 {
		eval.SortGroups(groups)
		result.Groups = visibility.Groups(q.GroupBy[0], groups)
	}
	return result
}
