package visibilitytest

import (
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// itemBytesMax is more than drawn items take.
const itemBytesMax = 1 << 20

// drawItems draws pending activities of a run; nil for none. Some of their attributes have the names of a run's own.
func drawItems(t *rapid.T) *commonpb.Payload {
	var items []map[string]any
	for range rapid.IntRange(0, 2).Draw(t, "items") {
		item := map[string]any{"Type": rapid.SampledFrom(keywords).Draw(t, "type"), "Attempt": rapid.SampledFrom(ints).Draw(t, "attempt")}
		if rapid.Bool().Draw(t, "failed") {
			item["LastFailure"] = rapid.SampledFrom(texts).Draw(t, "failure")
			item["TaskQueue"] = rapid.SampledFrom(keywords).Draw(t, "queue")
			item["MaximumAttempts"] = rapid.SampledFrom(ints).Draw(t, "maximum")
			item["ScheduledTime"] = drawTime(t, "scheduled")
		}
		items = append(items, item)
	}
	return attr.EncodeItems(slices.Values(items), itemBytesMax)
}

// drawExists draws a question about pending items, one in four about a kind that no run has.
func drawExists(t *rapid.T) query.Expr {
	if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
		return &query.Exists{Kind: attr.PendingTimer}
	}
	x := &query.Exists{Kind: attr.PendingActivity}
	for range rapid.IntRange(0, 2).Draw(t, "tests") {
		x.Where = query.And2(x.Where, drawItemTest(t))
	}
	switch shape := rapid.IntRange(0, 3).Draw(t, "shape"); {
	case shape == 0 && x.Where != nil:
		x.Where = &query.Or{Left: x.Where, Right: drawItemTest(t)}
	case shape == 1 && x.Where != nil:
		x.Where = &query.Not{X: x.Where}
	}
	return x
}

func drawItemTest(t *rapid.T) query.Expr {
	negated := rapid.Bool().Draw(t, "negated")
	text := func(from []string) query.Value {
		return query.Value{Kind: query.String, String: rapid.SampledFrom(from).Draw(t, "text")}
	}
	op := query.Op(rapid.IntRange(0, 5).Draw(t, "op"))
	switch rapid.IntRange(0, 7).Draw(t, "test") {
	case 0:
		attempt := query.Value{Kind: query.Int, Int: rapid.SampledFrom(ints).Draw(t, "attempt")}
		return &query.Compare{Field: query.Field{Name: "Attempt"}, Op: op, Value: attempt}
	case 1:
		return &query.In{Field: query.Field{Name: "Type"}, Negated: negated, Values: []query.Value{text(keywords), text(keywords)}}
	case 2:
		return &query.Like{Field: query.Field{Name: "LastFailure"}, Negated: negated, Form: query.FormContains, Pattern: text(texts)}
	case 3:
		return &query.Compare{Field: query.Field{Name: "TaskQueue"}, Op: op, Value: text(keywords)}
	case 4:
		return &query.StartsWith{Field: query.Field{Name: "Type"}, Negated: negated, Prefix: text(pieces)}
	case 5:
		return &query.CompareFields{Left: query.Field{Name: "Attempt"}, Op: op, Right: query.Field{Name: "MaximumAttempts"}}
	case 6:
		low, high := drawTime(t, "low"), drawTime(t, "high")
		return &query.Between{Field: query.Field{Name: "ScheduledTime"}, Negated: negated, Low: query.Value{Kind: query.Time, Time: low}, High: query.Value{Kind: query.Time, Time: high}}
	default:
		return &query.IsNull{Field: query.Field{Name: "LastFailure"}, Negated: negated}
	}
}
