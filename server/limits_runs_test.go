package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/store"
)

// tooLong is what ends a run that has grown too large.
func tooLong(what string) string {
	return fmt.Sprintf("InvalidArgument: Workflow %[1]s exceeds limit.; WorkflowExecutionTerminated(Workflow %[1]s exceeds limit.)", what)
}

// historyLimits: how large a run may grow.
var historyLimits = []limitCase{
	{
		row: "transaction_bytes_max", of: "signal", limit: 1000,
		past: "InvalidArgument: transaction size of 1001 bytes exceeds limit of 1000 bytes",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			before := s.historyBytes()
			require.NoError(s.t, s.signal("w", 500))
			overhead := s.historyBytes() - before - 500
			return s.came(s.signal("w", n-overhead))
		},
	},
	{
		row: "transaction_bytes_max", of: "start", limit: 1000,
		past: "InvalidArgument: transaction size of 1001 bytes exceeds limit of 1000 bytes",
		try: func(s *trial, n int64) string {
			input := func(bytes int64) func(r *workflowservice.StartWorkflowExecutionRequest) {
				return func(r *workflowservice.StartWorkflowExecutionRequest) { r.Input = payload(bytes) }
			}
			require.NoError(s.t, s.start("w", input(500)))
			overhead := s.historyBytes() - 500
			return said(s.start("v", input(n-overhead)))
		},
	},
	{
		row: "transaction_bytes_max", of: "workflow task", limit: 1000, counted: true,
		past: "InvalidArgument: transaction size of 1001 bytes exceeds limit of 1000 bytes; " +
			"WorkflowTaskFailed(ForceCloseCommand); WorkflowExecutionTerminated(Transaction size exceeds limit.)",
		try: func(s *trial, n int64) string {
			task := s.begin()
			before := s.historyBytes()
			require.NoError(s.t, task.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{
				Commands: []*commandpb.Command{markerOf(500)}, ForceCreateNewWorkflowTask: true,
			}))
			scheduled := int64(proto.Size(s.history("w")[5]))
			overhead := s.historyBytes() - before - 500 - scheduled
			return s.came(s.take().complete(markerOf(n - overhead)))
		},
	},
	{
		row: "state_bytes_warn", limit: 3000, past: "ok", counted: true,
		try: func(s *trial, n int64) string { return s.stateOf(n) },
	},
	{
		row: "state_bytes_max", of: "heartbeat", limit: 3000, past: tooLong("mutable state size"), counted: true,
		try: func(s *trial, n int64) string { return s.stateOf(n) },
	},
	{
		row: "history_bytes_suggest", limit: 3000, past: "suggested: [HistorySizeTooLarge]", reached: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return s.growTo(n) + s.suggested()
		},
	},
	{
		row: "history_bytes_warn", limit: 3000, past: "ok", counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return "ok" + s.growTo(n)
		},
	},
	{
		row: "history_bytes_max", of: "signal", limit: 3000, past: tooLong("history size"), counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			require.NoError(s.t, s.signal("w", 500))
			return s.came(s.signal("w", s.missing(n)))
		},
	},
	{
		row: "history_events_suggest", limit: 10, past: "suggested: [TooManyHistoryEvents]", reached: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			for range n - 3 { // the next event is the nth
				require.NoError(s.t, s.signal("w", 0))
			}
			return s.suggested()
		},
	},
	{
		row: "history_events_warn", limit: 10, past: "ok", counted: true,
		try: func(s *trial, n int64) string { return s.eventsOf(n) },
	},
	{
		row: "history_events_max", of: "signal", limit: 10, past: tooLong("history count"), counted: true,
		try: func(s *trial, n int64) string { return s.eventsOf(n) },
	},
	{
		row: "history_events_max", of: "workflow task", limit: 10, counted: true,
		past: strings.Replace(tooLong("history count"), "; ", "; WorkflowTaskFailed(ForceCloseCommand); ", 1),
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(named(n-4, timerNamed)...))
		},
	},
	{
		row: "history_events_max", of: "timer", limit: 10, counted: true,
		past: "ok; WorkflowExecutionTerminated(Workflow history count exceeds limit.)",
		try: func(s *trial, n int64) string {
			timers := named(n-6, timerNamed) // after n-2 events one fires, and a task follows
			for _, later := range timers[1:] {
				later.GetStartTimerCommandAttributes().StartToFireTimeout = durationpb.New(100 * time.Hour)
			}
			require.NoError(s.t, s.begin().complete(timers...))
			rest(seconds(7200))
			return s.came(nil)
		},
	},
	{
		row: "signals_max", of: "signal", limit: 3, past: "InvalidArgument: exceeded workflow execution limit for signal events",
		try: func(s *trial, n int64) (came string) {
			require.NoError(s.t, s.start("w"))
			for range n {
				came = s.came(s.signal("w", 0))
			}
			return came
		},
	},
	{
		row: "signals_max", of: "from another run", limit: 3, past: "SignalCountLimitExceeded",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("x", func(r *workflowservice.StartWorkflowExecutionRequest) { r.TaskQueue.Name = "x" }))
			require.NoError(s.t, s.begin().complete(named(n, func(string) *commandpb.Command { return signalTo("x") })...))
			rest(seconds(1))
			for _, e := range s.history("w") {
				if failed := e.GetSignalExternalWorkflowExecutionFailedEventAttributes(); failed != nil {
					return failed.Cause.String()
				}
			}
			return "ok"
		},
	},
	{
		row: "reset_points_max", limit: 3, past: "the oldest is build 2",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			for build := range n {
				require.NoError(s.t, s.take().respond(&workflowservice.RespondWorkflowTaskCompletedRequest{
					BinaryChecksum: fmt.Sprint("build ", build+1), ForceCreateNewWorkflowTask: true,
				}))
			}
			points := s.describe("w").WorkflowExecutionInfo.AutoResetPoints.Points
			if oldest := points[0].BinaryChecksum; oldest != "build 1" {
				return "the oldest is " + oldest
			}
			return "ok"
		},
	},
}

// historyBytes is the size of the history of w as the server counts it.
func (s *trial) historyBytes() int64 { return s.describe("w").WorkflowExecutionInfo.HistorySizeBytes }

// missing is the input of a signal that makes the history n bytes long, after a signal of about the size.
func (s *trial) missing(n int64) int64 {
	events := s.history("w")
	last := events[len(events)-1]
	overhead := int64(proto.Size(last) - proto.Size(last.GetWorkflowExecutionSignaledEventAttributes().Input))
	return n - s.historyBytes() - overhead
}

// growTo makes the history of w n bytes long by signals.
func (s *trial) growTo(n int64) string {
	require.NoError(s.t, s.signal("w", 500))
	require.NoError(s.t, s.signal("w", s.missing(n)))
	require.Equal(s.t, n, s.historyBytes())
	return ""
}

// eventsOf makes the history of w n events long by signals.
func (s *trial) eventsOf(n int64) string {
	require.NoError(s.t, s.start("w"))
	for range n - 3 {
		require.NoError(s.t, s.signal("w", 0))
	}
	return s.came(s.signal("w", 0))
}

// suggested is what the next task of w tells of continuing as new.
func (s *trial) suggested() string {
	events := s.take().History.Events
	started := events[len(events)-1].GetWorkflowTaskStartedEventAttributes()
	if !started.SuggestContinueAsNew {
		return "ok"
	}
	return fmt.Sprint("suggested: ", started.SuggestContinueAsNewReasons)
}

// stateOf makes the stored state of w n bytes long by the heartbeat of an activity.
func (s *trial) stateOf(n int64) string {
	token := s.activity().TaskToken
	require.NoError(s.t, s.heartbeat(token, payload(1000)))
	rows, err := s.services.store.Executions(s.t.Context(), store.ExecutionKey{}, 10)
	require.NoError(s.t, err)
	require.Len(s.t, rows, 1)
	overhead := int64(len(rows[0].State)) - 1000
	return s.came(s.heartbeat(token, payload(n-overhead)))
}

// named makes n commands with names of their own.
func named(n int64, one func(name string) *commandpb.Command) []*commandpb.Command {
	commands := make([]*commandpb.Command, n)
	for i := range commands {
		commands[i] = one(fmt.Sprint("c", i))
	}
	return commands
}

func signalTo(id string) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
		Execution: runOf(id), SignalName: "s",
	})
}

func cancelOf(id string) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{WorkflowId: id})
}

// failsTask is what comes of a command too many: the task fails and the run goes on.
func failsTask(cause, what string) string {
	return fmt.Sprintf("InvalidArgument: %[1]s: the number of pending %[2]s, 2, has reached the per-workflow limit of 2; WorkflowTaskFailed(%[1]s)", cause, what)
}

// pendingLimits: what a run may have under way.
var pendingLimits = []limitCase{
	{
		row: "pending_activities_max", limit: 2, past: failsTask("PendingActivitiesLimitExceeded", "activities"), counted: true,
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(named(n, func(name string) *commandpb.Command { return activityNamed(name) })...))
		},
	},
	{
		row: "pending_children_max", limit: 2, past: failsTask("PendingChildWorkflowsLimitExceeded", "child workflow executions"), counted: true,
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(named(n, func(name string) *commandpb.Command { return childNamed(name) })...))
		},
	},
	{
		row: "pending_signals_max", limit: 2, past: failsTask("PendingSignalsLimitExceeded", "signals to external workflows"), counted: true,
		try: func(s *trial, n int64) string { return s.came(s.begin().complete(named(n, signalTo)...)) },
	},
	{
		row: "pending_cancels_max", limit: 2, past: failsTask("PendingRequestCancelLimitExceeded", "requests to cancel external workflows"), counted: true,
		try: func(s *trial, n int64) string { return s.came(s.begin().complete(named(n, cancelOf)...)) },
	},
	{
		row: "buffered_events_max", limit: 3, past: "ok; WorkflowTaskFailed(ForceCloseCommand)", counted: true,
		try: func(s *trial, n int64) (came string) {
			s.begin()
			for range n {
				came = s.came(s.signal("w", 0))
			}
			return came
		},
	},
	{
		row: "buffered_bytes_max", limit: 1000, past: "ok; WorkflowTaskFailed(ForceCloseCommand)", counted: true,
		try: func(s *trial, n int64) string {
			s.begin()
			signal := sized(n, func(data []byte) *historypb.HistoryEvent { // as it is buffered: without an id
				return &historypb.HistoryEvent{
					EventTime: timestamppb.Now(), EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
					Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
						WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
							SignalName: "s", Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: data}}},
						},
					},
				}
			})
			input := signal.GetWorkflowExecutionSignaledEventAttributes().Input
			return s.came(s.signal("w", int64(proto.Size(input))))
		},
	},
	{
		row: "queries_buffered_max", limit: 2,
		past: "ResourceExhausted: consistent query buffer is full, this may be caused by too many queries and workflow not able to process query fast enough",
		try: func(s *trial, n int64) (came string) {
			require.NoError(s.t, s.start("w"))
			for range n - 1 {
				go s.query(nil, nil)
			}
			rest(instant)
			return strings.Replace(s.query(nil, nil), queryTimedOut, "ok", 1)
		},
	},
}

// updateLimits: updates of one run.
var updateLimits = []limitCase{
	{
		row: "updates_in_flight_max", limit: 2, past: "ResourceExhausted: limit on number of concurrent in-flight updates has been reached (2)",
		try: func(s *trial, n int64) (came string) {
			require.NoError(s.t, s.start("w"))
			for i := range n {
				came = s.came(s.update(fmt.Sprint("u", i), nil))
			}
			return came
		},
	},
	{
		row: "update_bytes_in_flight_max", limit: 1000, past: "ResourceExhausted: limit on total payload size of in-flight updates has been reached (1000 bytes)",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			require.NoError(s.t, s.update("u1", payload(400)))
			rest := n - int64(proto.Size(updateOf("u1", payload(400))))
			request := sized(rest, func(data []byte) *updatepb.Request {
				return updateOf("u2", &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: data}}})
			})
			return s.came(s.update("u2", request.Input.Args))
		},
	},
	{
		row: "callbacks_per_update_max", limit: 2, past: "FailedPrecondition: cannot attach more than 2 callbacks to an update (0 callbacks already attached)",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			request := updateOf("u", nil)
			request.RequestId = "r"
			for range n {
				request.CompletionCallbacks = append(request.CompletionCallbacks, callbackTo(receiver, nil))
			}
			return s.came(s.send(request))
		},
	},
	{
		row: "updates_max", limit: 3, past: "FailedPrecondition: The limit on the total number of distinct updates in this workflow has been reached (3).",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			for i := range n - 1 {
				s.updateDone(fmt.Sprint("u", i))
			}
			return s.came(s.update("last", nil))
		},
	},
	{
		row: "updates_suggest_ratio", limit: 5, past: "suggested: [TooManyUpdates]", reached: true,
		with: map[string]string{"updates_max": "10"},
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			for i := range n {
				s.updateDone(fmt.Sprint("u", i))
			}
			require.NoError(s.t, s.signal("w", 0))
			return s.suggested()
		},
	},
}

// updateDone sends an update and completes it as a worker.
func (s *trial) updateDone(id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: runOf("w"), Request: updateOf(id, nil),
			WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		})
		done <- err
	}()
	rest(instant)
	t := s.take()
	var answers []*protocolpb.Message
	var commands []*commandpb.Command
	answer := func(kind string, body proto.Message) {
		packed, err := anypb.New(body)
		require.NoError(s.t, err)
		answers = append(answers, &protocolpb.Message{Id: id + kind, ProtocolInstanceId: id, Body: packed})
		commands = append(commands, command(enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, &commandpb.ProtocolMessageCommandAttributes{MessageId: id + kind}))
	}
	answer("/accept", &updatepb.Acceptance{AcceptedRequestMessageId: id + "/request", AcceptedRequestSequencingEventId: t.StartedEventId - 1})
	answer("/complete", &updatepb.Response{Meta: &updatepb.Meta{UpdateId: id}, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: payload(10)}}})
	require.NoError(s.t, t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{Messages: answers, Commands: commands}))
	require.NoError(s.t, <-done)
}
