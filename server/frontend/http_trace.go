package frontend

import (
	"context"
	"net/http"
	"net/url"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/spans"
)

// tracePath is where the trace of a run is, made from its history. The query names it:
// workflow_id, which may have slashes, and run_id unless it is the latest.
const tracePath = "/perdure/v1/namespaces/{namespace}/trace"

// registerTrace puts traces under their route, as OTLP/JSON.
func (f *Frontend) registerTrace(mux *runtime.ServeMux, client workflowservice.WorkflowServiceClient) error {
	return mux.HandlePath(http.MethodGet, tracePath, func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		_, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, tracePath)
		if err != nil {
			runtime.HTTPError(r.Context(), mux, out, w, r, err)
			return
		}
		text, err := f.trace(ctx, client, params["namespace"], executionOf(r.URL.Query()))
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the client went away
	})
}

func executionOf(query url.Values) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: query.Get("workflow_id"), RunId: query.Get("run_id")}
}

// trace makes a run's trace. Its calls are the caller's own: what they may not read has no trace.
func (f *Frontend) trace(ctx context.Context, client workflowservice.WorkflowServiceClient, namespace string, execution *commonpb.WorkflowExecution) ([]byte, error) {
	described, err := client.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{Namespace: namespace, Execution: execution})
	if err != nil {
		return nil, err
	}
	execution = described.GetWorkflowExecutionInfo().GetExecution()
	events, err := wholeHistory(ctx, client, namespace, execution)
	if err != nil {
		return nil, err
	}
	origin, err := f.originOf(ctx, namespace, execution)
	if err != nil {
		return nil, err
	}
	return spans.MarshalJSON(spans.Build(spans.Run{
		Namespace: namespace, WorkflowID: execution.GetWorkflowId(), RunID: execution.GetRunId(), Until: f.clock.Now(),
		Origin: origin, SpansMax: f.limits.TraceSpansMax,
	}, events))
}

func (f *Frontend) originOf(ctx context.Context, namespace string, execution *commonpb.WorkflowExecution) (spans.Origin, error) {
	if f.traceOrigin == nil {
		return spans.Origin{}, nil
	}
	ns, err := f.namespaces.ByName(ctx, namespace)
	if err != nil {
		return spans.Origin{}, err
	}
	return f.traceOrigin(ctx, ns, execution.GetWorkflowId(), execution.GetRunId())
}

func wholeHistory(ctx context.Context, client workflowservice.WorkflowServiceClient, namespace string, execution *commonpb.WorkflowExecution) ([]*historypb.HistoryEvent, error) {
	var events []*historypb.HistoryEvent
	req := &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: namespace, Execution: execution}
	for {
		page, err := client.GetWorkflowExecutionHistory(ctx, req)
		if err != nil {
			return nil, err
		}
		events = append(events, page.GetHistory().GetEvents()...)
		if req.NextPageToken = page.GetNextPageToken(); len(req.NextPageToken) == 0 {
			return events, nil
		}
	}
}
