package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// inTrial runs a test on a whole server, in virtual time.
func inTrial(t *testing.T, test func(t *testing.T, s *trial)) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		defer s.stop()
		test(t, s)
	})
}

// listed returns the workflow ids of a list, page by page with | between them.
func (s *trial) listed(filter string, pageSize int32, between func()) string {
	var pages []string
	req := &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: filter, PageSize: pageSize}
	for {
		got, err := s.ListWorkflowExecutions(s.t.Context(), req)
		if err != nil {
			return said(err)
		}
		var ids []string
		for _, info := range got.Executions {
			ids = append(ids, info.Execution.WorkflowId)
		}
		pages = append(pages, strings.Join(ids, " "))
		if req.NextPageToken = got.NextPageToken; len(req.NextPageToken) == 0 {
			return strings.Join(pages, " | ")
		}
		between()
	}
}

// counted writes the groups of a count: count, then the values, those of aggregates with their names.
func (s *trial) counted(filter string) string {
	got, err := s.CountWorkflowExecutions(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: filter})
	if err != nil {
		return said(err)
	}
	words := []string{fmt.Sprint(got.Count)}
	for _, group := range got.Groups {
		text := fmt.Sprint(group.Count)
		for _, value := range group.GroupValues {
			text += " " + shown(value)
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}

func shown(value *commonpb.Payload) string {
	text := string(value.Data)
	if name := value.Metadata["agg"]; name != nil {
		text = string(name) + "=" + text
	}
	if name := value.Metadata["as"]; name != nil {
		text += " as " + string(name)
	}
	return text
}

// TestFiltersOfAClient asks a whole server in the words of the extended language.
func TestFiltersOfAClient(t *testing.T) {
	inTrial(t, func(t *testing.T, s *trial) {
		for _, id := range []string{"b-1", "a-1", "c-2", "a-2"} {
			require.NoError(t, s.start(id, func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowType.Name = "T" + id[2:] }))
			rest(seconds(60))
		}
		never := func() {}
		for filter, want := range map[string]string{
			"ORDER BY WorkflowId":                             "a-1 a-2 | b-1 c-2",
			"ORDER BY WorkflowType DESC, WorkflowId DESC":     "c-2 a-2 | b-1 a-1",
			"WorkflowId LIKE 'a%' ORDER BY StartTime":         "a-1 a-2",
			"WorkflowId ENDS_WITH '-2' AND StartTime < NOW()": "a-2 c-2",
			"StartTime > AGO('150s') ORDER BY WorkflowId":     "a-2 c-2",
			"WorkflowID = 'a-1'":                              "InvalidArgument: invalid query: invalid search attribute: WorkflowID (byte 1; did you mean WorkflowId?)",
			"GROUP BY WorkflowType":                           "InvalidArgument: invalid query: operation is not supported: 'GROUP BY' clause",
			"EXPLAIN WorkflowId = 'a-1'":                      "InvalidArgument: invalid query: operation is not supported: EXPLAIN of a list; ask CountWorkflowExecutions",
		} {
			require.Equal(t, want, s.listed(filter, 2, never), filter)
		}
		for filter, want := range map[string]string{
			"GROUP BY WorkflowType": `4; 2 "T1"; 2 "T2"`,
			"GROUP BY WorkflowType, ExecutionStatus ORDER BY WorkflowType DESC":                                                          `4; 2 "T2" "Running"; 2 "T1" "Running"`,
			"SELECT WorkflowType, COUNT(*) AS runs, MAX(WorkflowId) WHERE WorkflowId != 'c-2' GROUP BY WorkflowType HAVING COUNT(*) > 1": `3; 2 "T1" COUNT(*)=2 as runs MAX(WorkflowId)="b-1"`,
			"SELECT COUNT_DISTINCT(WorkflowType)":                                                                                        `4; 4 COUNT_DISTINCT(WorkflowType)=2`,
			"SELECT P50(HistoryLength)":                                                                                                  `4; 4 P50(HistoryLength)=null`,
			"WorkflowId CONTAINS '-' ORDER BY WorkflowId":                                                                                "InvalidArgument: invalid query: operation is not supported: 'ORDER BY' clause",
		} {
			require.Equal(t, want, s.counted(filter), filter)
		}
	})
}

// TestNullsOfSQL asks a namespace to follow SQL: a run without the attribute is passed over by != then.
func TestNullsOfSQL(t *testing.T) {
	inTrial(t, func(t *testing.T, s *trial) {
		require.NoError(t, s.start("child-less"))
		rest(seconds(1))
		const filter = "ParentWorkflowId != 'p'"
		require.Equal(t, "1", s.counted(filter))
		_, err := s.UpdateNamespace(t.Context(), &workflowservice.UpdateNamespaceRequest{
			Namespace: "default", UpdateInfo: &namespacepb.UpdateNamespaceInfo{Data: map[string]string{"perdure.search.nulls": "sql"}},
		})
		require.NoError(t, err)
		require.Equal(t, "0", s.counted(filter))
		require.Equal(t, "1", s.counted("ParentWorkflowId IS NULL"))
	})
}

// TestNowStaysOnLaterPages lets an hour pass between pages: what was found first is still found.
func TestNowStaysOnLaterPages(t *testing.T) {
	inTrial(t, func(t *testing.T, s *trial) {
		for _, id := range []string{"a", "b", "c"} {
			require.NoError(t, s.start(id))
			rest(seconds(1))
		}
		hour := func() { rest(int64(time.Hour)) }
		require.Equal(t, "a | b | c", s.listed("StartTime > AGO('1m') ORDER BY WorkflowId", 1, hour))
		require.Empty(t, s.listed("StartTime > AGO('1m')", 1, hour))
	})
}

// TestBucketsOfAClient counts by minutes, empty ones too.
func TestBucketsOfAClient(t *testing.T) {
	inTrial(t, func(t *testing.T, s *trial) {
		require.NoError(t, s.start("a"))
		rest(seconds(150))
		require.NoError(t, s.start("b"))
		rest(seconds(1))
		require.Equal(t, `2; 1 "2000-01-01T00:00:00Z"; 1 "2000-01-01T00:02:00Z"; 0 "2000-01-01T00:01:00Z"`,
			s.counted("StartTime BETWEEN '2000-01-01T00:00:00Z' AND NOW() GROUP BY BUCKET(StartTime, '1m')"))
	})
}

// TestReuseOfAttributes plays what was recorded of the reference when an
// attribute goes and another comes: the old value is not shown, and, other than there,
// never under a new name.
func TestReuseOfAttributes(t *testing.T) {
	inTrial(t, func(t *testing.T, s *trial) {
		const keyword = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		require.Equal(t, "ok", s.addAttributes(10, keyword))
		operator := operatorservice.NewOperatorServiceClient(s.services.frontend.LocalConn())
		change := func(add string, remove ...string) string {
			if len(remove) > 0 {
				_, err := operator.RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{Namespace: "n", SearchAttributes: remove})
				return said(err)
			}
			_, err := operator.AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: "n", SearchAttributes: map[string]enumspb.IndexedValueType{add: keyword}})
			return said(err)
		}
		start := func(id string, values map[string]string) string {
			return said(s.start(id, withAttributes(values), func(r *workflowservice.StartWorkflowExecutionRequest) { r.Namespace = "n" }))
		}
		find := func(filter string) string {
			got, err := s.ListWorkflowExecutions(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "n", Query: filter})
			if err != nil {
				return said(err)
			}
			var words []string
			for _, info := range got.Executions {
				words = append(words, info.Execution.WorkflowId)
				for _, name := range slices.Sorted(maps.Keys(info.SearchAttributes.IndexedFields)) {
					words = append(words, name+"="+string(info.SearchAttributes.IndexedFields[name].Data))
				}
			}
			return strings.Join(words, " ")
		}
		require.Equal(t, "ok", start("keep", map[string]string{"New0": "kept", "New1": "second"}))
		rest(seconds(1))
		require.Equal(t, `keep New0="kept" New1="second"`, find("New0 = 'kept'"))

		require.Equal(t, "ok", change("", "New0"))
		require.Contains(t, find("New0 = 'kept'"), "InvalidArgument: invalid query: invalid search attribute: New0")
		require.Equal(t, `keep New1="second"`, find(""))
		described, err := s.DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "n", Execution: runOf("keep")})
		require.NoError(t, err)
		require.Equal(t, []string{"New1"}, slices.Collect(maps.Keys(described.WorkflowExecutionInfo.SearchAttributes.IndexedFields)))
		require.Equal(t, "InvalidArgument: Namespace n has no mapping defined for search attribute New0", start("after", map[string]string{"New0": "x"}))

		require.Equal(t, "ok", change("Other"))
		require.Empty(t, find("Other = 'kept'"))
		require.Equal(t, `keep New1="second"`, find("New1 = 'second'"))
		require.Equal(t, "ok", change("New0"))
		require.Empty(t, find("New0 = 'kept'"), "an attribute of the old name shows none of the old values")
	})
}
