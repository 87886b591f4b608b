package postgres

import (
	"encoding/json"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
)

// dialect is PostgreSQL's part of the compiler.
type dialect struct{}

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

func (dialect) KeyArg(key string) any { return key }

// Extract casts without fear: the key names the type of what is stored there.
func (dialect) Extract(keyArg string, t enumspb.IndexedValueType) string {
	switch t {
	case enumspb.INDEXED_VALUE_TYPE_INT, enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		return "(attributes->>" + keyArg + ")::bigint"
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		return "(attributes->>" + keyArg + ")::boolean"
	default:
		return `(attributes->>` + keyArg + `) COLLATE "C"`
	}
}

func (dialect) IsAbsent(keyArg string) string { return "NOT jsonb_exists(attributes, " + keyArg + ")" }

// HasAny uses the index over all attributes.
func (dialect) HasAny(key string, values []any, isList bool, bind func(any) string) string {
	tests := make([]string, len(values))
	for i, value := range values {
		if isList {
			value = []any{value}
		}
		object, err := json.Marshal(map[string]any{key: value})
		if err != nil {
			panic(fmt.Sprintf("strings, integers and booleans always encode: %v", err))
		}
		tests[i] = "attributes @> " + bind(string(object)) + "::jsonb"
	}
	return "(" + strings.Join(tests, " OR ") + ")"
}

func (dialect) StartsWith(text, prefixArg string) string {
	return "starts_with(" + text + ", " + prefixArg + ")"
}
