package visibilitytest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Small sets of values, so that records and queries meet. They hold what
// stores get wrong: case, quotes, controls, wildcards, numbers at limits.
var (
	keywords = []string{"", "a", "A", "ab", "b", "aé", "it's", `say "hi"`, `back\slash`, "100%", "a_b", "new\nline", "nul\x00", "\x01", "日本", "\U0010ffff", strings.Repeat("x", 300)}
	texts    = []string{"Hello World", "hello", "foo.bar@example.com", "café", "under_score", "x", "% _", "the quick fox"}
	ints     = []int64{0, 1, -1, 42, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}
	doubles  = []float64{0, math.Copysign(0, -1), 1, 1.5, -1.5, 0.1, 1e300, -1e300, 5e-324, 123456789.123456789, 1 << 53}
	nanos    = []int64{0, 1, -1, 1704067200000000000, 1704067200000000001, 1704067200123456789, 1704067260000000000}
	farTimes = []string{"0000-01-01T00:00:00Z", "1600-02-29T12:00:00Z", "9999-12-31T23:59:59.999999999Z"}
	statuses = []int64{1, 2, 3, 4, 5, 6, 7, 8}
)

// DrawRecord draws a run of the namespace. Run ids repeat over calls with the same run.
func DrawRecord(t *rapid.T, namespaceID string, run int) *visibility.Record {
	rec := &visibility.Record{
		NamespaceID:      namespaceID,
		RunID:            fmt.Sprintf("run-%04d", run),
		Version:          1,
		WorkflowID:       rapid.SampledFrom(keywords).Draw(t, "workflow id"),
		WorkflowType:     rapid.SampledFrom(keywords).Draw(t, "type"),
		TaskQueue:        rapid.SampledFrom(keywords).Draw(t, "queue"),
		Status:           enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		StartTime:        drawTime(t, "start"),
		ParentWorkflowID: rapid.SampledFrom(keywords).Draw(t, "parent"),
		RootWorkflowID:   rapid.SampledFrom(keywords).Draw(t, "root"),
		SearchAttributes: drawAttributes(t),
	}
	rec.ExecutionTime = rec.StartTime.Add(time.Duration(rapid.Int64Range(0, 2).Draw(t, "backoff")))
	if rapid.Bool().Draw(t, "closed") {
		rec.Status = enumspb.WorkflowExecutionStatus(rapid.SampledFrom(statuses).Draw(t, "status"))
		rec.CloseTime = rec.ExecutionTime.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 42}).Draw(t, "duration")))
		rec.HistoryLength = rapid.SampledFrom([]int64{0, 1, 42}).Draw(t, "length")
		rec.HistorySizeBytes = rapid.SampledFrom([]int64{0, 1, 42}).Draw(t, "size")
		rec.StateTransitionCount = rapid.SampledFrom([]int64{0, 1, 42}).Draw(t, "transitions")
	}
	return rec
}

func drawTime(t *rapid.T, label string) time.Time {
	return time.Unix(0, rapid.SampledFrom(nanos).Draw(t, label)).UTC()
}

func drawAttributes(t *rapid.T) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for _, name := range slices.Sorted(maps.Keys(drawnTypes)) {
		if rapid.Bool().Draw(t, name) {
			valueType := drawnTypes[name]
			fields[name] = attr.Encode(drawAttribute(t, valueType), valueType)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(drawnBuiltIns)) {
		if rapid.Bool().Draw(t, name) {
			valueType := drawnBuiltIns[name]
			fields[attr.BuiltInPrefix+name] = attr.Encode(drawAttribute(t, valueType), valueType)
		}
	}
	if items := drawItems(t); items != nil {
		fields[attr.ItemsKey(attr.PendingActivity)] = items
	}
	return attr.Merge(nil, &commonpb.SearchAttributes{IndexedFields: fields})
}

// drawnBuiltIns are the built-in attributes that drawn records have.
var drawnBuiltIns = attr.Types{
	attr.PendingActivityMaxAttempt: enumspb.INDEXED_VALUE_TYPE_INT, attr.FailureMessage: enumspb.INDEXED_VALUE_TYPE_TEXT,
}

// drawnTypes are the attributes that drawn records have. The division is rare,
// since it hides the run.
var drawnTypes = attr.Types{
	"CustomTextField": enumspb.INDEXED_VALUE_TYPE_TEXT, "env": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"CustomIntField": enumspb.INDEXED_VALUE_TYPE_INT, "CustomDoubleField": enumspb.INDEXED_VALUE_TYPE_DOUBLE,
	"Flag": enumspb.INDEXED_VALUE_TYPE_BOOL, "DueAt": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	"Tags": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, "BuildIds": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	"BatcherUser": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
}

func drawAttribute(t *rapid.T, valueType enumspb.IndexedValueType) any {
	switch valueType {
	case enumspb.INDEXED_VALUE_TYPE_TEXT:
		return rapid.SampledFrom(texts).Draw(t, "text")
	case enumspb.INDEXED_VALUE_TYPE_KEYWORD:
		return rapid.SampledFrom(keywords).Draw(t, "keyword")
	case enumspb.INDEXED_VALUE_TYPE_INT:
		return rapid.SampledFrom(ints).Draw(t, "int")
	case enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		return rapid.SampledFrom(doubles).Draw(t, "double")
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		return rapid.Bool().Draw(t, "bool")
	case enumspb.INDEXED_VALUE_TYPE_DATETIME:
		return drawFarTime(t)
	default:
		return rapid.SliceOfN(rapid.SampledFrom(keywords), 0, 3).Draw(t, "list")
	}
}

func drawFarTime(t *rapid.T) time.Time {
	if rapid.IntRange(0, 4).Draw(t, "far") == 0 {
		far, err := time.Parse(time.RFC3339Nano, rapid.SampledFrom(farTimes).Draw(t, "time"))
		must(err)
		return far
	}
	return drawTime(t, "time")
}

// DrawExpr draws a filter that passes Check with CorpusTypes, nested at most depth deep.
func DrawExpr(t *rapid.T, depth int) query.Expr {
	shape := rapid.IntRange(0, 5).Draw(t, "shape")
	switch {
	case depth == 0 || shape < 3:
		return drawLeaf(t)
	case shape == 3:
		return &query.Not{X: DrawExpr(t, depth-1)}
	case shape == 4:
		return &query.And{Left: DrawExpr(t, depth-1), Right: DrawExpr(t, depth-1)}
	default:
		return &query.Or{Left: DrawExpr(t, depth-1), Right: DrawExpr(t, depth-1)}
	}
}

// drawLeaf draws a predicate, of the forms that are ours alone one time in three.
func drawLeaf(t *rapid.T) query.Expr {
	if rapid.IntRange(0, 2).Draw(t, "later") > 0 {
		return drawPredicate(t)
	}
	return rapid.SampledFrom([]func(*rapid.T) query.Expr{drawHasList, drawLike, drawPair, drawMatch, drawExists}).Draw(t, "leaf")(t)
}

// queriedTypes are the attributes that drawn filters look at.
func queriedTypes() attr.Types {
	types := attr.NonCustom()
	maps.Copy(types, attr.BuiltIns())
	for name, valueType := range CorpusTypes() {
		types[name] = valueType
	}
	for name, valueType := range drawnTypes { // again under one more name, to be drawn more often
		types[name] = valueType
	}
	return types
}

func drawPredicate(t *rapid.T) query.Expr {
	types := queriedTypes()
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(types))).Draw(t, "name")
	if rapid.Bool().Draw(t, "common") {
		name = rapid.SampledFrom(slices.Sorted(maps.Keys(drawnTypes))).Draw(t, "name")
	}
	field, valueType := query.Field{Name: name}, types[name]
	value := func() query.Value { return drawValue(t, name, valueType) }
	negated := rapid.Bool().Draw(t, "negated")
	ordered := valueType != enumspb.INDEXED_VALUE_TYPE_TEXT && valueType != enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
	switch shape := rapid.IntRange(0, 4).Draw(t, "predicate"); {
	case shape == 0:
		return &query.IsNull{Field: field, Negated: negated}
	case shape == 1 && valueType != enumspb.INDEXED_VALUE_TYPE_TEXT:
		return &query.In{Field: field, Negated: negated, Values: []query.Value{value(), value()}}
	case shape == 2 && ordered && valueType != enumspb.INDEXED_VALUE_TYPE_BOOL:
		return &query.Between{Field: field, Negated: negated, Low: value(), High: value()}
	case shape == 3 && valueType == enumspb.INDEXED_VALUE_TYPE_KEYWORD && name != attr.ExecutionStatus:
		return &query.StartsWith{Field: field, Negated: negated, Prefix: value()}
	case ordered:
		return &query.Compare{Field: field, Op: query.Op(rapid.IntRange(0, 5).Draw(t, "op")), Value: value()}
	default:
		return &query.Compare{Field: field, Op: query.Op(rapid.IntRange(0, 1).Draw(t, "op")), Value: value()}
	}
}

func drawValue(t *rapid.T, name string, valueType enumspb.IndexedValueType) query.Value {
	switch {
	case name == attr.ExecutionStatus:
		return query.Value{Kind: query.Int, Int: rapid.SampledFrom(statuses).Draw(t, "status")}
	case name == attr.ExecutionDuration:
		return query.Value{Kind: query.Int, Int: rapid.SampledFrom(ints).Draw(t, "duration")}
	case valueType == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST:
		valueType = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	case valueType == enumspb.INDEXED_VALUE_TYPE_INT && rapid.Bool().Draw(t, "as double"):
		valueType = enumspb.INDEXED_VALUE_TYPE_DOUBLE
	}
	switch v := drawAttribute(t, valueType).(type) {
	case string:
		return query.Value{Kind: query.String, String: v}
	case int64:
		return query.Value{Kind: query.Int, Int: v}
	case float64:
		return query.Value{Kind: query.Double, Double: v}
	case bool:
		return query.Value{Kind: query.Bool, Bool: v}
	default:
		return query.Value{Kind: query.Time, Time: v.(time.Time)}
	}
}
