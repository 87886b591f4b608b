package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/metrics"
)

// trial is a server whose limits are tried, in virtual time, and its client.
type trial struct {
	workflowservice.WorkflowServiceClient
	t        *testing.T
	services *services
	metrics  *metrics.Registry
	log      *logged
	ending   []func() // called before the server stops
}

func (s *trial) connect() {
	s.WorkflowServiceClient = workflowservice.NewWorkflowServiceClient(s.services.frontend.LocalConn())
}

func (s *trial) stop() {
	for _, end := range s.ending {
		end()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(s.t, s.services.answerPolls(ctx))
	require.NoError(s.t, s.services.stop(ctx))
}

// said is what a caller hears: ok, or the words of the error.
func said(err error) string {
	if err == nil {
		return "ok"
	}
	st, ok := status.FromError(err)
	if !ok {
		st = serviceerror.ToStatus(err)
	}
	return st.Code().String() + ": " + st.Message()
}

// came is what a caller hears, and what history tells of a run w that was
// stopped or held up by it.
func (s *trial) came(err error) string {
	s.t.Helper()
	words := []string{said(err)}
	for _, e := range s.history("w") {
		switch a := e.Attributes.(type) {
		case *historypb.HistoryEvent_WorkflowTaskFailedEventAttributes:
			words = append(words, fmt.Sprintf("%s(%s)", e.EventType, a.WorkflowTaskFailedEventAttributes.Cause))
		case *historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes:
			words = append(words, fmt.Sprintf("%s(%s)", e.EventType, a.WorkflowTaskTimedOutEventAttributes.TimeoutType))
		case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
			words = append(words, fmt.Sprintf("%s(%s)", e.EventType, a.ActivityTaskFailedEventAttributes.Failure.Message))
		case *historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes:
			words = append(words, fmt.Sprintf("%s(%s)", e.EventType, a.WorkflowExecutionTerminatedEventAttributes.Reason))
		}
	}
	return strings.Join(words, "; ")
}

func queueNamed(name string) *taskqueuepb.TaskQueue { return &taskqueuepb.TaskQueue{Name: name} }

func runOf(id string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: id}
}

// payload has so many bytes as a message of payloads.
func payload(n int64) *commonpb.Payloads {
	return sized(n, func(data []byte) *commonpb.Payloads {
		return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: data}}}
	})
}

func startOf(id string) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: "W"}, TaskQueue: queueNamed("q"),
	}
}

// start starts a run on the queue q; change alters the request.
func (s *trial) start(id string, change ...func(*workflowservice.StartWorkflowExecutionRequest)) error {
	req := startOf(id)
	for _, c := range change {
		c(req)
	}
	_, err := s.StartWorkflowExecution(s.t.Context(), req)
	return err
}

// begin starts a run that must start, and takes its first task.
func (s *trial) begin(change ...func(*workflowservice.StartWorkflowExecutionRequest)) *task {
	require.NoError(s.t, s.start("w", change...))
	return s.take()
}

// task is a workflow task that a worker has.
type task struct {
	*workflowservice.PollWorkflowTaskQueueResponse
	s *trial
}

// take takes the next workflow task of the queue q, which must be there.
func (s *trial) take() *task {
	s.t.Helper()
	t := s.poll(queueNamed("q"))
	require.NotNil(s.t, t, "no task is offered")
	return t
}

// poll is the next task of a queue; nil when none comes in a second.
func (s *trial) poll(queue *taskqueuepb.TaskQueue) *task {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	r, err := s.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: queue, Identity: "worker"})
	require.NoError(s.t, err)
	if len(r.TaskToken) == 0 {
		return nil
	}
	return &task{r, s}
}

func (t *task) complete(commands ...*commandpb.Command) error {
	return t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{Commands: commands})
}

func (t *task) respond(req *workflowservice.RespondWorkflowTaskCompletedRequest) error {
	req.Namespace, req.TaskToken, req.Identity = "default", t.TaskToken, "worker"
	_, err := t.s.RespondWorkflowTaskCompleted(t.s.t.Context(), req)
	return err
}

func (t *task) fail() {
	_, err := t.s.RespondWorkflowTaskFailed(t.s.t.Context(), &workflowservice.RespondWorkflowTaskFailedRequest{
		Namespace: "default", TaskToken: t.TaskToken, Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
	})
	require.NoError(t.s.t, err)
}

// signal sends a signal with an input of so many bytes; 0 for none.
func (s *trial) signal(id string, bytes int64) error {
	req := &workflowservice.SignalWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: runOf(id), SignalName: "s"}
	if bytes > 0 {
		req.Input = payload(bytes)
	}
	_, err := s.SignalWorkflowExecution(s.t.Context(), req)
	return err
}

func (s *trial) describe(id string) *workflowservice.DescribeWorkflowExecutionResponse {
	s.t.Helper()
	r, err := s.DescribeWorkflowExecution(s.t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: runOf(id)})
	require.NoError(s.t, err)
	return r
}

func (s *trial) history(id string) []*historypb.HistoryEvent {
	s.t.Helper()
	var events []*historypb.HistoryEvent
	for token := []byte(nil); ; {
		r, err := s.GetWorkflowExecutionHistory(s.t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: "default", Execution: runOf(id), NextPageToken: token,
		})
		require.NoError(s.t, err)
		events = append(events, r.History.Events...)
		if token = r.NextPageToken; len(token) == 0 {
			return events
		}
	}
}

func command(kind enumspb.CommandType, attributes any) *commandpb.Command {
	c := &commandpb.Command{CommandType: kind}
	switch a := attributes.(type) {
	case *commandpb.ScheduleActivityTaskCommandAttributes:
		c.Attributes = &commandpb.Command_ScheduleActivityTaskCommandAttributes{ScheduleActivityTaskCommandAttributes: a}
	case *commandpb.StartTimerCommandAttributes:
		c.Attributes = &commandpb.Command_StartTimerCommandAttributes{StartTimerCommandAttributes: a}
	case *commandpb.RecordMarkerCommandAttributes:
		c.Attributes = &commandpb.Command_RecordMarkerCommandAttributes{RecordMarkerCommandAttributes: a}
	case *commandpb.StartChildWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{StartChildWorkflowExecutionCommandAttributes: a}
	case *commandpb.SignalExternalWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_SignalExternalWorkflowExecutionCommandAttributes{SignalExternalWorkflowExecutionCommandAttributes: a}
	case *commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_RequestCancelExternalWorkflowExecutionCommandAttributes{RequestCancelExternalWorkflowExecutionCommandAttributes: a}
	case *commandpb.ModifyWorkflowPropertiesCommandAttributes:
		c.Attributes = &commandpb.Command_ModifyWorkflowPropertiesCommandAttributes{ModifyWorkflowPropertiesCommandAttributes: a}
	case *commandpb.UpsertWorkflowSearchAttributesCommandAttributes:
		c.Attributes = &commandpb.Command_UpsertWorkflowSearchAttributesCommandAttributes{UpsertWorkflowSearchAttributesCommandAttributes: a}
	case *commandpb.ContinueAsNewWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{ContinueAsNewWorkflowExecutionCommandAttributes: a}
	case *commandpb.CompleteWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{CompleteWorkflowExecutionCommandAttributes: a}
	case *commandpb.FailWorkflowExecutionCommandAttributes:
		c.Attributes = &commandpb.Command_FailWorkflowExecutionCommandAttributes{FailWorkflowExecutionCommandAttributes: a}
	case *commandpb.ProtocolMessageCommandAttributes:
		c.Attributes = &commandpb.Command_ProtocolMessageCommandAttributes{ProtocolMessageCommandAttributes: a}
	default:
		panic(fmt.Sprintf("no command has %T", attributes))
	}
	return c
}

func activityNamed(id string, change ...func(*commandpb.ScheduleActivityTaskCommandAttributes)) *commandpb.Command {
	a := &commandpb.ScheduleActivityTaskCommandAttributes{
		ActivityId: id, ActivityType: &commonpb.ActivityType{Name: "A"}, TaskQueue: queueNamed("a"), StartToCloseTimeout: durationpb.New(time.Hour),
	}
	for _, c := range change {
		c(a)
	}
	return command(enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, a)
}

func timerNamed(id string) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{TimerId: id, StartToFireTimeout: durationpb.New(time.Hour)})
}

// markerOf has details of so many bytes, name and message.
func markerOf(bytes int64) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_RECORD_MARKER, &commandpb.RecordMarkerCommandAttributes{
		MarkerName: "m", Details: map[string]*commonpb.Payloads{"d": payload(bytes - 1)},
	})
}

func childNamed(id string, change ...func(*commandpb.StartChildWorkflowExecutionCommandAttributes)) *commandpb.Command {
	a := &commandpb.StartChildWorkflowExecutionCommandAttributes{WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: "C"}, TaskQueue: queueNamed("c")}
	for _, c := range change {
		c(a)
	}
	return command(enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, a)
}

// activity starts the activity a in a new run w and takes its task.
func (s *trial) activity() *workflowservice.PollActivityTaskQueueResponse {
	s.t.Helper()
	require.NoError(s.t, s.begin().complete(activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) {
		a.RetryPolicy = &commonpb.RetryPolicy{InitialInterval: durationpb.New(time.Hour)}
	})))
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	r, err := s.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("a"), Identity: "worker"})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, r.TaskToken)
	return r
}

func (s *trial) heartbeat(token []byte, details *commonpb.Payloads) error {
	_, err := s.RecordActivityTaskHeartbeat(s.t.Context(), &workflowservice.RecordActivityTaskHeartbeatRequest{Namespace: "default", TaskToken: token, Details: details})
	return err
}

func (s *trial) update(id string, args *commonpb.Payloads) error { return s.send(updateOf(id, args)) }

// send sends an update without waiting for more than a second.
func (s *trial) send(request *updatepb.Request) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: runOf("w"), Request: request,
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED},
	})
	var late *serviceerror.DeadlineExceeded
	if errors.As(serviceerror.FromStatus(status.Convert(err)), &late) {
		return nil // it was taken and waits for a worker
	}
	return err
}

func updateOf(id string, args *commonpb.Payloads) *updatepb.Request {
	return &updatepb.Request{Meta: &updatepb.Meta{UpdateId: id}, Input: &updatepb.Input{Name: "u", Args: args}}
}

// after runs a call aside, and tells whether it has come back after a time.
func (s *trial) after(d time.Duration, call func(ctx context.Context)) (back bool) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(ctx)
	}()
	time.Sleep(d)
	synctest.Wait()
	select {
	case <-done:
		back = true
	default:
	}
	cancel()
	<-done
	return back
}

// failureOf has so many bytes.
func failureOf(n int64) *failurepb.Failure {
	return sized(n, func(data []byte) *failurepb.Failure {
		return &failurepb.Failure{
			Message:     strings.Repeat("m", len(data)),
			FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{}},
		}
	})
}

// sized makes a message of exactly n bytes, whose only varying part is data.
func sized[M proto.Message](n int64, with func(data []byte) M) M {
	for size := n; size >= 0; size-- {
		if m := with(make([]byte, size)); int64(proto.Size(m)) == n {
			return m
		}
	}
	panic(fmt.Sprintf("no message of the kind has %d bytes", n))
}

// text has so many bytes.
func text(n int64) string { return strings.Repeat("x", int(n)) }

// deadline2s is the time of a call that waits; the server takes about a second of it for the answer.
func deadline2s(s *trial) (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.t.Context(), 2*time.Second)
}
