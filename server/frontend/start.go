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
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/visibility/attr"
)

// StartWorkflowExecution starts a run.
func (f *Frontend) StartWorkflowExecution(ctx context.Context, req *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	ns := namespaceOf(ctx)
	if err := (&startCheck{f: f, ctx: ctx, ns: ns, req: req, rules: startRules}).run(); err != nil {
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
	checks          []func(*startCheck) error
}

var startRules = rules{
	conflictDefault: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
	typeMissing:     "WorkflowType is not set on request.",
	typeTooLong:     "WorkflowType length exceeds limit.",
	requestTooLong:  "RequestId length exceeds limit.",
	// The order is seen by who makes two mistakes.
	checks: []func(*startCheck) error{
		(*startCheck).workflowID, (*startCheck).retryPolicy, (*startCheck).noDelayWithCron, (*startCheck).cron, (*startCheck).delay,
		(*startCheck).workflowType, (*startCheck).taskQueue, (*startCheck).timeouts, (*startCheck).requestID, (*startCheck).policies,
		(*startCheck).onConflict, (*startCheck).searchAttributes, (*startCheck).priority, (*startCheck).callbacks, (*startCheck).links,
		(*startCheck).sizes, (*startCheck).override,
	},
}

func (r rules) withLength(words, text string, max int) string {
	if !r.lengthsShown {
		return words
	}
	return fmt.Sprintf("%s (%d/%d)", words, len(text), max)
}

// startCheck is the check of a request that starts a run.
type startCheck struct {
	f      *Frontend
	ctx    context.Context
	ns     *cluster.Namespace
	req    *workflowservice.StartWorkflowExecutionRequest
	signal string // its name, when the run is started with one
	rules
}

// run refuses a bad request and fills in what a client may leave out:
// policies, timeouts, retry policy, request id and kind of the task queue.
func (c *startCheck) run() error {
	for _, check := range c.checks {
		if err := check(c); err != nil {
			return err
		}
	}
	if c.req.GetRequestId() == "" { // no deduplication then
		c.req.RequestId = uuid.NewString()
	}
	return nil
}

func (c *startCheck) workflowID() error {
	switch id := c.req.GetWorkflowId(); {
	case id == "":
		return apierr.InvalidArgument("WorkflowId is not set on request.")
	case c.f.tooLong(id):
		return apierr.InvalidArgument("WorkflowId exceeds maximum allowed length (%d/%d)", len(id), c.f.limits.IDBytesMax)
	}
	return nil
}

func (c *startCheck) workflowType() error {
	switch name := c.req.GetWorkflowType().GetName(); {
	case name == "":
		return apierr.InvalidArgument("%s", c.typeMissing)
	case c.f.tooLong(name):
		return apierr.InvalidArgument("%s", c.withLength(c.typeTooLong, name, c.f.limits.IDBytesMax))
	}
	return nil
}

func (c *startCheck) requestID() error {
	if id := c.req.GetRequestId(); c.f.tooLong(id) {
		return apierr.InvalidArgument("%s", c.withLength(c.requestTooLong, id, c.f.limits.IDBytesMax))
	}
	return nil
}

func (c *startCheck) taskQueue() error {
	if err := c.f.checkTaskQueue(c.req.GetTaskQueue()); err != nil {
		return err
	}
	// A run starts on a queue that anybody can poll.
	c.req.TaskQueue = &taskqueuepb.TaskQueue{Name: c.req.GetTaskQueue().GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	return nil
}

func (c *startCheck) signalName() error {
	switch {
	case c.signal == "":
		return apierr.InvalidArgument("signal not set")
	case c.f.tooLong(c.signal):
		return apierr.InvalidArgument("signal name exceeds maximum allowed length (%d/%d)", len(c.signal), c.f.limits.IDBytesMax)
	}
	return nil
}

func (c *startCheck) retryPolicy() error { return checkRetryPolicy(c.req.GetRetryPolicy()) }

func (c *startCheck) noDelayWithCron() error {
	if c.req.GetCronSchedule() != "" && c.req.GetWorkflowStartDelay().AsDuration() != 0 {
		return apierr.InvalidArgument("CronSchedule and WorkflowStartDelay may not be used together.")
	}
	return nil
}

func (c *startCheck) cron() error {
	if c.req.GetCronSchedule() == "" {
		return nil
	}
	if _, err := cron.ParseStandard(c.req.GetCronSchedule()); err != nil {
		return apierr.InvalidArgument("invalid CronSchedule.")
	}
	return nil
}

func (c *startCheck) delay() error {
	return capDuration("WorkflowStartDelaySeconds", &c.req.WorkflowStartDelay)
}

// capDuration refuses a wrong duration and shortens one that is too long.
func capDuration(name string, d **durationpb.Duration) error {
	capped, wrong := checkDuration(*d)
	if wrong != "" {
		return apierr.InvalidArgument("An invalid %s is set on request. cause: %s", name, wrong)
	}
	*d = capped
	return nil
}

// timeouts caps the timeouts by one another and sets that of workflow tasks.
func (c *startCheck) timeouts() error {
	req := c.req
	for _, t := range []struct {
		name  string
		value **durationpb.Duration
	}{
		{"WorkflowExecutionTimeoutSeconds", &req.WorkflowExecutionTimeout},
		{"WorkflowRunTimeoutSeconds", &req.WorkflowRunTimeout},
		{"WorkflowTaskTimeoutSeconds", &req.WorkflowTaskTimeout},
	} {
		if err := capDuration(t.name, t.value); err != nil {
			return err
		}
	}
	if execution, run := req.GetWorkflowExecutionTimeout().AsDuration(), req.GetWorkflowRunTimeout().AsDuration(); execution > 0 && (run == 0 || run > execution) {
		req.WorkflowRunTimeout = durationpb.New(execution)
	}
	req.WorkflowTaskTimeout = durationpb.New(c.f.taskTimeout(req.GetWorkflowTaskTimeout().AsDuration(), req.GetWorkflowRunTimeout().AsDuration()))
	return nil
}

func (c *startCheck) onConflict() error {
	if o := c.req.GetOnConflictOptions(); o.GetAttachCompletionCallbacks() && !o.GetAttachRequestId() {
		return apierr.InvalidArgument("attaching request ID is required for attaching completion callbacks")
	}
	return nil
}

func (c *startCheck) searchAttributes() error {
	return checkSearchAttributes(c.ns, c.req.GetSearchAttributes())
}

func (c *startCheck) priority() error { return c.f.checkPriority(c.req.GetPriority()) }

func (c *startCheck) callbacks() error { return c.f.checkCallbacks(c.req.GetCompletionCallbacks()) }

func (c *startCheck) links() (err error) {
	c.req.Links, err = c.f.checkCallbackLinks(c.req.GetLinks(), c.req.GetCompletionCallbacks())
	return err
}

func (c *startCheck) sizes() error { return c.f.checkStartSizes(c.ctx, c.req) }

func (c *startCheck) override() (err error) {
	c.req.VersioningOverride, err = c.f.startOverride(c.ctx, c.ns, c.req.GetVersioningOverride(), c.req.GetTaskQueue().GetName())
	return err
}

// policies replaces unset, unknown and old policies by what they mean.
func (c *startCheck) policies() error {
	req := c.req
	reuse, conflict := req.GetWorkflowIdReusePolicy(), req.GetWorkflowIdConflictPolicy()
	switch {
	case reuse == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING && conflict != enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED:
		return apierr.InvalidArgument("Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy")
	case reuse == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE && conflict == enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		return apierr.InvalidArgument("Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING")
	case c.failRefused && conflict == enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL:
		return apierr.InvalidArgument("Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.")
	}
	req.WorkflowIdReusePolicy, req.WorkflowIdConflictPolicy = resolved(reuse, conflict, c.conflictDefault)
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
