package crash

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// callTimeout bounds one attempt of a call; the server may be dead.
	callTimeout = 15 * time.Second
	// callInterval is the pause between two attempts.
	callInterval = 50 * time.Millisecond
)

// record is one workflow and what its client was told about it.
type record struct {
	shape shape
	id    string
	pace  time.Duration
	// callback is called when the last run has ended.
	callback *commonpb.Callback
	runID    string   // acknowledged start
	acked    []string // acknowledged signals or updates, in order
	result   []string
}

// live starts the workflow after delay, sends it its signals or updates, and waits for its result.
func (r *record) live(ctx context.Context, c client.Client, delay time.Duration) error {
	if err := wait(ctx, delay); err != nil {
		return err
	}
	if err := r.start(ctx, c); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for i := range steps {
		if !r.shape.signals && !r.shape.updates {
			break
		}
		send := r.signal
		if r.shape.updates {
			send = r.update
		}
		if err := send(ctx, c, key(r.id, i)); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		r.acked = append(r.acked, key(r.id, i))
		if err := wait(ctx, r.pace); err != nil {
			return err
		}
	}
	return r.await(ctx, c)
}

// start sends the same request, with the same request id, until it is acknowledged.
func (r *record) start(ctx context.Context, c client.Client) error {
	arguments := []any{input{ID: r.id, Pace: r.pace}}
	if r.shape.name == "rounds" {
		arguments = append(arguments, []string{})
	}
	request := &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: r.id, RequestId: uuid.NewString(),
		WorkflowType: &commonpb.WorkflowType{Name: functionName(r.shape.run)}, TaskQueue: &taskqueuepb.TaskQueue{Name: taskQueue},
		Input: payloads(arguments...), WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout),
		WorkflowIdReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		CompletionCallbacks:   []*commonpb.Callback{r.callback},
	}
	return acknowledged(ctx, func(ctx context.Context) error {
		answer, err := c.WorkflowService().StartWorkflowExecution(ctx, request)
		r.runID = answer.GetRunId()
		return err
	})
}

func (r *record) signal(ctx context.Context, c client.Client, said string) error {
	request := &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: r.id},
		SignalName: signalName, RequestId: uuid.NewString(), Input: payloads(said),
	}
	return acknowledged(ctx, func(ctx context.Context) error {
		_, err := c.WorkflowService().SignalWorkflowExecution(ctx, request)
		return err
	})
}

// update sends the update, with the same id, until its outcome is known.
func (r *record) update(ctx context.Context, c client.Client, said string) error {
	request := &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: r.id},
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		Request: &updatepb.Request{
			Meta: &updatepb.Meta{UpdateId: said}, Input: &updatepb.Input{Name: updateName, Args: payloads(said)},
		},
	}
	return acknowledged(ctx, func(ctx context.Context) error {
		answer, err := c.WorkflowService().UpdateWorkflowExecution(ctx, request)
		switch {
		case err != nil:
			return err
		case answer.Outcome == nil:
			return serviceerror.NewUnavailable("no outcome yet")
		case answer.Outcome.GetFailure() != nil:
			return fmt.Errorf("the update failed: %s", answer.Outcome.GetFailure().Message)
		}
		var got string
		if err := converter.GetDefaultDataConverter().FromPayloads(answer.Outcome.GetSuccess(), &got); err != nil {
			return err
		}
		if got != said {
			return fmt.Errorf("update %q answered %q", said, got)
		}
		return nil
	})
}

// await long-polls for the closing event, follows the chain of runs, and takes the result of the last.
func (r *record) await(ctx context.Context, c client.Client) error {
	for runID := r.runID; runID != ""; {
		request := &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: r.id, RunId: runID},
			WaitNewEvent: true, HistoryEventFilterType: enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
		}
		var answer *workflowservice.GetWorkflowExecutionHistoryResponse
		err := acknowledged(ctx, func(ctx context.Context) (err error) {
			answer, err = c.WorkflowService().GetWorkflowExecutionHistory(ctx, request)
			return err
		})
		if err != nil {
			return fmt.Errorf("await: %w", err)
		}
		if len(answer.History.GetEvents()) == 0 {
			continue // the long poll ended before the run did
		}
		last := answer.History.Events[len(answer.History.Events)-1]
		if next := last.GetWorkflowExecutionContinuedAsNewEventAttributes(); next != nil {
			runID = next.NewExecutionRunId
			continue
		}
		completed := last.GetWorkflowExecutionCompletedEventAttributes()
		if completed == nil {
			return fmt.Errorf("ended with %s", last)
		}
		return converter.GetDefaultDataConverter().FromPayloads(completed.Result, &r.result)
	}
	return fmt.Errorf("no run to wait for")
}

// acknowledged repeats a call until the server answers it. A dead or overtaken server says nothing about the outcome.
func acknowledged(ctx context.Context, call func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(attempt)
		cancel()
		switch serviceerror.ToStatus(err).Code() {
		case codes.OK:
			return nil
		case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.ResourceExhausted:
		default:
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w, last answer: %w", ctx.Err(), err)
		}
		if err := wait(ctx, callInterval); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func payloads(values ...any) *commonpb.Payloads {
	encoded, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	if err != nil {
		panic(err) // plain values of this package
	}
	return encoded
}
