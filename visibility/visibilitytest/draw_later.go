package visibilitytest

import (
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// patterns meet the keywords, in part.
var patterns = []string{"", "%", "a%", "%a", "A_", "_", "__", "%\\%%", "a\\_b", "_'s", "%\"%", "back\\\\slash", "new_line", "%é", "日_", "%x%x%", "\x00%", "nul_", "%\U0010ffff"}

// pieces are parts of keywords.
var pieces = []string{"", "a", "A", "b", "%", "_", "\\", "'", "\"", "\n", "\x00", "\x01", "é", "本", "xxx"}

// searches meet the texts, in part.
var searches = []string{"hello", "hello world", `"hello world"`, `"world hello"`, "hello -world", "-hello", "fox or café", "quick OR -the", `"the quick" fox`, "foo.bar", "example.com", "HELLO", "nothing", "score", "x"}

func drawField(t *rapid.T, accept func(name string, valueType enumspb.IndexedValueType) bool) query.Field {
	types := queriedTypes()
	if rapid.Bool().Draw(t, "common") {
		types = drawnTypes
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(types)), func(name string) bool { return !accept(name, types[name]) })
	return query.Field{Name: rapid.SampledFrom(names).Draw(t, "name")}
}

func ofType(wanted ...enumspb.IndexedValueType) func(string, enumspb.IndexedValueType) bool {
	return func(name string, valueType enumspb.IndexedValueType) bool {
		return slices.Contains(wanted, valueType) && name != attr.ExecutionStatus
	}
}

func drawLike(t *rapid.T) query.Expr {
	field := drawField(t, ofType(enumspb.INDEXED_VALUE_TYPE_KEYWORD, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST))
	form := query.LikeForm(rapid.IntRange(int(query.FormLike), int(query.FormEndsWith)).Draw(t, "form"))
	from := pieces
	if form == query.FormLike || form == query.FormILike {
		from = patterns
	}
	text := rapid.SampledFrom(from).Draw(t, "pattern")
	return &query.Like{Field: field, Form: form, Negated: rapid.Bool().Draw(t, "negated"), Pattern: query.Value{Kind: query.String, String: text}}
}

// drawPair draws a comparison of two attributes.
func drawPair(t *rapid.T) query.Expr {
	types := queriedTypes()
	left := drawField(t, func(name string, valueType enumspb.IndexedValueType) bool {
		return valueType != enumspb.INDEXED_VALUE_TYPE_TEXT && valueType != enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST && name != attr.ExecutionStatus
	})
	right := drawField(t, func(name string, valueType enumspb.IndexedValueType) bool {
		return valueType == types[left.Name] && name != attr.ExecutionStatus || name == left.Name
	})
	return &query.CompareFields{Left: left, Op: query.Op(rapid.IntRange(0, 5).Draw(t, "op")), Right: right}
}

func drawHasList(t *rapid.T) query.Expr {
	field := drawField(t, ofType(enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST))
	return &query.HasList{
		Field: field, Negated: rapid.Bool().Draw(t, "negated"), All: rapid.Bool().Draw(t, "all"),
		Values: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) query.Value {
			return query.Value{Kind: query.String, String: rapid.SampledFrom(keywords).Draw(t, "keyword")}
		}), 1, 3).Draw(t, "values"),
	}
}

func drawMatch(t *rapid.T) query.Expr {
	x := &query.Match{Text: rapid.SampledFrom(searches).Draw(t, "search")}
	switch rapid.IntRange(0, 3).Draw(t, "fields") {
	case 0:
		x.All = true
	case 1:
		x.Fields = []query.Field{{Name: "Notes"}, {Name: "CustomTextField"}}
	default:
		x.Fields = []query.Field{{Name: "CustomTextField"}}
	}
	return x
}

// DrawList draws a query for a list.
func DrawList(t *rapid.T) *query.Query {
	q := &query.Query{Where: DrawExpr(t, 3)}
	for range rapid.IntRange(0, 3).Draw(t, "terms") {
		q.OrderBy = append(q.OrderBy, query.OrderTerm{
			Field: drawField(t, func(_ string, valueType enumspb.IndexedValueType) bool {
				return valueType != enumspb.INDEXED_VALUE_TYPE_TEXT
			}),
			Descending: rapid.Bool().Draw(t, "descending"), NullsFirst: rapid.Bool().Draw(t, "nulls first"),
		})
	}
	return q
}

// DrawCount draws a query for a count.
func DrawCount(t *rapid.T) *query.Query {
	q := &query.Query{Where: DrawExpr(t, 2)}
	for range rapid.IntRange(0, 3).Draw(t, "keys") {
		q.GroupBy = append(q.GroupBy, drawKey(t))
	}
	drawAggregates(t, q)
	return q
}

func drawKey(t *rapid.T) query.Key {
	switch rapid.IntRange(0, 3).Draw(t, "key") {
	case 0:
		key := query.Key{Field: drawField(t, ofType(enumspb.INDEXED_VALUE_TYPE_DATETIME))}
		key.Bucket = rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 7 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}).Draw(t, "bucket")
		if key.Bucket%(24*time.Hour) == 0 {
			key.Zone = rapid.SampledFrom([]string{"", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"}).Draw(t, "zone")
		}
		return key
	case 1:
		key := query.Key{Field: drawField(t, ofType(enumspb.INDEXED_VALUE_TYPE_INT))}
		for _, bound := range []int64{-1, 1, 42, 1 << 53} {
			key.Bounds = append(key.Bounds, query.Value{Kind: query.Int, Int: bound})
		}
		return key
	default:
		return query.Key{Field: drawField(t, func(_ string, valueType enumspb.IndexedValueType) bool {
			return valueType != enumspb.INDEXED_VALUE_TYPE_TEXT && valueType != enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
		})}
	}
}

func drawAggregates(t *rapid.T, q *query.Query) {
	for range rapid.IntRange(0, 3).Draw(t, "aggregates") {
		aggregate := drawAggregate(t)
		q.Select = append(q.Select, query.SelectItem{Aggregate: &aggregate})
	}
	if !q.IsGrouped() {
		return
	}
	if aggregate := drawAggregate(t); isExactNumber(aggregate) && rapid.Bool().Draw(t, "having") {
		number := query.Value{Kind: query.Int, Int: rapid.SampledFrom([]int64{0, 1, 2, 42}).Draw(t, "number")}
		q.Having = []query.HavingTerm{{Aggregate: aggregate, Op: query.Op(rapid.IntRange(0, 5).Draw(t, "op")), Number: number}}
	}
	if aggregate := drawAggregate(t); !isRounded(aggregate) && rapid.Bool().Draw(t, "ordered") {
		q.OrderBy = []query.OrderTerm{{Aggregate: &aggregate, Descending: rapid.Bool().Draw(t, "descending"), NullsFirst: rapid.Bool().Draw(t, "nulls first")}}
	}
	if len(q.GroupBy) > 0 && q.OrderBy == nil && rapid.Bool().Draw(t, "by key") {
		q.OrderBy = []query.OrderTerm{{Field: query.Field{Name: q.GroupBy[0].Field.Name}, Descending: rapid.Bool().Draw(t, "descending")}}
	}
	if rapid.Bool().Draw(t, "limited") {
		q.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
	}
}

func drawAggregate(t *rapid.T) query.Aggregate {
	function := query.Function(rapid.IntRange(int(query.Count), int(query.Percentile)).Draw(t, "function"))
	a := query.Aggregate{Function: function}
	const integer, double, datetime, keyword = enumspb.INDEXED_VALUE_TYPE_INT, enumspb.INDEXED_VALUE_TYPE_DOUBLE, enumspb.INDEXED_VALUE_TYPE_DATETIME, enumspb.INDEXED_VALUE_TYPE_KEYWORD
	switch function {
	case query.Count:
	case query.CountDistinct:
		a.Field = drawField(t, func(_ string, valueType enumspb.IndexedValueType) bool {
			return valueType != enumspb.INDEXED_VALUE_TYPE_TEXT
		})
	case query.Min, query.Max:
		a.Field = drawField(t, ofType(integer, double, datetime, keyword))
	case query.Percentile:
		a.Field = drawField(t, ofType(integer, double, datetime))
		a.Thousandths = rapid.SampledFrom([]int64{0, 1, 33_333, 50_000, 90_000, 95_000, 99_000, 99_999, 100_000}).Draw(t, "percentile")
	default:
		a.Field = drawField(t, ofType(integer, double))
	}
	return a
}

// isRounded tells the aggregates that stores may compute with another rounding.
func isRounded(a query.Aggregate) bool { return a.Function == query.Sum || a.Function == query.Avg }

// isExactNumber tells the aggregates that HAVING can be drawn for.
func isExactNumber(a query.Aggregate) bool {
	switch a.Function {
	case query.Count, query.CountDistinct:
		return true
	case query.Min, query.Max, query.Percentile:
		t := queriedTypes()[a.Field.Name]
		return t == enumspb.INDEXED_VALUE_TYPE_INT || t == enumspb.INDEXED_VALUE_TYPE_DOUBLE
	default:
		return false
	}
}
