package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// runTimeoutQuick passes in the step that starts a run, three times if it is retried, and long after a pause before the first
// task: some servers do what is due within the same second in any order.
const runTimeoutQuick = 1300 * time.Millisecond

// workflowTaskTimeout is long, so that no held task times out by chance.
const workflowTaskTimeout = 100 * time.Second

// moves are what the kinds of steps do; nil as answer means that the step has nothing to work on.
var moves = map[string]func(p *player, ctx context.Context, w int, random *rand.Rand) *called{
	"start": (*player).start, "signal": (*player).signal, "signalWithStart": (*player).signalWithStart,
	"cancel": (*player).cancel, "terminate": (*player).terminate, "reset": (*player).reset, "update": (*player).update,
	"history": (*player).history, "pollWorkflow": (*player).pollWorkflow, "completeWorkflow": (*player).completeWorkflow,
	"failWorkflow": (*player).failWorkflow, "pollActivity": (*player).pollActivity,
	"completeActivity": (*player).completeActivity, "failActivity": (*player).failActivity,
	"cancelActivity": (*player).cancelActivity, "heartbeatActivity": (*player).heartbeatActivity,
	"activityByID": (*player).activityByID, "operateActivity": (*player).operateActivity, "updateOptions": (*player).updateOptions,
	"query": (*player).query, "pauseRun": (*player).pauseRun, "unpauseRun": (*player).unpauseRun, "list": (*player).list, "resetSticky": (*player).resetSticky, "updateWithStart": (*player).updateWithStart, "pollUpdate": (*player).pollUpdate,
}

// invoke calls a method with a bound on its time.
func invoke[Request, Answer proto.Message](
	ctx context.Context, name string, method func(context.Context, Request, ...grpc.CallOption) (Answer, error), request Request,
) *called {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := method(ctx, request)
	return &called{name: name, request: request, answer: answer, err: err}
}

func (p *player) start(ctx context.Context, w int, random *rand.Rand) *called {
	request := p.startRequest(w, random)
	if random.IntN(5) == 0 {
		request.RequestEagerExecution = true
	}
	if timeout := request.WorkflowRunTimeout.AsDuration(); 0 < timeout && timeout < soon {
		request.RequestEagerExecution = false // the task would be due at the same time
	}
	if random.IntN(6) == 0 {
		request.RequestId = "request-1" // a repetition of an earlier call
		if r := p.current(w); r != nil && !r.history[0].GetWorkflowExecutionStartedEventAttributes().GetEagerExecutionAccepted() {
			request.RequestEagerExecution = false // a task that a worker has is not given again: see docs/compatibility.md
		}
	}
	if !p.maySend(w, request) {
		return nil
	}
	call := invoke(ctx, "StartWorkflowExecution", p.service.StartWorkflowExecution, request)
	if task := call.answer.(*workflowservice.StartWorkflowExecutionResponse).GetEagerWorkflowTask(); len(task.GetTaskToken()) > 0 {
		p.tasks[w] = task
	}
	return call
}

// maySend tells whether a start cannot end a run whose end could not be seen in all its relations.
func (p *player) maySend(w int, request *workflowservice.StartWorkflowExecutionRequest) bool {
	return request.WorkflowIdConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING &&
		request.WorkflowIdReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING || p.mayClose(w)
}

func (p *player) startRequest(w int, random *rand.Rand) *workflowservice.StartWorkflowExecutionRequest {
	request := &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: p.workflowID(w), WorkflowType: &commonpb.WorkflowType{Name: "kind"},
		TaskQueue: p.workflowQueue(w), Identity: "client", RequestId: p.requestID(),
		WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout),
		Input:               payloads("input"),
		WorkflowIdReusePolicy: pick(random, enumspb.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE),
		WorkflowIdConflictPolicy: pick(random, enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
			enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING),
	}
	if random.IntN(12) == 0 {
		request.WorkflowIdReusePolicy, request.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, pick(random,
			enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
	}
	addStartOptions(request, random)
	return request
}

func addStartOptions(request *workflowservice.StartWorkflowExecutionRequest, random *rand.Rand) {
	if random.IntN(3) == 0 { // not at the very moment of a cron
		request.WorkflowExecutionTimeout, request.WorkflowRunTimeout = durationpb.New(150*time.Minute), durationpb.New(time.Hour)
	}
	if random.IntN(3) == 0 {
		request.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{"note": payload("note"), "other": payload("other")}}
	}
	if random.IntN(4) == 0 {
		request.RetryPolicy = quickRetries(random)
	}
	if random.IntN(8) == 0 {
		request.WorkflowStartDelay = durationpb.New(pick(random, 50*time.Millisecond, time.Hour))
	}
	if random.IntN(15) == 0 {
		request.CronSchedule = "@every 2h"
	}
	if random.IntN(4) == 0 {
		request.UserMetadata, request.Priority, request.Header = metadata(), priority(random), header()
	}
	if random.IntN(4) == 0 {
		request.OnConflictOptions = &workflowpb.OnConflictOptions{AttachRequestId: random.IntN(2) == 0, AttachLinks: random.IntN(2) == 0}
	}
	if random.IntN(6) == 0 {
		request.SearchAttributes = searchAttributes(random)
	}
	if random.IntN(8) == 0 {
		request.Links = links()
	}
	if random.IntN(10) == 0 {
		request.VersioningOverride = override(random)
	}
	if random.IntN(16) == 0 {
		request.WorkflowRunTimeout = durationpb.New(pick(random, runTimeoutQuick, -time.Second))
	}
}

func metadata() *sdkpb.UserMetadata {
	return &sdkpb.UserMetadata{Summary: payload("summary"), Details: payload("details")}
}

func header() *commonpb.Header {
	return &commonpb.Header{Fields: map[string]*commonpb.Payload{"trace": payload("id")}}
}

func (p *player) signal(ctx context.Context, w int, random *rand.Rand) *called {
	return invoke(ctx, "SignalWorkflowExecution", p.service.SignalWorkflowExecution, &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: p.anyExecution(w, random), SignalName: pick(random, "one", "two", ""),
		Header: pick(random, nil, nil, header()), Links: pick(random, nil, nil, links()),
		Input: payloads("signal"), Identity: "client", RequestId: pick(random, "", p.requestID(), fmt.Sprintf("same-%d", len(p.runs))), // a reset forgets ids elsewhere
	})
}

func (p *player) signalWithStart(ctx context.Context, w int, random *rand.Rand) *called {
	start := p.startRequest(w, random)
	if random.IntN(3) > 0 && start.WorkflowIdConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL { // refused always
		start.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED
	}
	if !p.maySend(w, start) {
		return nil
	}
	return invoke(ctx, "SignalWithStartWorkflowExecution", p.service.SignalWithStartWorkflowExecution, &workflowservice.SignalWithStartWorkflowExecutionRequest{
		Namespace: start.Namespace, WorkflowId: start.WorkflowId, WorkflowType: start.WorkflowType, TaskQueue: start.TaskQueue, Input: start.Input,
		WorkflowExecutionTimeout: start.WorkflowExecutionTimeout, WorkflowRunTimeout: start.WorkflowRunTimeout, WorkflowTaskTimeout: start.WorkflowTaskTimeout,
		Identity: start.Identity, RequestId: start.RequestId, WorkflowIdReusePolicy: start.WorkflowIdReusePolicy,
		WorkflowIdConflictPolicy: start.WorkflowIdConflictPolicy, SignalName: "first", SignalInput: payloads("signal"), RetryPolicy: start.RetryPolicy,
		CronSchedule: start.CronSchedule, Memo: start.Memo, SearchAttributes: start.SearchAttributes, Header: start.Header,
		WorkflowStartDelay: start.WorkflowStartDelay, UserMetadata: start.UserMetadata, Links: start.Links,
		VersioningOverride: start.VersioningOverride, Priority: start.Priority,
	})
}

func (p *player) cancel(ctx context.Context, w int, random *rand.Rand) *called {
	return invoke(ctx, "RequestCancelWorkflowExecution", p.service.RequestCancelWorkflowExecution,
		&workflowservice.RequestCancelWorkflowExecutionRequest{
			Namespace: namespace, WorkflowExecution: p.anyExecution(w, random), Identity: "client",
			RequestId: pick(random, "", p.requestID()), Reason: "why not", FirstExecutionRunId: p.firstRun(w, random),
		})
}

func (p *player) terminate(ctx context.Context, w int, random *rand.Rand) *called {
	if !p.mayClose(w) {
		return nil
	}
	return invoke(ctx, "TerminateWorkflowExecution", p.service.TerminateWorkflowExecution,
		&workflowservice.TerminateWorkflowExecutionRequest{
			Namespace: namespace, WorkflowExecution: p.anyExecution(w, random), Identity: "client",
			Reason: "why not", Details: payloads("details"), FirstExecutionRunId: p.firstRun(w, random),
		})
}

// reset goes back to any event, right or wrong, of a run without relations: those of a run with some happen in an order that
// nobody promises.
func (p *player) reset(ctx context.Context, w int, random *rand.Rand) *called {
	r, latest := p.anyRun(w, random), p.current(w)
	if r == nil || p.isRelated(r) || p.isRelated(latest) || p.hasOpenUpdates(w) || r.disturbed {
		return nil
	}
	finish := int64(random.IntN(len(r.history)+2) + 1)
	if ends := workflowTaskEnds(r); len(ends) > 0 && random.IntN(5) > 0 {
		finish = pick(random, ends...)
	}
	if finish == 2 && r.history[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId() != "" {
		finish++ // whether a chained run waits before its first task depends on how long its base took
	}
	if r.history[0].GetWorkflowExecutionStartedEventAttributes().GetEagerExecutionAccepted() && finish <= 3 {
		finish = 4 // all before was stored at once: see docs/compatibility.md
	}
	if 4 < finish && finish <= int64(len(r.history)) && r.history[finish-2].GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED {
		finish++ // behind the started event: but for the first task it may have been stored with the scheduled one
	}
	return invoke(ctx, "ResetWorkflowExecution", p.service.ResetWorkflowExecution, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w), RunId: r.id},
		Reason: "again", WorkflowTaskFinishEventId: finish, RequestId: p.requestID(), Identity: "client",
		ResetReapplyType: pick(random, enumspb.RESET_REAPPLY_TYPE_UNSPECIFIED, enumspb.RESET_REAPPLY_TYPE_SIGNAL,
			enumspb.RESET_REAPPLY_TYPE_NONE, enumspb.RESET_REAPPLY_TYPE_ALL_ELIGIBLE),
		ResetReapplyExcludeTypes: pick(random, nil, nil, []enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL},
			[]enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST}),
		PostResetOperations: pick(random, nil, nil, afterReset(slices.Contains(workflowTaskEnds(r), finish), random)),
	})
}

// anyRun is mostly the current one of w.
func (p *player) anyRun(w int, random *rand.Rand) *run {
	chosen := p.current(w)
	if random.IntN(4) > 0 {
		return chosen
	}
	for _, r := range p.runs {
		if r.workflow == w && random.IntN(2) == 0 {
			return r
		}
	}
	return chosen
}

func workflowTaskEnds(r *run) []int64 {
	var ids []int64
	for _, event := range r.history {
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			ids = append(ids, event.GetEventId())
		}
	}
	return ids
}

// history reads it in one of the ways that the record does not use.
func (p *player) history(ctx context.Context, w int, random *rand.Rand) *called {
	if random.IntN(2) == 0 {
		return invoke(ctx, "GetWorkflowExecutionHistoryReverse", p.service.GetWorkflowExecutionHistoryReverse,
			&workflowservice.GetWorkflowExecutionHistoryReverseRequest{
				// Without a size, here and below: pages end where a server's batches do.
				Namespace: namespace, Execution: p.anyExecution(w, random),
			})
	}
	filter := pick(random, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	if r := p.current(w); r != nil && (r.isPaused() || p.hasWaitingUpdate(r)) {
		// An update's task must not become due while one server takes its time to answer. For paused runs see docs/compatibility.md.
		filter = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
	}
	return invoke(ctx, "GetWorkflowExecutionHistory", p.service.GetWorkflowExecutionHistory,
		&workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: namespace, Execution: p.anyExecution(w, random),
			HistoryEventFilterType: filter,
		})
}

// anyExecution names the current run mostly without its id, now and then a run that was or never was.
func (p *player) anyExecution(w int, random *rand.Rand) *commonpb.WorkflowExecution {
	execution := &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w)}
	var ids []string
	for _, r := range p.runs {
		if r.workflow == w {
			ids = append(ids, r.id)
		}
	}
	switch choice := random.IntN(12); {
	case choice == 0:
		execution.RunId = "00000000-0000-4000-8000-000000000000"
	case choice == 1:
		execution.RunId = "no run id"
	case choice < 5 && len(ids) > 0:
		execution.RunId = pick(random, ids...)
	}
	return execution
}

// firstRun is mostly empty, else the first run of some chain.
func (p *player) firstRun(w int, random *rand.Rand) string {
	if r := p.current(w); r != nil && random.IntN(5) == 0 {
		return r.history[0].GetWorkflowExecutionStartedEventAttributes().GetFirstExecutionRunId()
	}
	return ""
}

// mayClose tells whether the end of w's run can be seen in all its relations. A held workflow task hides what happens to its
// run until it ends, so the order of that and of the next step could not be told.
func (p *player) mayClose(w int) bool {
	r := p.current(w)
	if r == nil || !r.isOpen() || !p.isRelated(r) {
		return true
	}
	for other := range workflows {
		if o := p.current(other); other != w && o != nil && o.workflowTaskIsStarted() {
			return false
		}
	}
	return true
}

// isRelated tells whether the run has a parent or ever had children.
func (p *player) isRelated(r *run) bool {
	if r.history[0].GetWorkflowExecutionStartedEventAttributes().GetParentWorkflowExecution() != nil {
		return true
	}
	for _, event := range r.history {
		if event.GetEventType() == enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED {
			return true
		}
	}
	return false
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound) || status.Code(err) == codes.NotFound
}

func quickRetries(random *rand.Rand) *commonpb.RetryPolicy {
	return &commonpb.RetryPolicy{
		InitialInterval: durationpb.New(20 * time.Millisecond), BackoffCoefficient: 1, MaximumAttempts: int32(random.IntN(3) + 1),
		NonRetryableErrorTypes: []string{"fatal"},
	}
}

func payload(text string) *commonpb.Payload {
	return &commonpb.Payload{
		Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: fmt.Appendf(nil, "%q", text),
	}
}

func payloads(text string) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(text)}}
}

func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }
