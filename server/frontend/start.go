package frontend

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/visibility/attr"
)

// StartWorkflowExecution starts a run.
func (f *Frontend) StartWorkflowExecution(ctx context.Context, req *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	ns := namespaceOf(ctx)
	if err := f.checkStart(ctx, ns, req, startRules); err != nil {
		return nil, err
	}
	return f.history.StartWorkflowExecution(ctx, ns, req)
}

// rules are the differences between the two calls that start a run.
type rules struct {
	conflictDefault enumspb.WorkflowIdConflictPolicy
	failRefused     bool // FAIL makes no sense: the call exists for running workflows
	typeMissing     string
	typeTooLong     string
	requestTooLong  string
	lengthsShown    bool // the words for what is too long end with the lengths
}

var startRules = rules{
	conflictDefault: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
	typeMissing:     "WorkflowType is not set on request.",
	typeTooLong:     "WorkflowType length exceeds limit.",
	requestTooLong:  "RequestId length exceeds limit.",
}

func (r rules) withLength(words, text string, max int) string {
	if !r.lengthsShown {
		return words
	}
	return fmt.Sprintf("%s (%d/%d)", words, len(text), max)
}

// checkStart refuses a bad request and fills in what a client may leave out:
// policies, timeouts, retry policy, request id and kind of the task queue.
func (f *Frontend) checkStart(ctx context.Context, ns *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest, r rules) error {
	for _, check := range []func() error{
		func() error { return f.checkStartNames(req, r) },
		func() error { return resolvePolicies(req, r) },
		func() error { return f.resolveTimeouts(req) },
		func() error { return checkRetryPolicy(req.GetRetryPolicy()) },
		func() error { return checkCron(req.GetCronSchedule(), req.GetWorkflowStartDelay()) },
		func() error { return f.checkPriority(req.GetPriority()) },
		func() (err error) {
			req.Links, err = f.checkCallbackLinks(req.GetLinks(), req.GetCompletionCallbacks())
			return err
		},
		func() error { return f.checkCallbacks(req.GetCompletionCallbacks()) },
		func() error { return checkOnConflict(req.GetOnConflictOptions()) },
		func() error { return checkSearchAttributes(ns, req.GetSearchAttributes()) },
		func() error { return f.checkStartSizes(ctx, req) },
		func() (err error) {
			req.VersioningOverride, err = f.startOverride(ctx, ns, req.GetVersioningOverride(), req.GetTaskQueue().GetName())
			return err
		},
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if req.GetRequestId() == "" { // no deduplication then
		req.RequestId = uuid.NewString()
	}
	return nil
}

func (f *Frontend) checkStartNames(req *workflowservice.StartWorkflowExecutionRequest, r rules) error {
	switch {
	case req.GetWorkflowId() == "":
		return apierr.InvalidArgument("WorkflowId is not set on request.")
	case f.tooLong(req.GetWorkflowId()):
		return apierr.InvalidArgument("WorkflowId exceeds maximum allowed length (%d/%d)", len(req.GetWorkflowId()), f.limits.IDBytesMax)
	case req.GetWorkflowType().GetName() == "":
		return apierr.InvalidArgument("%s", r.typeMissing)
	case f.tooLong(req.GetWorkflowType().GetName()):
		return apierr.InvalidArgument("%s", r.withLength(r.typeTooLong, req.GetWorkflowType().GetName(), f.limits.IDBytesMax))
	case f.tooLong(req.GetRequestId()):
		return apierr.InvalidArgument("%s", r.withLength(r.requestTooLong, req.GetRequestId(), f.limits.IDBytesMax))
	}
	if err := f.checkTaskQueue(req.GetTaskQueue()); err != nil {
		return err
	}
	// A run starts on a queue that anybody can poll.
	req.TaskQueue = &taskqueuepb.TaskQueue{Name: req.GetTaskQueue().GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	return nil
}

// resolvePolicies replaces unset, unknown and old policies by what they mean.
func resolvePolicies(req *workflowservice.StartWorkflowExecutionRequest, r rules) error {
	reuse, conflict := req.GetWorkflowIdReusePolicy(), req.GetWorkflowIdConflictPolicy()
	switch {
	case reuse == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING && conflict != enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED:
		return apierr.InvalidArgument("Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy")
	case reuse == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE && conflict == enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		return apierr.InvalidArgument("Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING")
	case r.failRefused && conflict == enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL:
		return apierr.InvalidArgument("Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.")
	}
	req.WorkflowIdReusePolicy, req.WorkflowIdConflictPolicy = resolved(reuse, conflict, r.conflictDefault)
	return nil
}

func resolved(reuse enumspb.WorkflowIdReusePolicy, conflict, conflictDefault enumspb.WorkflowIdConflictPolicy) (enumspb.WorkflowIdReusePolicy, enumspb.WorkflowIdConflictPolicy) {
	switch reuse {
	case enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
		return enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	case enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
	default:
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	switch conflict {
	case enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
	default:
		conflict = conflictDefault
	}
	return reuse, conflict
}

// resolveTimeouts caps the timeouts by one another and sets that of workflow tasks.
func (f *Frontend) resolveTimeouts(req *workflowservice.StartWorkflowExecutionRequest) error {
	for _, t := range []struct {
		name  string
		value **durationpb.Duration
	}{
		{"WorkflowExecutionTimeoutSeconds", &req.WorkflowExecutionTimeout},
		{"WorkflowRunTimeoutSeconds", &req.WorkflowRunTimeout},
		{"WorkflowTaskTimeoutSeconds", &req.WorkflowTaskTimeout},
		{"WorkflowStartDelaySeconds", &req.WorkflowStartDelay},
	} {
		capped, wrong := checkDuration(*t.value)
		if wrong != "" {
			return apierr.InvalidArgument("An invalid %s is set on request. cause: %s", t.name, wrong)
		}
		*t.value = capped
	}
	if execution, run := req.GetWorkflowExecutionTimeout().AsDuration(), req.GetWorkflowRunTimeout().AsDuration(); execution > 0 && (run == 0 || run > execution) {
		req.WorkflowRunTimeout = durationpb.New(execution)
	}
	req.WorkflowTaskTimeout = durationpb.New(f.taskTimeout(req.GetWorkflowTaskTimeout().AsDuration(), req.GetWorkflowRunTimeout().AsDuration()))
	return nil
}

// taskTimeout is the timeout of workflow tasks; run is 0 when the run has none.
func (f *Frontend) taskTimeout(task, run time.Duration) time.Duration {
	if task == 0 {
		task = f.limits.TaskTimeoutDefault
	}
	task = min(task, f.limits.TaskTimeoutMax)
	if run > 0 {
		task = min(task, run)
	}
	return task
}

func checkCron(schedule string, delay *durationpb.Duration) error {
	if schedule == "" {
		return nil
	}
	if delay.AsDuration() != 0 {
		return apierr.InvalidArgument("CronSchedule and WorkflowStartDelay may not be used together.")
	}
	if _, err := cron.ParseStandard(schedule); err != nil {
		return apierr.InvalidArgument("invalid CronSchedule.")
	}
	return nil
}

func checkOnConflict(o *workflowpb.OnConflictOptions) error {
	if o.GetAttachCompletionCallbacks() && !o.GetAttachRequestId() {
		return apierr.InvalidArgument("attaching request ID is required for attaching completion callbacks")
	}
	return nil
}

func checkSearchAttributes(ns *cluster.Namespace, sa *commonpb.SearchAttributes) error {
	if err := attr.Validate(ns.Name, ns.SearchAttributes, sa); err != nil {
		return apierr.InvalidArgument("%v", err)
	}
	return nil
}

func (f *Frontend) checkStartSizes(ctx context.Context, req *workflowservice.StartWorkflowExecutionRequest) error {
	if f.passes(ctx, req.GetMemo(), "memo", f.limits.MemoBytesWarn, f.limits.MemoBytesMax) {
		return apierr.InvalidArgument("Memo size exceeds limit.")
	}
	return f.checkBlob(ctx, req.GetInput())
}
