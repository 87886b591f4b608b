package elastic

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/visibilitytest"
)

// TestWithoutValues lets the store work with an index as OpenSearch has it, which
// cannot sort by attributes without a column: groups are right still, and an order is refused.
func TestWithoutValues(t *testing.T) {
	s, err := connect(Options{URLs: []string{estest.URL(t)}, Prefix: estest.Prefix()}.withDefaults())
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.create(t.Context(), false))
	require.NoError(t, s.Prepare(t.Context()))
	for id, env := range map[string]string{"a": "x", "b": "x", "c": "y"} {
		rec := &visibility.Record{NamespaceID: "ns", RunID: id, WorkflowID: "w", SearchAttributes: &commonpb.SearchAttributes{
			IndexedFields: map[string]*commonpb.Payload{"env": attr.Encode(env, enumspb.INDEXED_VALUE_TYPE_KEYWORD)},
		}}
		require.NoError(t, s.Write(t.Context(), []*visibility.Record{rec}))
	}
	require.NoError(t, s.Refresh(t.Context()))
	_, _, err = s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "ORDER BY env")})
	require.ErrorIs(t, err, visibility.ErrUnsupported)
	found, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "env = 'x' ORDER BY WorkflowId")})
	require.NoError(t, err)
	require.Len(t, found, 2)
	counted, err := s.Count(t.Context(), "ns", visibilitytest.Checked(t, "GROUP BY env"))
	require.NoError(t, err)
	require.Len(t, counted.Groups, 2)
	require.EqualValues(t, 2, counted.Groups[0].Count)
	require.JSONEq(t, `"x"`, string(counted.Groups[0].Values[0].GetData()))

	require.True(t, isUnknownType(&answerError{Status: 400, cause: cause{Type: "mapper_parsing_exception", Reason: "No handler for type [flattened] declared on field [values]"}}))
}
