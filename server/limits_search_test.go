package server

import (
	"fmt"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/execution"
	"perdure/server/searchpb"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
	"perdure/visibility/query"
)

// searchLimits: what search hears of a run, and how soon.
var searchLimits = []limitCase{
	{
		row: "visibility_refresh", limit: seconds(20), step: instant, reached: true, past: "search hears of the activity",
		try: func(s *trial, n int64) string {
			// The first task's completion is a record of its own: the build of its worker is one to search for.
			require.NoError(s.t, s.begin().complete())
			require.NoError(s.t, s.signal("w", 0))
			rest(seconds(100))
			require.NoError(s.t, s.take().complete(activityNamed("a")))
			rest(n)
			if s.found("PendingActivityTypes = 'A'") > 0 {
				return "search hears of the activity"
			}
			return "ok"
		},
	},
	{
		row: "visibility_fresh_wait", limit: seconds(3), step: instant, reached: true,
		past: `Unavailable: search store "main" does not show the newest changes after 3s: please retry, or take what it shows by leaving out perdure-visibility-fresh`,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.services.searchStores[0].indexer.Close(s.t.Context()), "what comes now is never written")
			s.begin()
			answered := make(chan string, 1)
			go func() {
				ctx := metadata.AppendToOutgoingContext(s.t.Context(), "perdure-visibility-fresh", "1")
				_, err := s.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
				answered <- said(err)
			}()
			rest(n)
			select {
			case heard := <-answered:
				return heard
			default:
				return "ok"
			}
		},
	},
	{
		row: "visibility_views_max", limit: 3, past: "ResourceExhausted: reached maximum views in namespace (3)",
		try: func(s *trial, n int64) string {
			heard := "ok"
			for i := range n {
				heard = s.saveView(&searchpb.View{Name: fmt.Sprint("v", i), Query: "WorkflowType = 'W'"})
			}
			return heard
		},
	},
	{
		row: "visibility_view_bytes_max", limit: 300, past: "InvalidArgument: view exceeds size limit of 300 bytes",
		try: func(s *trial, n int64) string {
			v := &searchpb.View{Name: "v", Query: "WorkflowType = 'W'", Version: 1, Description: text(150)}
			v.CreateTime = timestamppb.Now()
			v.UpdateTime = v.CreateTime
			v.Description = text(150 + n - int64(proto.Size(v)))
			return s.saveView(v)
		},
	},
	{
		row: "What search keeps of one thing inside a run", limit: inside.BytesMax, past: "cut to 8192",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				r.Input = execution.TextPayload(text(n))
			}))
			rest(seconds(1))
			kept := s.column(attr.Input).(string)
			if int64(len(kept)) != n {
				return fmt.Sprint("cut to ", len(kept))
			}
			return "ok"
		},
	},
	{
		row: "Message of a run's last failure that search keeps", limit: execution.SeenFailureBytesMax, past: "cut to 1024",
		try: func(s *trial, n int64) string {
			task := s.begin()
			_, err := s.RespondWorkflowTaskFailed(s.t.Context(), &workflowservice.RespondWorkflowTaskFailedRequest{
				Namespace: "default", TaskToken: task.TaskToken, Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
				Failure: &failurepb.Failure{Message: text(n)},
			})
			require.NoError(s.t, err)
			rest(seconds(1))
			kept := s.column(attr.FailureMessage).(string)
			if int64(len(kept)) != n {
				return fmt.Sprint("cut to ", len(kept))
			}
			return "ok"
		},
	},
}

func (s *trial) saveView(v *searchpb.View) string {
	client := searchpb.NewSearchServiceClient(s.services.frontend.LocalConn())
	_, err := client.CreateView(s.t.Context(), &searchpb.CreateViewRequest{Namespace: "default", View: v})
	return said(err)
}

// found counts the runs that a filter finds.
func (s *trial) found(filter string) int64 {
	counted, err := s.CountWorkflowExecutions(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: filter})
	require.NoError(s.t, err)
	return counted.Count
}

// column is a built-in attribute of the only run.
func (s *trial) column(name string) any {
	ns, err := s.services.namespaces.ByName(s.t.Context(), "default")
	require.NoError(s.t, err)
	q, err := query.Parse("")
	require.NoError(s.t, err)
	require.NoError(s.t, query.CheckList(q, attr.Types{}))
	records, _, err := s.services.visibility.List(s.t.Context(), visibility.ListRequest{NamespaceID: ns.ID, Query: q})
	require.NoError(s.t, err)
	require.Len(s.t, records, 1)
	key, _, known := attr.BuiltIn(name)
	require.True(s.t, known)
	return visibility.Row(records[0])[key].Value
}
