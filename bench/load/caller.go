package load

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// signalsPerRun is how many signals one run gets before the next takes its place. Servers refuse more than 10,000.
	signalsPerRun, hotSignalsPerRun = 2_000, 9_000
	// updatesPerRun is the same for updates.
	updatesPerRun = 500
)

// caller is one of those in flight. It keeps its requests and changes only their ids.
type caller struct {
	session *Session
	number  int
	start   *workflowservice.StartWorkflowExecutionRequest
	await   *workflowservice.GetWorkflowExecutionHistoryRequest
	message *workflowservice.SignalWorkflowExecutionRequest
	// updated is the run that takes this caller's updates; nil at first.
	updated *commonpb.WorkflowExecution
	updates int
}

// callers are as many as are in flight, for workflows of one program.
func (s *Session) callers(count int, p *program) []*caller {
	all := make([]*caller, count)
	for number := range all {
		all[number] = &caller{
			session: s, number: number,
			start: &workflowservice.StartWorkflowExecutionRequest{
				Namespace: s.Namespace, WorkflowType: &commonpb.WorkflowType{Name: p.name}, TaskQueue: s.queue, Input: p.result,
				WorkflowTaskTimeout: durationpb.New(taskTimeout), Identity: identity,
			},
			await: &workflowservice.GetWorkflowExecutionHistoryRequest{
				Namespace: s.Namespace, WaitNewEvent: true, HistoryEventFilterType: enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
			},
			message: &workflowservice.SignalWorkflowExecutionRequest{
				Namespace: s.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{}, SignalName: "bench", Identity: identity,
			},
		}
	}
	return all
}

func (c *caller) service() workflowservice.WorkflowServiceClient { return c.session.service(c.number) }

// id is unique.
func (c *caller) id(kind string) string {
	return c.session.prefix + kind + "-" + strconv.FormatInt(c.session.ids.Add(1), 10)
}

// begin starts a workflow.
func (c *caller) begin(ctx context.Context, id string) (*commonpb.WorkflowExecution, error) {
	c.start.WorkflowId, c.start.RequestId = id, id
	started, err := c.service().StartWorkflowExecution(ctx, c.start)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	return &commonpb.WorkflowExecution{WorkflowId: id, RunId: started.RunId}, nil
}

// finish waits for a workflow's result as a client does: by a long poll for the closing event.
func (c *caller) finish(ctx context.Context, run *commonpb.WorkflowExecution) error {
	c.await.Execution = run
	for {
		answer, err := c.service().GetWorkflowExecutionHistory(ctx, c.await)
		if err != nil {
			return fmt.Errorf("wait for the result: %w", err)
		}
		events := answer.GetHistory().GetEvents()
		if len(events) == 0 {
			continue // the server holds a poll for some seconds only
		}
		if kind := events[len(events)-1].EventType; kind != enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED {
			return fmt.Errorf("workflow ended with %s", kind)
		}
		return nil
	}
}

// workflows makes units that start a workflow and wait for its result.
func (s *Session) workflows(kind string, inflight int, p *program) unit {
	callers := s.callers(inflight, p)
	return func(ctx context.Context, by turn) error {
		c := callers[by.caller]
		run, err := c.begin(ctx, c.id(kind))
		if err != nil {
			return err
		}
		return c.finish(ctx, run)
	}
}

// starts makes units that start a workflow and wait for nothing. Key, unless empty, is the fairness key of their tasks.
func (s *Session) starts(kind string, inflight int, p *program, key string) unit {
	callers := s.callers(inflight, p)
	return func(ctx context.Context, by turn) error {
		c := callers[by.caller]
		if key != "" {
			c.start.Priority = &commonpb.Priority{FairnessKey: key}
		}
		_, err := c.begin(ctx, c.id(kind))
		return err
	}
}

// target is the run that takes signals.
type target struct {
	sent atomic.Int64
	lock chan struct{} // held while the next run is started
	id   atomic.Pointer[string]
}

// signals makes units that send a signal to the run whose turn it is; the next run takes its place when it has had its share.
func (s *Session) signals(inflight int, perRun int64) unit {
	to := &target{lock: make(chan struct{}, 1)}
	callers := s.callers(inflight, open)
	return func(ctx context.Context, by turn) error {
		c := callers[by.caller]
		share := to.sent.Add(1) - 1
		if last := share%perRun == 0; last || to.id.Load() == nil {
			if err := c.next(ctx, to, last); err != nil {
				return err
			}
		}
		c.message.WorkflowExecution.WorkflowId, c.message.RequestId = *to.id.Load(), c.id("request")
		_, err := c.service().SignalWorkflowExecution(ctx, c.message)
		return err
	}
}

func (c *caller) next(ctx context.Context, to *target, replace bool) error {
	to.lock <- struct{}{}
	defer func() { <-to.lock }()
	if !replace && to.id.Load() != nil {
		return nil
	}
	run, err := c.begin(ctx, c.id("target"))
	if err != nil {
		return err
	}
	to.id.Store(&run.WorkflowId) // the old one stays open: signals that are on their way to it must not fail
	return nil
}

// updates makes units that send an update and wait for its outcome, each caller to a run of its own.
func (s *Session) updates(inflight int) unit {
	callers := s.callers(inflight, open)
	return func(ctx context.Context, by turn) error { return callers[by.caller].update(ctx) }
}

func (c *caller) update(ctx context.Context) (err error) {
	if c.updated == nil || c.updates == updatesPerRun {
		if c.updated, err = c.begin(ctx, c.id("updated")); err != nil {
			return err
		}
		c.updates = 0
	}
	c.updates++
	answer, err := c.service().UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: c.session.Namespace, WorkflowExecution: c.updated,
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		Request: &updatepb.Request{
			Meta: &updatepb.Meta{UpdateId: strconv.Itoa(c.updates), Identity: identity}, Input: &updatepb.Input{Name: "bench"},
		},
	})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if answer.GetOutcome().GetSuccess() == nil {
		return fmt.Errorf("update ended at stage %s with %s", answer.GetStage(), answer.GetOutcome())
	}
	return nil
}
