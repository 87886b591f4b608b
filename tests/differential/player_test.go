package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	_ "go.temporal.io/api/errordetails/v1" // so that details of errors can be shown
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

const (
	namespace = "default"
	// settleTimeout bounds the wait for what a step sets off; one that never comes shows as a difference.
	settleTimeout = 8 * time.Second
	// callTimeout bounds one call, long polls included.
	callTimeout = 8 * time.Second
	// lookTimeout bounds one look at a server that has much to do.
	lookTimeout = 30 * time.Second
	// askInterval is the pause between two looks at a server.
	askInterval = 3 * time.Millisecond
)

// run is one execution as last seen.
type run struct {
	workflow    int
	id          string
	history     []*historypb.HistoryEvent
	shown       int  // events that are in the record already
	unordered   bool // see player.disturb
	description *workflowservice.DescribeWorkflowExecutionResponse
	final       bool // closed and in the record
	disturbed   bool // its end is not the same everywhere
}

func (r *run) isOpen() bool {
	return r.description.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || r.isPaused()
}

func (r *run) isPaused() bool {
	return r != nil && r.description.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

func (r *run) workflowTaskIsStarted() bool {
	return r.description.GetPendingWorkflowTask().GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED
}

// player plays a plan on one server and keeps the record of what it showed.
type player struct {
	service workflowservice.WorkflowServiceClient
	prefix  string
	norm    *normalizer
	runs    []*run

	tasks      map[int]*workflowservice.PollWorkflowTaskQueueResponse // held by the worker, by workflow
	activities []*heldActivity
	updates    []*updateCall
	requests   int
}

// play returns one entry of the record a step.
func play(ctx context.Context, service workflowservice.WorkflowServiceClient, prefix string, steps plan) ([]string, error) {
	p := &player{
		service: service, prefix: prefix, norm: newNormalizer(prefix),
		tasks: map[int]*workflowservice.PollWorkflowTaskQueueResponse{},
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the calls that still wait for an update
	defer p.terminateAll()
	record := make([]string, 0, len(steps))
	for _, s := range steps {
		entry, err := p.take(ctx, s)
		if err != nil {
			return record, fmt.Errorf("%s: %w", s, err)
		}
		record = append(record, entry)
	}
	return record, nil
}

// take plays one step, waits for what it sets off, and shows all that is new.
func (p *player) take(ctx context.Context, s step) (string, error) {
	random := rand.New(rand.NewPCG(s.Seed, 2))
	call := moves[s.Kind](p, ctx, s.Workflow, random)
	if call != nil && call.err != nil {
		p.disturb(ctx, s.Workflow, s.Kind == "completeWorkflow")
	}
	p.awaitAdmissions(ctx)
	if call == nil {
		return s.Kind + ": nothing to do", nil
	}
	shown := p.show(call)
	unsettled, err := p.settle(ctx)
	if err != nil {
		return "", err
	}
	if unsettled != "" {
		shown["missing"] = unsettled
	}
	if updates := p.answeredUpdates(); len(updates) > 0 {
		shown["updates"] = updates
	}
	return pretty(shown) + p.news(), nil
}

func (p *player) show(call *called) map[string]any {
	shown := map[string]any{"call": call.name}
	if call.before != nil {
		shown["before"] = p.show(call.before)
	}
	if call.request != nil {
		shown["request"] = p.norm.message(call.request)
	}
	switch {
	case call.err != nil:
		shown["error"] = p.norm.failure(call.err)
	case call.answer != nil:
		shown["answer"] = p.norm.message(call.answer)
	}
	return shown
}

// called is what a step did and got.
type called struct {
	before          *called // that led to it
	name            string
	request, answer proto.Message
	err             error
}

// news shows the events and descriptions that are not in the record yet.
func (p *player) news() string {
	var text strings.Builder
	for _, r := range p.runs {
		if r.final {
			continue
		}
		fmt.Fprintf(&text, "\nrun %s of w%d", p.norm.text(r.id), r.workflow)
		for ; r.shown < len(r.history); r.shown++ {
			text.WriteString("\n" + pretty(p.norm.message(r.history[r.shown])))
		}
		text.WriteString("\n" + pretty(p.norm.message(p.steady(r))))
		r.final = !r.isOpen()
	}
	return text.String()
}

// steady is the description without what docs/compatibility.md says is shown otherwise; the end of an attempt that timed out is
// only told here.
func (p *player) steady(r *run) *workflowservice.DescribeWorkflowExecutionResponse {
	shown := proto.CloneOf(r.description)
	p.hideDepartures(r, shown)
	for _, a := range shown.GetPendingActivities() {
		if a.GetLastFailure().GetTimeoutFailureInfo() != nil {
			a.LastAttemptCompleteTime = nil
		}
	}
	return shown
}

// refresh looks at the current run of every workflow and at all runs that were open.
func (p *player) refresh(ctx context.Context) error {
	for w := range workflows {
		description, err := p.describe(ctx, w, "")
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if id := description.GetWorkflowExecutionInfo().GetExecution().GetRunId(); p.findRun(id) == nil {
			if err := p.followChain(ctx, w); err != nil {
				return err
			}
			if p.findRun(id) == nil {
				p.runs = append(p.runs, &run{workflow: w, id: id})
			}
		}
	}
	for _, r := range p.runs {
		if r.final {
			continue
		}
		var err error
		if r.description, err = p.describe(ctx, r.workflow, r.id); err != nil {
			return err
		}
		if !r.isOpen() {
			r.description.PendingWorkflowTask = nil // some servers go on showing a further attempt
		}
		if r.history, err = p.fetchHistory(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// followChain finds the runs that came and went between two looks.
func (p *player) followChain(ctx context.Context, w int) (err error) {
	for r := p.current(w); r != nil; {
		if r.history, err = p.fetchHistory(ctx, r); err != nil {
			return err
		}
		next := nextRun(r)
		if next == "" || p.findRun(next) != nil {
			return nil
		}
		r = &run{workflow: w, id: next}
		p.runs = append(p.runs, r)
	}
	return nil
}

func (p *player) describe(ctx context.Context, w int, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return p.service.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w), RunId: runID},
	})
}

func (p *player) fetchHistory(ctx context.Context, r *run) ([]*historypb.HistoryEvent, error) {
	request := &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(r.workflow), RunId: r.id},
	}
	var events []*historypb.HistoryEvent
	for {
		answer, err := p.service.GetWorkflowExecutionHistory(ctx, request)
		if err != nil {
			return nil, err
		}
		events = append(events, answer.GetHistory().GetEvents()...)
		if request.NextPageToken = answer.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return events, nil
		}
	}
}

// terminateAll leaves the server idle for the next plan.
func (p *player) terminateAll() {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	for w := range workflows {
		// One that is closed or was never there answers NOT_FOUND, which is as good.
		_, _ = p.service.TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{
			Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w)},
		})
	}
}

func (p *player) findRun(id string) *run {
	for _, r := range p.runs {
		if r.id == id {
			return r
		}
	}
	return nil
}

// current is the run that was found last, nil before the first.
func (p *player) current(w int) *run {
	for i := len(p.runs) - 1; i >= 0; i-- {
		if p.runs[i].workflow == w {
			return p.runs[i]
		}
	}
	return nil
}

func (p *player) workflowID(w int) string { return fmt.Sprintf("%s-w%d", p.prefix, w) }

// workflowQueue is one workflow's own, so that a poll can only get its task.
func (p *player) workflowQueue(w int) *taskqueuepb.TaskQueue {
	return &taskqueuepb.TaskQueue{Name: p.workflowID(w), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}

// activityQueue is one activity's own.
func (p *player) activityQueue(w int, activityID string) *taskqueuepb.TaskQueue {
	return &taskqueuepb.TaskQueue{Name: p.workflowID(w) + "-" + activityID, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}

func (p *player) requestID() string {
	p.requests++
	return fmt.Sprintf("request-%d", p.requests)
}
