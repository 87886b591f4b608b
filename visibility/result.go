package visibility

import (
	"strconv"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Metadata of the payload of an aggregate, beside its type.
const (
	// MetadataAggregate holds the aggregate as it is written, such as P95(ExecutionDuration).
	MetadataAggregate = "agg"
	// MetadataAlias holds the name that SELECT gives it, if any.
	MetadataAlias = "as"
)

// Result makes the result of a count of what eval.Finish returns.
func Result(q *query.Query, found eval.Result) CountResult {
	result := CountResult{Total: found.Total, Truncated: found.Truncated}
	for _, group := range found.Groups {
		result.Groups = append(result.Groups, CountGroup{Values: payloads(q, group), Count: group.Count})
	}
	return result
}

// payloads returns the values of the keys, then those of the aggregates of SELECT.
func payloads(q *query.Query, group eval.Group) []*commonpb.Payload {
	var out []*commonpb.Payload
	for i, key := range q.GroupBy {
		out = append(out, keyPayload(key, group.Values[i]))
	}
	places := map[string]int{}
	for i, aggregate := range q.Aggregates() {
		places[aggregate.String()] = i
	}
	for _, item := range q.Select {
		if item.Aggregate != nil {
			out = append(out, aggregatePayload(item, group.Aggregates[places[item.Aggregate.String()]]))
		}
	}
	return out
}

// keyPayload encodes the value of a key. Statuses become their names and ranges
// their bounds; an absent keyword is the empty string, since clients read it so.
func keyPayload(key query.Key, value any) *commonpb.Payload {
	const keyword = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	switch {
	case value == nil && (key.Field.Type == keyword || key.Field.Name == attr.ExecutionStatus):
		return attr.Encode("", keyword)
	case len(key.Bounds) > 0 && value != nil:
		return attr.Encode(rangeText(key.Bounds, int(value.(int64))), keyword)
	case key.Field.Name == attr.ExecutionStatus && value != nil:
		return attr.Encode(enumspb.WorkflowExecutionStatus(value.(int64)).String(), keyword)
	default:
		return attr.Encode(value, key.Field.Type)
	}
}

// rangeText writes a range as [low,high), without a number where it has no end.
func rangeText(bounds []query.Value, place int) string {
	low, high := "", ""
	if place > 0 {
		low = boundText(bounds[place-1])
	}
	if place < len(bounds) {
		high = boundText(bounds[place])
	}
	return "[" + low + "," + high + ")"
}

func boundText(v query.Value) string {
	if v.Kind == query.Int {
		return strconv.FormatInt(v.Int, 10)
	}
	return strconv.FormatFloat(v.Double, 'g', -1, 64)
}

func aggregatePayload(item query.SelectItem, value any) *commonpb.Payload {
	p := attr.Encode(value, aggregateType(item.Aggregate, value))
	p.Metadata[MetadataAggregate] = []byte(item.Aggregate.String())
	if item.As != "" {
		p.Metadata[MetadataAlias] = []byte(item.As)
	}
	return p
}

// aggregateType is the type of the value; of none, that of the attribute.
func aggregateType(a *query.Aggregate, value any) enumspb.IndexedValueType {
	switch value.(type) {
	case int64:
		return enumspb.INDEXED_VALUE_TYPE_INT
	case float64:
		return enumspb.INDEXED_VALUE_TYPE_DOUBLE
	case time.Time:
		return enumspb.INDEXED_VALUE_TYPE_DATETIME
	case string:
		return enumspb.INDEXED_VALUE_TYPE_KEYWORD
	default:
		return a.Field.Type
	}
}
