package visibilitytest

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// RunIndexes checks a store in which attributes can have indexes of their own. Uses names the index that a step of a plan has.
func RunIndexes(t *testing.T, s visibility.Store) {
	keeper, ns := s.(visibility.IndexKeeper), namespaceOf(t)
	var records []*visibility.Record
	for i := range 2000 {
		rec := newRun(ns, runNumber(i), int64(i))
		rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"env":            attr.Encode(runNumber(i%500), enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			"CustomIntField": attr.Encode(int64(i), enumspb.INDEXED_VALUE_TYPE_INT),
		}}
		records = append(records, rec)
	}
	write(t, s, records...)
	// More rows of others, so that reading all is no way.
	filler := make([]*visibility.Record, 8000)
	for i := range filler {
		filler[i] = newRun(ns, "filler-"+runNumber(i), int64(i))
	}
	write(t, s, filler...)
	equality, span, sorted := "env = '"+runNumber(7)+"'", "CustomIntField BETWEEN 10 AND 14", "ORDER BY CustomIntField DESC"
	before := map[string][]string{}
	for _, text := range []string{equality, span, sorted} {
		before[text] = list(t, s, ns, text)
	}
	require.Len(t, before[equality], 4)
	require.Len(t, before[span], 5)

	values := visibility.AttributeIndex{Attribute: "env", Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Use: visibility.IndexValues}
	order := visibility.AttributeIndex{Attribute: "CustomIntField", Type: enumspb.INDEXED_VALUE_TYPE_INT, Use: visibility.IndexOrder}
	for _, index := range []visibility.AttributeIndex{values, order, values} {
		require.NoError(t, keeper.CreateIndex(t.Context(), index))
	}
	built, err := keeper.Indexes(t.Context())
	require.NoError(t, err)
	require.Len(t, built, 2)
	require.Equal(t, []visibility.AttributeIndex{order, values}, []visibility.AttributeIndex{built[0].AttributeIndex, built[1].AttributeIndex})
	for text, want := range before {
		require.Equal(t, want, list(t, s, ns, text), text)
		require.True(t, usesOwnIndex(t, s, ns, text), text)
	}
	for _, index := range []visibility.AttributeIndex{values, order, order} {
		require.NoError(t, keeper.DropIndex(t.Context(), index))
	}
	built, err = keeper.Indexes(t.Context())
	require.NoError(t, err)
	require.Empty(t, built)
	for text, want := range before {
		require.Equal(t, want, list(t, s, ns, text), text)
		require.False(t, usesOwnIndex(t, s, ns, text), text)
	}
	text := visibility.AttributeIndex{Attribute: "Notes", Type: enumspb.INDEXED_VALUE_TYPE_TEXT, Use: visibility.IndexValues}
	require.ErrorContains(t, keeper.CreateIndex(t.Context(), text), "index over all attributes")
}

// usesOwnIndex tells whether the plan of a list has an index of a single attribute.
func usesOwnIndex(t *testing.T, s visibility.Store, namespaceID, text string) bool {
	t.Helper()
	for _, index := range PlannedIndexes(t, s, namespaceID, text) {
		if len(index) > len("visibility_own_") && index[:len("visibility_own_")] == "visibility_own_" {
			return true
		}
	}
	return false
}

// PlannedIndexes returns the indexes of the plan of a list.
func PlannedIndexes(t *testing.T, s visibility.Store, namespaceID, text string) []string {
	t.Helper()
	plan, err := s.(visibility.Explainer).Explain(t.Context(), visibility.ExplainRequest{NamespaceID: namespaceID, Query: Checked(t, text)})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Steps)
	var indexes []string
	for _, step := range plan.Steps {
		if step.Index != "" {
			indexes = append(indexes, step.Index)
		}
	}
	return indexes
}

func runNumber(n int) string {
	return string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n/676))
}

// Kept counts the records that a checked filter keeps.
func Kept(records []*visibility.Record, q *query.Query) int {
	count := 0
	for _, rec := range records {
		if eval.Match(q.Where, visibility.Row(rec)) {
			count++
		}
	}
	return count
}
