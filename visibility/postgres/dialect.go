package postgres

import (
	"encoding/json"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

// dialect is PostgreSQL's part of the compiler. The keys in it have an index of their own.
type dialect map[string]bool

func (dialect) Arg(n int, value any) string {
	switch value.(type) {
	case string:
		return fmt.Sprintf("$%d::text", n)
	case bool:
		return fmt.Sprintf("$%d::boolean", n)
	default:
		return fmt.Sprintf("$%d::bigint", n)
	}
}

func (dialect) Key(key string, bind func(any) string) string { return bind(key) }

// Extract casts without fear: the key names the type of what is stored there.
func (dialect) Extract(object, key string, t enumspb.IndexedValueType) string {
	switch t {
	case enumspb.INDEXED_VALUE_TYPE_INT, enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		return "((" + object + "->>" + key + ")::bigint)"
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		return "((" + object + "->>" + key + ")::boolean)"
	default:
		return "((" + object + "->>" + key + `) COLLATE "C")`
	}
}

func (dialect) IsAbsent(object, key string) string {
	return "jsonb_exists(" + object + ", " + key + ") IS NOT TRUE"
}

// hasItems is what the index of the runs with pending items says of them.
const hasItems = "jsonb_exists(attributes, '" + sqlform.ItemsKey + "')"

// AnyItem looks at the items of the runs that an index finds: of those that have the values, or of all that have items.
func (dialect) AnyItem(kind string, values map[string]any, test string, bind func(any) string) string {
	condition := hasItems
	if len(values) > 0 {
		condition += " AND " + contains(sqlform.ItemsKey, map[string]any{kind: []any{values}}, bind)
	}
	return "(" + condition + " AND EXISTS (SELECT 1 FROM jsonb_array_elements(attributes->'" + sqlform.ItemsKey + "'->" + bind(kind) +
		") AS items (item) WHERE " + test + "))"
}

// HasAny uses the index over all attributes, or that of the attribute.
func (d dialect) HasAny(key string, t enumspb.IndexedValueType, values []any, bind func(any) string) string {
	isList := t == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST || t == enumspb.INDEXED_VALUE_TYPE_TEXT
	tests := make([]string, len(values))
	if d[key] && !isList {
		for i, value := range values {
			tests[i] = bind(value)
		}
		return d.Extract("attributes", bind(key), t) + " IN (" + strings.Join(tests, ", ") + ")"
	}
	for i, value := range values {
		if isList {
			value = []any{value}
		}
		tests[i] = contains(key, value, bind)
	}
	return "(" + strings.Join(tests, " OR ") + ")"
}

func contains(key string, value any, bind func(any) string) string {
	object, err := json.Marshal(map[string]any{key: value})
	if err != nil {
		panic(fmt.Sprintf("strings, integers, booleans and objects of them always encode: %v", err))
	}
	return "attributes @> " + bind(string(object)) + "::jsonb"
}

// Phrase finds the rows with all of the words by the index, and looks for their order in the text of the list.
func (dialect) Phrase(key string, words []string, bind func(any) string) string {
	condition := contains(key, words, bind)
	if len(words) == 1 {
		return condition
	}
	return "(" + condition + " AND strpos(attributes->>" + bind(key) + ", " + bind(`"`+strings.Join(words, `", "`)+`"`) + ") > 0)"
}

func (dialect) AnyElement(key string, test func(element string) string) string {
	return "EXISTS (SELECT 1 FROM jsonb_array_elements_text(attributes->" + key + ") AS list (element) WHERE " + test(`(element COLLATE "C")`) + ")"
}

func (dialect) Least(key string) string {
	return "(SELECT min(element COLLATE \"C\") FROM jsonb_array_elements_text(attributes->" + key + ") AS list (element))"
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (dialect) Fits(text string, p sqlform.Pattern, bind func(any) string) string {
	if p.Folds {
		text = "lower(" + text + ")"
	}
	if like, ok := p.Like("%", likeEscapes.Replace); ok {
		return text + " LIKE " + bind(like)
	}
	return text + " ~ " + bind(p.Regexp())
}

func (dialect) TimeKey(nanos string) string {
	isNegative := "CASE WHEN " + nanos + " % 1000000000 < 0 THEN 1 ELSE 0 END"
	return "(lpad((" + nanos + " / 1000000000 + 62300000000 - " + isNegative + ")::text, 12, '0') || lpad((" +
		nanos + " % 1000000000 + 1000000000 * " + isNegative + `)::text, 9, '0') COLLATE "C")`
}

// covered are the columns with an index that ends in the default order.
var covered = map[string]bool{
	"workflow_id": true, "start_ns": true, "execution_ns": true, "duration_ns": true, "history_length": true, "history_size_bytes": true, "state_transition_count": true,
}

func (dialect) Covers(column string) bool { return covered[column] }

func (dialect) Total(column string) string { return "COALESCE(sum(" + column + "), 0)::bigint" }

// Aggregate adds doubles up from their bits: the stored key is the bits of the absolute value with the sign of the number.
func (dialect) Aggregate(a query.Aggregate, value string) ([]string, bool) {
	if a.Function == query.Percentile {
		// The least fraction that still leads to the rank is asked for, since the product with the number of rows is rounded.
		fraction := max(0, float64(a.Thousandths)/100_000-1e-15)
		return []string{fmt.Sprintf("percentile_disc(%.17g::float8) WITHIN GROUP (ORDER BY %s)", fraction, value)}, true
	}
	if a.Field.Type != enumspb.INDEXED_VALUE_TYPE_DOUBLE {
		return []string{"sum(" + value + ")::text", "count(" + value + ")"}, true
	}
	bits := "abs(" + value + ")"
	exponent, fraction := "("+bits+" >> 52)", "("+bits+" & 4503599627370495)"
	double := "sign(" + value + "::float8) * CASE WHEN " + exponent + " = 0 THEN " + fraction + "::float8 * 2::float8 ^ (-1074) ELSE (" +
		fraction + " + 4503599627370496)::float8 * 2::float8 ^ (" + exponent + " - 1075)::float8 END"
	return []string{"sum(" + double + ")", "count(" + value + ")"}, true
}
