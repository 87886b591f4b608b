package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// idMax is the limit of names in the trials: longer than the names that all of them use.
const idMax = 40

// nameLimits: ids, names and types.
var nameLimits = append([]limitCase{
	{
		row: "id_bytes_max", of: "workflow id", limit: idMax, past: "InvalidArgument: WorkflowId exceeds maximum allowed length (41/40)",
		try: func(s *trial, n int64) string { return said(s.start(text(n))) },
	},
	{
		row: "id_bytes_max", of: "workflow type", limit: idMax, past: "InvalidArgument: WorkflowType length exceeds limit.",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowType.Name = text(n) }))
		},
	},
	{
		row: "id_bytes_max", of: "task queue", limit: idMax, past: "InvalidArgument: taskQueue length exceeds limit",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.TaskQueue.Name = text(n) }))
		},
	},
	{
		row: "id_bytes_max", of: "request id", limit: idMax, past: "InvalidArgument: RequestId length exceeds limit.",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.RequestId = text(n) }))
		},
	},
	{
		row: "id_bytes_max", of: "signal", limit: idMax, past: "InvalidArgument: SignalName length exceeds limit.",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			_, err := s.SignalWorkflowExecution(s.t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
				Namespace: "default", WorkflowExecution: runOf("w"), SignalName: text(n),
			})
			return said(err)
		},
	},
	{
		row: "id_bytes_max", of: "update", limit: idMax, past: "InvalidArgument: UpdateId length exceeds limit.",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return said(s.update(text(n), nil))
		},
	},
	{
		row: "id_bytes_max", of: "identity of a worker", limit: idMax, past: "InvalidArgument: Identity length exceeds limit.",
		try: func(s *trial, n int64) string {
			return s.pollAs(&workflowservice.PollWorkflowTaskQueueRequest{Identity: text(n)})
		},
	},
	{
		row: "id_bytes_max", of: "namespace", limit: idMax, past: "InvalidArgument: Namespace length exceeds limit.",
		try: func(s *trial, n int64) string { return s.register(text(n), 24*time.Hour) },
	},
	{
		row: "build_id_bytes_max", limit: 20, past: "InvalidArgument: Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.",
		try: func(s *trial, n int64) string {
			return s.pollAs(&workflowservice.PollWorkflowTaskQueueRequest{WorkerVersionCapabilities: &commonpb.WorkerVersionCapabilities{BuildId: text(n)}})
		},
	},
}, namesInCommands()...)

// namesInCommands: one that is too long fails the task, and the run goes on.
func namesInCommands() []limitCase {
	var cases []limitCase
	for _, c := range []struct {
		of, words string
		command   func(name string) *commandpb.Command
	}{
		{"timer", "BadStartTimerAttributes: TimerId on StartTimerCommand exceeds length limit. TimerId=%[1]s Length=41 Limit=40", timerNamed},
		{"activity", "BadScheduleActivityAttributes: activityId exceeds length limit. Length=41 Limit=40", func(name string) *commandpb.Command { return activityNamed(name) }},
		{"activity type", "BadScheduleActivityAttributes: activityType exceeds length limit. Length=41 Limit=40", func(name string) *commandpb.Command {
			return activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.ActivityType.Name = name })
		}},
		{"marker", "BadRecordMarkerAttributes: MarkerName on RecordMarkerCommand exceeds length limit. MarkerName=%[1]s Length=41 Limit=40", func(name string) *commandpb.Command {
			return command(enumspb.COMMAND_TYPE_RECORD_MARKER, &commandpb.RecordMarkerCommandAttributes{MarkerName: name})
		}},
		{"child", "BadStartChildExecutionAttributes: WorkflowId on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId=%[1]s Length=41 Limit=40 WorkflowType=C Namespace=default",
			func(name string) *commandpb.Command { return childNamed(name) }},
	} {
		failed := "; WorkflowTaskFailed(" + c.words[:strings.Index(c.words, ":")] + ")"
		cases = append(cases, limitCase{
			row: "id_bytes_max", of: c.of, limit: idMax, past: "InvalidArgument: " + sprintf(c.words, text(idMax+1)) + failed,
			try: func(s *trial, n int64) string { return s.came(s.begin().complete(c.command(text(n)))) },
		})
	}
	return cases
}

// sprintf is fmt.Sprintf for formats that may have no verb.
func sprintf(format string, args ...any) string {
	if !strings.Contains(format, "%") {
		return format
	}
	return fmt.Sprintf(format, args...)
}

func (s *trial) pollAs(req *workflowservice.PollWorkflowTaskQueueRequest) string {
	ctx, cancel := deadline2s(s)
	defer cancel()
	req.Namespace, req.TaskQueue = "default", queueNamed("q")
	_, err := s.PollWorkflowTaskQueue(ctx, req)
	return said(err)
}

func (s *trial) register(name string, retention time.Duration) string {
	_, err := s.RegisterNamespace(s.t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	return said(err)
}

const blobWords = "InvalidArgument: Blob data size exceeds limit."

// sizeLimits: payloads, memos, failures.
var sizeLimits = append([]limitCase{
	{
		row: "blob_bytes_warn", of: "signal", limit: 300, past: "ok", counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return s.came(s.signal("w", n))
		},
	},
	{
		row: "blob_bytes_warn", of: "activity input", limit: 300, past: "ok", counted: true,
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.Input = payload(n) })))
		},
	},
	{
		row: "blob_bytes_max", of: "start", limit: 300, past: blobWords, counted: true,
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Input = payload(n) }))
		},
	},
	{
		row: "blob_bytes_max", of: "signal", limit: 300, past: blobWords, counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return s.came(s.signal("w", n))
		},
	},
	{
		row: "blob_bytes_max", of: "query", limit: 300, past: blobWords, counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return strings.Replace(s.query(payload(n), nil), queryTimedOut, "ok", 1)
		},
	},
	{
		row: "blob_bytes_max", of: "answer to a query", limit: 300, past: blobWords, counted: true,
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return s.query(nil, func(t *task) error {
				results := map[string]*querypb.WorkflowQueryResult{}
				for id := range t.Queries {
					results[id] = &querypb.WorkflowQueryResult{ResultType: enumspb.QUERY_RESULT_TYPE_ANSWERED, Answer: payload(n)}
				}
				return t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{QueryResults: results})
			})
		},
	},
	{
		row: "blob_bytes_max", of: "activity result", limit: 300, past: "ok; ActivityTaskFailed(Complete result exceeds size limit.)", counted: true,
		try: func(s *trial, n int64) string {
			_, err := s.RespondActivityTaskCompleted(s.t.Context(), &workflowservice.RespondActivityTaskCompletedRequest{
				Namespace: "default", TaskToken: s.activity().TaskToken, Result: payload(n),
			})
			return s.came(err)
		},
	},
	{
		row: "blob_bytes_max", of: "heartbeat", limit: 300, past: "ok; ActivityTaskFailed(Heartbeat details exceed size limit.)", counted: true,
		try: func(s *trial, n int64) string { return s.came(s.heartbeat(s.activity().TaskToken, payload(n))) },
	},
	{
		row: "blob_bytes_max", of: "activity failure", limit: 300, past: "ok; ActivityTaskFailed(Failure exceeds size limit.)", counted: true,
		with: map[string]string{"blob_bytes_warn": "300"},
		try: func(s *trial, n int64) string {
			return s.came(s.failActivity(s.activity().TaskToken, n))
		},
	},
	{
		row: "memo_bytes_warn", of: "start", limit: 300, past: "ok", counted: true,
		try: func(s *trial, n int64) string { return said(s.start("w", withMemo(n))) },
	},
	{
		row: "memo_bytes_warn", of: "command", limit: 300, past: "ok", counted: true,
		try: func(s *trial, n int64) string { return s.came(s.begin().complete(memoCommand(memoOf(n)))) },
	},
	{
		row: "memo_bytes_max", of: "start", limit: 300, past: "InvalidArgument: Memo size exceeds limit.", counted: true,
		try: func(s *trial, n int64) string { return said(s.start("w", withMemo(n))) },
	},
	{
		row: "memo_bytes_max", of: "command and what was there before", limit: 300, counted: true,
		past: terminatedBy("BadModifyWorkflowPropertiesAttributes", "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit."),
		try: func(s *trial, n int64) string {
			before := &commonpb.Memo{Fields: map[string]*commonpb.Payload{"before": {Data: make([]byte, 20)}}}
			task := s.begin(func(r *workflowservice.StartWorkflowExecutionRequest) { r.Memo = before })
			return s.came(task.complete(memoCommand(memoOf(n - int64(proto.Size(before))))))
		},
	},
	{
		row: "activity_failure_bytes_warn", limit: 300, past: "ok", counted: true,
		try: func(s *trial, n int64) string { return s.keptFailure(n) },
	},
	{
		row: "activity_failure_bytes_max", limit: 300, counted: true,
		past: `Failure exceeds size limit., caused by 297 bytes`,
		try:  func(s *trial, n int64) string { return s.keptFailure(n) },
	},
}, blobsInCommands()...)

// terminatedBy is what comes of a command that is too large: the task fails and the run ends.
func terminatedBy(cause, words string) string {
	return fmt.Sprintf("InvalidArgument: %[1]s: %[2]s; WorkflowTaskFailed(%[1]s); WorkflowExecutionTerminated(%[1]s: %[2]s)", cause, words)
}

func blobsInCommands() []limitCase {
	var cases []limitCase
	for _, c := range []struct {
		of, cause, words string
		command          func(n int64) *commandpb.Command
	}{
		{"marker", "BadRecordMarkerAttributes", "RecordMarkerCommandAttributes.Details exceeds size limit.", markerOf},
		{"activity input", "BadScheduleActivityAttributes", "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.", func(n int64) *commandpb.Command {
			return activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.Input = payload(n) })
		}},
		{"result", "BadScheduleActivityAttributes", "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.", func(n int64) *commandpb.Command {
			return command(enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: payload(n)})
		}},
		{"failure", "BadFailWorkflowExecutionAttributes", "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.", func(n int64) *commandpb.Command {
			return command(enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, &commandpb.FailWorkflowExecutionCommandAttributes{Failure: failureOf(n)})
		}},
		{"child input", "BadStartChildExecutionAttributes", "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.", func(n int64) *commandpb.Command {
			return childNamed("c", func(a *commandpb.StartChildWorkflowExecutionCommandAttributes) { a.Input = payload(n) })
		}},
		{"signal to another run", "BadSignalWorkflowExecutionAttributes", "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.", func(n int64) *commandpb.Command {
			return command(enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
				Execution: runOf("x"), SignalName: "s", Input: payload(n),
			})
		}},
		{"input of the next run", "BadContinueAsNewAttributes", "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.", func(n int64) *commandpb.Command {
			return command(enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{Input: payload(n)})
		}},
		{"upserted memo", "BadModifyWorkflowPropertiesAttributes", "ModifyWorkflowPropertiesCommandAttributes exceeds size limit.", func(n int64) *commandpb.Command {
			return memoCommand(&commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": {Data: make([]byte, n-1)}}}) // its keys and data count
		}},
	} {
		cases = append(cases, limitCase{
			row: "blob_bytes_max", of: c.of, limit: 300, past: terminatedBy(c.cause, c.words), counted: true,
			try: func(s *trial, n int64) string { return s.came(s.begin().complete(c.command(n))) },
		})
	}
	return cases
}

// memoOf has so many bytes.
func memoOf(n int64) *commonpb.Memo {
	return sized(n, func(data []byte) *commonpb.Memo {
		return &commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": {Data: data}}}
	})
}

func withMemo(n int64) func(*workflowservice.StartWorkflowExecutionRequest) {
	return func(r *workflowservice.StartWorkflowExecutionRequest) { r.Memo = memoOf(n) }
}

func memoCommand(memo *commonpb.Memo) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, &commandpb.ModifyWorkflowPropertiesCommandAttributes{UpsertedMemo: memo})
}

func (s *trial) failActivity(token []byte, n int64) error {
	_, err := s.RespondActivityTaskFailed(s.t.Context(), &workflowservice.RespondActivityTaskFailedRequest{
		Namespace: "default", TaskToken: token, Failure: failureOf(n),
	})
	return err
}

// keptFailure is the failure that is shown of an activity that is tried again; ok: the one it had.
func (s *trial) keptFailure(n int64) string {
	require.NoError(s.t, s.failActivity(s.activity().TaskToken, n))
	kept := s.describe("w").PendingActivities[0].LastFailure
	if proto.Equal(kept, failureOf(n)) {
		return "ok"
	}
	return fmt.Sprintf("%s, caused by %d bytes", kept.Message, proto.Size(kept.Cause))
}

// query asks the run for something and returns what it hears; answer is what a worker does with the task.
func (s *trial) query(args *commonpb.Payloads, answer func(*task) error) string {
	heard := make(chan string, 1)
	ctx, cancel := deadline2s(s)
	defer cancel()
	go func() {
		_, err := s.QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{
			Namespace: "default", Execution: runOf("w"), Query: &querypb.WorkflowQuery{QueryType: "t", QueryArgs: args},
		})
		heard <- said(err)
	}()
	if answer != nil {
		rest(instant) // the query comes first
		require.NoError(s.t, answer(s.take()))
	}
	return <-heard
}
