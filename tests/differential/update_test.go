package differential

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// updateTimeout bounds the wait of an update's caller; more than a plan takes.
const updateTimeout = 60 * time.Second

// updateCall is an update whose caller may still wait.
type updateCall struct {
	workflow int
	id       string
	runID    string
	stage    enumspb.UpdateWorkflowExecutionLifecycleStage
	done     chan struct{}
	answer   proto.Message
	err      error

	accepted, ended bool // as the worker said
	rejected        bool
	repeated        bool // an earlier call has the same id
	recorded        bool
	lost            bool // see player.disturb
	withStart       bool // goes on to another run when the one that was found closes
	cancel          context.CancelFunc
}

func (u *updateCall) isAnswered() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// waits tells whether no worker has answered and neither has the server.
func (u *updateCall) waits() bool { return !u.accepted && !u.ended && !u.isAnswered() }

// disturb is for failed calls on w. Some servers lose the updates that are not completed then, and take them up again by
// themselves: in any order after a failed answer of a worker, whose other effects are the same everywhere. After another call
// that failed the rest of the run is left alone.
func (p *player) disturb(ctx context.Context, w int, byWorker bool) {
	r := p.current(w)
	if r == nil || !r.isOpen() {
		return
	}
	if byWorker {
		r.unordered = true
		return
	}
	if !p.hasOpenUpdates(w) {
		return
	}
	for _, u := range p.updates {
		if u.runID == r.id {
			u.lost = true
			u.cancel()
		}
	}
	delete(p.tasks, w)
	r.final, r.disturbed = true, true
	// One that cannot be closed was closed by the failed call.
	_, _ = p.service.TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w), RunId: r.id},
	})
	r.description.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
}

// inOrder sorts the messages of a task when their order is not the same everywhere.
func (p *player) inOrder(r *run, task *workflowservice.PollWorkflowTaskQueueResponse) {
	if r.unordered {
		slices.SortFunc(task.GetMessages(), func(a, b *protocolpb.Message) int { return cmp.Compare(a.GetId(), b.GetId()) })
	}
}

// update sends one and returns when the server has it, or has answered.
func (p *player) update(ctx context.Context, w int, random *rand.Rand) *called {
	u, request := p.newUpdate(w, random)
	if r := p.current(w); r != nil {
		u.runID = r.id
		p.repeat(u, request, random)
	}
	mistake := random.IntN(30)
	switch mistake {
	case 0:
		request.Request.Input.Name = ""
	case 1:
		request.FirstExecutionRunId = "00000000-0000-4000-8000-000000000000"
	case 2:
		request.WorkflowExecution.RunId = "00000000-0000-4000-8000-000000000000"
	case 3:
		request.Request.Input.Header = header()
	}
	u.send(ctx, func(ctx context.Context) (proto.Message, error) {
		return p.service.UpdateWorkflowExecution(ctx, request)
	})
	if u.repeated && mistake < 3 { // the former call would seem to be this one
		u.awaitAnswer(ctx)
	} else {
		p.awaitAdmission(ctx, u)
	}
	if u.isAnswered() && u.err != nil {
		u.ended = true
		p.disturb(ctx, w, false)
		u.lost = false
	}
	return &called{name: "UpdateWorkflowExecution", request: request}
}

func (p *player) newUpdate(w int, random *rand.Rand) (*updateCall, *workflowservice.UpdateWorkflowExecutionRequest) {
	u := &updateCall{
		workflow: w, id: fmt.Sprintf("update-%d", len(p.updates)), done: make(chan struct{}),
		stage: pick(random, enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED, enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED),
	}
	p.updates = append(p.updates, u)
	return u, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: p.execution(w), WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: u.stage},
		Request: &updatepb.Request{
			Meta:  &updatepb.Meta{UpdateId: u.id, Identity: "client"},
			Input: &updatepb.Input{Name: "change", Args: payloads("argument")},
		},
	}
}

// repeat makes the call one of an update that was sent before, now and then.
func (p *player) repeat(u *updateCall, request *workflowservice.UpdateWorkflowExecutionRequest, random *rand.Rand) {
	if random.IntN(6) > 0 {
		return
	}
	for _, former := range p.updates {
		if former != u && former.runID == u.runID && former.workflow == u.workflow && !former.lost && !former.rejected && !former.withStart &&
			(!former.isAnswered() || former.err == nil) {
			u.id, u.accepted, u.ended, u.repeated = former.id, former.accepted, former.ended, true
			request.Request.Meta.UpdateId = u.id
			return
		}
	}
}

// send waits for the answer of an update's call.
func (u *updateCall) send(ctx context.Context, call func(context.Context) (proto.Message, error)) {
	ctx, u.cancel = context.WithTimeout(ctx, updateTimeout)
	go func() {
		defer close(u.done)
		defer u.cancel()
		u.answer, u.err = call(ctx)
	}()
}

// updateWithStart sends an update and a start of its run, if there is none.
func (p *player) updateWithStart(ctx context.Context, w int, random *rand.Rand) *called {
	start := p.startRequest(w, random)
	start.OnConflictOptions = nil // see docs/compatibility.md
	if !p.maySend(w, start) {
		return nil
	}
	u, update := p.newUpdate(w, random)
	request := &workflowservice.ExecuteMultiOperationRequest{
		Namespace: namespace, Operations: []*workflowservice.ExecuteMultiOperationRequest_Operation{
			{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_StartWorkflow{StartWorkflow: start}},
			{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_UpdateWorkflow{UpdateWorkflow: update}},
		},
	}
	u.withStart = true
	u.send(ctx, func(ctx context.Context) (proto.Message, error) { return p.service.ExecuteMultiOperation(ctx, request) })
	p.awaitAdmission(ctx, u)
	if description, err := p.describe(ctx, w, ""); err == nil {
		u.runID = description.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	}
	if u.isAnswered() && u.err != nil {
		u.ended = true
		p.disturb(ctx, w, false)
		u.lost = false
	}
	return &called{name: "ExecuteMultiOperation", request: request}
}

// awaitAdmissions waits for all that no worker saw: a server may lose those at an error and take them up again by itself.
func (p *player) awaitAdmissions(ctx context.Context) {
	for _, u := range p.updates {
		if r := p.current(u.workflow); r != nil && r.id == u.runID && r.isOpen() && u.waits() && !u.lost {
			p.awaitAdmission(ctx, u)
		}
	}
}

// awaitAnswer waits for the answer to a call that is refused.
func (u *updateCall) awaitAnswer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case <-u.done:
	case <-ctx.Done():
	}
}

// awaitAdmission asks for the update until the server knows it.
func (p *player) awaitAdmission(ctx context.Context, u *updateCall) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		_, err := p.service.PollWorkflowExecutionUpdate(ctx, &workflowservice.PollWorkflowExecutionUpdateRequest{
			Namespace: namespace, UpdateRef: &updatepb.UpdateRef{
				WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(u.workflow)}, UpdateId: u.id,
			},
		})
		if err == nil {
			return
		}
		select {
		case <-u.done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// mustAnswer tells whether the caller of u has all it waits for.
func (p *player) mustAnswer(u *updateCall) bool {
	if r := p.current(u.workflow); u.withStart && r != nil && r.isOpen() && !u.isAnswered() && !u.lost {
		u.runID = r.id
	}
	switch r := p.findRun(u.runID); {
	case r == nil || !r.isOpen():
		return true
	case u.lost:
		return false
	case u.ended:
		return true
	}
	return u.accepted && u.stage == enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
}

// answeredUpdates shows the answers that have come since the last step.
func (p *player) answeredUpdates() []any {
	var shown []any
	for _, u := range p.updates {
		if u.recorded || u.lost || !u.isAnswered() {
			continue
		}
		u.recorded = true
		if u.err != nil {
			shown = append(shown, u.id, p.norm.failure(u.err))
			continue
		}
		shown = append(shown, u.id, p.norm.message(u.answer))
	}
	return shown
}

// hasOpenUpdates tells whether a worker still owes something to an update.
func (p *player) hasOpenUpdates(w int) bool {
	r := p.current(w)
	for _, u := range p.updates {
		if u.workflow == w && r != nil && u.runID == r.id && !u.ended && !u.lost && r.isOpen() && !u.recorded {
			return true
		}
	}
	return false
}

// hasAdmittedUpdates tells whether a workflow task exists for an update even though no description shows it.
func (p *player) hasAdmittedUpdates(w int) bool {
	r := p.current(w)
	for _, u := range p.updates {
		if u.workflow == w && u.runID == r.id && u.waits() && !u.lost {
			return true
		}
	}
	return false
}

// hasWaitingUpdate tells whether no worker has taken an update of r yet.
func (p *player) hasWaitingUpdate(r *run) bool {
	return slices.ContainsFunc(p.updates, func(u *updateCall) bool { return u.runID == r.id && u.waits() && !u.lost })
}
