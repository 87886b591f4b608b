package query_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

var fruit = query.Schema{
	Types: attr.Types{
		"Name":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Colour": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Picked": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	},
	Words: map[string]map[string]string{"Colour": {"Red": "Red", "COLOUR_RED": "Red"}},
}

func TestCheckRows(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"Name = 'apple' OR Name STARTS_WITH 'p'": "Name = 'apple' OR Name STARTS_WITH 'p'",
		"Colour = 'COLOUR_RED'":                  "Colour = 'Red'",
		"Colour NOT IN ('Red', 'COLOUR_RED')":    "Colour NOT IN ('Red', 'Red')",
		"Picked < 1":                             "Picked < '1970-01-01T00:00:00.000000001Z'",
		"Picked IS NULL":                         "Picked IS NULL",
	} {
		q := parse(t, text)
		require.NoError(t, query.CheckRows(q, fruit), text)
		require.Equal(t, want, q.String())
	}
}

func TestCheckRowsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"WorkflowId = 'w'":         "invalid query: invalid search attribute: WorkflowId",
		"name = 'apple'":           "invalid query: invalid search attribute: name",
		"Name = 1":                 "invalid query: invalid expression: invalid value type for search attribute Name of type Keyword: 1 (type: int64)",
		"Picked > 'yesterday'":     "invalid query: invalid expression: unable to parse datetime 'yesterday'",
		"Picked STARTS_WITH '2'":   "invalid query: invalid expression: unable to parse datetime '2'",
		"Colour = 'Blue'":          "invalid query: invalid expression: invalid Colour value 'Blue'",
		"Colour IN ('Red', 2)":     "invalid query: invalid expression: invalid value type for search attribute Colour of type Keyword: 2 (type: int64)",
		"Colour LIKE 'R%'":         "invalid query: invalid expression: invalid Colour value 'R%'",
		"Name > NOW()":             "invalid query: operation is not supported: relative time where there is no present",
		"SELECT COUNT(*)":          "invalid query: operation is not supported: 'SELECT' clause",
		"GROUP BY Colour":          "invalid query: operation is not supported: 'GROUP BY' clause",
		"Name = 'a' ORDER BY Name": "invalid query: operation is not supported: 'ORDER BY' clause",
	} {
		err := query.CheckRows(parse(t, text), fruit)
		require.ErrorContains(t, err, want, text)
		require.Regexp(t, place, err.Error()[len(want):], text)
	}
}

func TestFields(t *testing.T) {
	require.Empty(t, query.Fields(nil))
	q := parse(t, "NOT (a = 1 OR b IN ('x')) AND (c BETWEEN 1 AND 2 OR d STARTS_WITH 'x' OR e IS NULL AND a != 2) AND f LIKE 'x' AND g = h AND i HAS_ANY ('x')")
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}, query.Fields(q.Where))
}
