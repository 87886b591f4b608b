package server

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/searchpb"
)

// shownAttribute is what the list and the description of the run w show of an attribute, which must agree; empty: nothing.
func (s *trial) shownAttribute(name string) string {
	list, err := s.ListWorkflowExecutions(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: "WorkflowId = 'w'"})
	require.NoError(s.t, err)
	require.Len(s.t, list.Executions, 1)
	listed := string(list.Executions[0].SearchAttributes.IndexedFields[name].GetData())
	require.Equal(s.t, listed, string(s.describe("w").WorkflowExecutionInfo.SearchAttributes.GetIndexedFields()[name].GetData()))
	return listed
}

// A rename is found at once and touches nothing; what was removed stays away, also from a new attribute of its name.
func TestAttributesAreRenamedAndRemovedOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		defer s.stop()
		operator := operatorservice.NewOperatorServiceClient(s.services.frontend.LocalConn())
		search := searchpb.NewSearchServiceClient(s.services.frontend.LocalConn())
		require.NoError(t, s.start("w", withAttributes(map[string]string{"Keyword0": "Rome"})))
		rest(seconds(3))
		require.EqualValues(t, 1, s.found("Keyword0 = 'Rome'"))
		writes := s.storeCalls("Commit")
		_, err := search.RenameAttribute(t.Context(), &searchpb.RenameAttributeRequest{Namespace: "default", Name: "Keyword0", NewName: "Town"})
		require.NoError(t, err)
		require.Equal(t, writes, s.storeCalls("Commit"), "no run is written")
		require.EqualValues(t, 1, s.found("Town = 'Rome'"))
		require.Equal(t, `"Rome"`, s.shownAttribute("Town"))
		require.Empty(t, s.shownAttribute("Keyword0"))
		_, err = s.CountWorkflowExecutions(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: "Keyword0 = 'Rome'"})
		require.Error(t, err)

		require.NoError(t, s.start("v", withAttributes(map[string]string{"Town": "Oslo"})))
		rest(seconds(3))
		require.EqualValues(t, 1, s.found("Town = 'Oslo'"))

		_, err = operator.RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{Namespace: "default", SearchAttributes: []string{"Town"}})
		require.NoError(t, err)
		require.Empty(t, s.shownAttribute("Town"))
		_, err = operator.AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: "default", SearchAttributes: map[string]enumspb.IndexedValueType{"Town": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		})
		require.NoError(t, err)
		require.Empty(t, s.shownAttribute("Town"))
		require.EqualValues(t, 0, s.found("Town = 'Rome'"))
		require.NoError(t, s.start("u", withAttributes(map[string]string{"Town": "Bern"})))
		rest(seconds(3))
		require.EqualValues(t, 1, s.found("Town IS NOT NULL"))
	})
}
