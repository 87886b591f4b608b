package elastic_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/visibilitytest"
)

// TestHardPatterns tries patterns for which a server would have to build too
// large an automaton, and names and values that a careless pattern would mix up.
func TestHardPatterns(t *testing.T) {
	s := open(t, estest.URL(t))
	long := strings.Repeat("x", 300)
	write := func(id string, values map[string]string) *visibility.Record {
		rec := run(id, 1)
		rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
		for name, value := range values {
			rec.SearchAttributes.IndexedFields[name] = attr.Encode(value, enumspb.INDEXED_VALUE_TYPE_KEYWORD)
		}
		return rec
	}
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{
		write("long", map[string]string{"env": "a" + long + "b"}),
		write("short", map[string]string{"env": "ab"}),
		write("other", map[string]string{"ENV": "ab", "Region": "env=ab"}),
		write("signs", map[string]string{"env": `a*b?c\d`}),
		write("empty", map[string]string{"env": ""}),
		write("upper", map[string]string{"env": "É-AB"}),
	}))
	require.NoError(t, s.Refresh(t.Context()))
	for text, want := range map[string][]string{
		"env CONTAINS '" + long + "'":                                    {"long"},
		"env NOT CONTAINS '" + long + "'":                                {"upper", "signs", "short", "other", "empty"},
		"env LIKE 'a%" + strings.Repeat("x%", 90) + "b'":                 {"long"},
		"env LIKE '%x" + strings.Repeat("_", 40) + "%'":                  {"long"},
		"env LIKE '" + strings.Repeat("_", 302) + "'":                    {"long"},
		"env ILIKE 'A%B'":                                                {"short", "long"},
		"env ILIKE 'a%d'":                                                {"signs"},
		"env ILIKE ''":                                                   {"empty"},
		"env LIKE ''":                                                    {"empty"},
		"WorkflowType ILIKE '' OR env ILIKE 'É-%'":                       {"upper"},
		"env ILIKE 'é%'":                                                 nil,
		"env ILIKE 'É-a%'":                                               {"upper"},
		`env LIKE 'a*b?c\\\\d'`:                                          {"signs"},
		"env LIKE 'a*b'":                                                 nil,
		"env ENDS_WITH 'b' AND WorkflowId ILIKE 'W'":                     {"short", "long"},
		"env LIKE 'ab' OR (Region LIKE 'env=%' AND NOT env LIKE '%')":    {"short", "other"},
		"env ILIKE '" + strings.Repeat("a", 200) + "' OR env LIKE 'ab%'": {"short"},
	} {
		records, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, text)})
		require.NoError(t, err, text)
		var got []string
		for _, rec := range records {
			got = append(got, rec.RunID)
		}
		require.Equal(t, want, got, text)
	}
}
