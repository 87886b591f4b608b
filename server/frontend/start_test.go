package frontend_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func startRequest() *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: "order-1", WorkflowType: &commonpb.WorkflowType{Name: "order"},
		TaskQueue: &taskqueuepb.TaskQueue{Name: "orders"}, Identity: "me",
	}
}

// started is the request that history got.
func (b *bundle) started(t *testing.T, req *workflowservice.StartWorkflowExecutionRequest) *workflowservice.StartWorkflowExecutionRequest {
	t.Helper()
	_, err := b.client.StartWorkflowExecution(context.Background(), req)
	require.Equal(t, codes.DataLoss, status.Code(err), "%v", err)
	return b.behind.last().(*workflowservice.StartWorkflowExecutionRequest)
}

func TestStartFillsInDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.started(t, startRequest())
	require.Equal(t, enumspb.TASK_QUEUE_KIND_NORMAL, got.GetTaskQueue().GetKind())
	require.NoError(t, uuid.Validate(got.GetRequestId()))
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, got.GetWorkflowIdReusePolicy())
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, got.GetWorkflowIdConflictPolicy())
	require.Equal(t, 10*time.Second, got.GetWorkflowTaskTimeout().AsDuration())
	require.Nil(t, got.GetWorkflowRunTimeout())
	require.Nil(t, got.GetWorkflowExecutionTimeout())
	require.Nil(t, got.GetRetryPolicy())
}

func TestStartTimeoutsCapOneAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seconds := func(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n} }
	for _, c := range []struct{ execution, run, task, wantExecution, wantRun, wantTask int64 }{
		{wantTask: 10},
		{task: 7, wantTask: 7},
		{task: 500, wantTask: 120},
		{run: 20, task: 60, wantRun: 20, wantTask: 20},
		{execution: 100, wantExecution: 100, wantRun: 100, wantTask: 10},
		{execution: 30, run: 50, wantExecution: 30, wantRun: 30, wantTask: 10},
		{execution: 5, wantExecution: 5, wantRun: 5, wantTask: 5},
		{run: 315576000000, wantRun: 3153600000, wantTask: 10},
	} {
		req := startRequest()
		req.WorkflowExecutionTimeout, req.WorkflowRunTimeout, req.WorkflowTaskTimeout = seconds(c.execution), seconds(c.run), seconds(c.task)
		got := b.started(t, req)
		require.Equal(t, c.wantExecution, got.GetWorkflowExecutionTimeout().GetSeconds(), "%+v", c)
		require.Equal(t, c.wantRun, got.GetWorkflowRunTimeout().GetSeconds(), "%+v", c)
		require.Equal(t, c.wantTask, got.GetWorkflowTaskTimeout().GetSeconds(), "%+v", c)
	}
}

func TestStartCompletesTheRetryPolicy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req := startRequest()
	req.RetryPolicy = &commonpb.RetryPolicy{InitialInterval: durationpb.New(2 * time.Second), MaximumAttempts: 3}
	got := b.started(t, req).GetRetryPolicy()
	require.Equal(t, 2.0, got.GetBackoffCoefficient())
	require.Equal(t, 200*time.Second, got.GetMaximumInterval().AsDuration())
	require.Equal(t, int32(3), got.GetMaximumAttempts())
}

func TestStartResolvesPolicies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req := startRequest()
	req.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
	got := b.started(t, req)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, got.GetWorkflowIdReusePolicy())
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING, got.GetWorkflowIdConflictPolicy())
}

func TestStartUsesANormalQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req := startRequest()
	req.TaskQueue = &taskqueuepb.TaskQueue{Name: "orders", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "n"}
	got := b.started(t, req).GetTaskQueue()
	require.Equal(t, enumspb.TASK_QUEUE_KIND_NORMAL, got.GetKind())
	require.Empty(t, got.GetNormalName())
}

func TestSignalWithStartIsCompletedLikeAStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.client.SignalWithStartWorkflowExecution(context.Background(), &workflowservice.SignalWithStartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: "order-1", WorkflowType: &commonpb.WorkflowType{Name: "order"},
		TaskQueue: &taskqueuepb.TaskQueue{Name: "orders"}, SignalName: "paid", RetryPolicy: &commonpb.RetryPolicy{},
		WorkflowExecutionTimeout: durationpb.New(time.Minute),
	})
	require.Equal(t, codes.DataLoss, status.Code(err))
	got := b.behind.last().(*workflowservice.SignalWithStartWorkflowExecutionRequest)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, got.GetWorkflowIdConflictPolicy())
	require.Equal(t, enumspb.TASK_QUEUE_KIND_NORMAL, got.GetTaskQueue().GetKind())
	require.Equal(t, time.Minute, got.GetWorkflowRunTimeout().AsDuration())
	require.Equal(t, 10*time.Second, got.GetWorkflowTaskTimeout().AsDuration())
	require.Equal(t, 100*time.Second, got.GetRetryPolicy().GetMaximumInterval().AsDuration())
	require.NoError(t, uuid.Validate(got.GetRequestId()))
}

func TestDeprecatedNamespaceTakesSignalsButNoStarts(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.namespaces.Ensure(ctx, "old", time.Hour)
	require.NoError(t, err)
	require.NoError(t, b.namespaces.Deprecate(ctx, "old"))
	req := startRequest()
	req.Namespace = "old"
	_, err = b.client.StartWorkflowExecution(ctx, req)
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.Equal(t, "Namespace has invalid state: Deprecated. Must be Registered.", status.Convert(err).Message())
	_, err = b.client.SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: "old", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w"}, SignalName: "s",
	})
	require.Equal(t, codes.DataLoss, status.Code(err))
}

func TestUpdateIsCompleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stages := map[enumspb.UpdateWorkflowExecutionLifecycleStage]enumspb.UpdateWorkflowExecutionLifecycleStage{
		enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_UNSPECIFIED: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
		enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:    enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED,
		enumspb.UpdateWorkflowExecutionLifecycleStage(9):              enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED,
	}
	for asked, want := range stages {
		_, err := b.client.UpdateWorkflowExecution(context.Background(), &workflowservice.UpdateWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w"},
			WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: asked},
			Request:    &updatepb.Request{Meta: &updatepb.Meta{}, Input: &updatepb.Input{Name: "n"}},
		})
		require.Equal(t, codes.DataLoss, status.Code(err), "%v", err)
		got := b.behind.last().(*workflowservice.UpdateWorkflowExecutionRequest)
		require.Equal(t, want, got.GetWaitPolicy().GetLifecycleStage())
		require.NoError(t, uuid.Validate(got.GetRequest().GetMeta().GetUpdateId()))
	}
}

// mistake is one that a request can have, what puts it right, and what is said of it.
type mistake struct {
	says  string
	right func(*workflowservice.StartWorkflowExecutionRequest)
}

// badStart has every mistake of the lists below.
func badStart() *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", RequestId: strings.Repeat("r", 1001), CronSchedule: "never", WorkflowStartDelay: durationpb.New(-1),
		RetryPolicy: &commonpb.RetryPolicy{MaximumAttempts: -1}, WorkflowExecutionTimeout: durationpb.New(-1), WorkflowRunTimeout: durationpb.New(-1),
		WorkflowTaskTimeout: durationpb.New(-1), WorkflowIdReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING,
		WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, OnConflictOptions: &workflowpb.OnConflictOptions{AttachCompletionCallbacks: true},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"Nope": {}}}, Priority: &commonpb.Priority{PriorityKey: -1},
		Links: []*commonpb.Link{{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: &commonpb.Link_WorkflowEvent{}}}},
		Memo:  &commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": {Data: make([]byte, 2100000)}}},
	}
}

var mistakes = map[string]mistake{
	"id":    {"WorkflowId is not set", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowId = "w" }},
	"retry": {"MaximumAttempts", func(r *workflowservice.StartWorkflowExecutionRequest) { r.RetryPolicy = nil }},
	"both":  {"may not be used together.", func(r *workflowservice.StartWorkflowExecutionRequest) { r.CronSchedule = "" }},
	"cron":  {"invalid CronSchedule", func(r *workflowservice.StartWorkflowExecutionRequest) { r.CronSchedule = "" }},
	"delay": {"WorkflowStartDelaySeconds", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowStartDelay = nil }},
	"type": {"ype ", func(r *workflowservice.StartWorkflowExecutionRequest) {
		r.WorkflowType = &commonpb.WorkflowType{Name: "t"}
	}},
	"queue": {"taskQueue is not set", func(r *workflowservice.StartWorkflowExecutionRequest) {
		r.TaskQueue = &taskqueuepb.TaskQueue{Name: "q"}
	}},
	"execution": {"WorkflowExecutionTimeoutSeconds", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowExecutionTimeout = nil }},
	"run":       {"WorkflowRunTimeoutSeconds", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowRunTimeout = nil }},
	"task":      {"WorkflowTaskTimeoutSeconds", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowTaskTimeout = nil }},
	"request":   {"equest", func(r *workflowservice.StartWorkflowExecutionRequest) { r.RequestId = "" }},
	"policies":  {"WorkflowIDReusePolicy", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowIdConflictPolicy = 0 }},
	"conflict":  {"attaching request ID", func(r *workflowservice.StartWorkflowExecutionRequest) { r.OnConflictOptions = nil }},
	"attribute": {"search attribute Nope", func(r *workflowservice.StartWorkflowExecutionRequest) { r.SearchAttributes = nil }},
	"priority":  {"priority key", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Priority = nil }},
	"links":     {"link must not have", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Links = nil }},
	"eager":     {"RequestEagerExecution is not supported", func(r *workflowservice.StartWorkflowExecutionRequest) { r.RequestEagerExecution = false }},
	"size":      {"Memo size", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Memo = nil }},
}

// TestOrderOfTheStartChecks puts mistakes right in the order in which they are to be told of.
func TestOrderOfTheStartChecks(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	for _, c := range []struct {
		name, order string
		call        func(*workflowservice.StartWorkflowExecutionRequest) error
	}{
		{"start", "id retry both delay type queue execution run task request policies conflict attribute priority links size", func(r *workflowservice.StartWorkflowExecutionRequest) error {
			_, err := b.client.StartWorkflowExecution(ctx, r)
			return err
		}},
		{"signal with start", "cron id type queue request execution run task retry delay policies attribute priority links size", func(r *workflowservice.StartWorkflowExecutionRequest) error {
			_, err := b.client.SignalWithStartWorkflowExecution(ctx, &workflowservice.SignalWithStartWorkflowExecutionRequest{
				Namespace: r.Namespace, WorkflowId: r.WorkflowId, WorkflowType: r.WorkflowType, TaskQueue: r.TaskQueue, RequestId: r.RequestId, SignalName: "s",
				CronSchedule: r.CronSchedule, WorkflowStartDelay: r.WorkflowStartDelay, RetryPolicy: r.RetryPolicy, WorkflowExecutionTimeout: r.WorkflowExecutionTimeout,
				WorkflowRunTimeout: r.WorkflowRunTimeout, WorkflowTaskTimeout: r.WorkflowTaskTimeout, WorkflowIdReusePolicy: r.WorkflowIdReusePolicy,
				WorkflowIdConflictPolicy: r.WorkflowIdConflictPolicy, SearchAttributes: r.SearchAttributes, Priority: r.Priority, Links: r.Links, Memo: r.Memo,
			})
			return err
		}},
		{"update with start", "retry both delay type queue execution run task request policies conflict attribute priority links eager size", func(r *workflowservice.StartWorkflowExecutionRequest) error {
			r.WorkflowId, r.RequestEagerExecution = "w", r.Links != nil || r.RequestEagerExecution
			_, err := b.client.ExecuteMultiOperation(ctx, &workflowservice.ExecuteMultiOperationRequest{
				Namespace: "default", Operations: []*workflowservice.ExecuteMultiOperationRequest_Operation{
					{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_StartWorkflow{StartWorkflow: r}},
					{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_UpdateWorkflow{UpdateWorkflow: &workflowservice.UpdateWorkflowExecutionRequest{
						WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w"},
						Request:           &updatepb.Request{Meta: &updatepb.Meta{UpdateId: "u"}, Input: &updatepb.Input{Name: "n"}},
					}}},
				},
			})
			var failed *serviceerror.MultiOperationExecution
			if errors.As(serviceerror.FromStatus(status.Convert(err)), &failed) {
				return failed.OperationErrors()[0]
			}
			return err
		}},
	} {
		req := badStart()
		for _, name := range strings.Fields(c.order) {
			err := c.call(req)
			require.ErrorContains(t, err, mistakes[name].says, "%s: %s", c.name, name)
			mistakes[name].right(req)
		}
		err := c.call(req)
		require.Equal(t, codes.DataLoss, status.Code(err), "%s: %v", c.name, err)
	}
}
