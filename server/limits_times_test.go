package server

import (
	"context"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// instant is how finely times are tried.
const instant = int64(time.Millisecond)

func seconds(n int64) int64 { return n * int64(time.Second) }

// rest lets a time pass and all come to an end that is due then.
func rest(n int64) {
	time.Sleep(time.Duration(n))
	synctest.Wait()
}

// taskTimeout sets the timeout of workflow tasks.
func taskTimeout(d time.Duration) func(*workflowservice.StartWorkflowExecutionRequest) {
	return func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowTaskTimeout = durationpb.New(d) }
}

// taskLimits: the times of workflow tasks.
var taskLimits = []limitCase{
	{
		row: "task_timeout_default", limit: seconds(7), step: instant, reached: true, past: "ok; WorkflowTaskTimedOut(StartToClose)",
		try: func(s *trial, n int64) string {
			s.begin()
			rest(n)
			return s.came(nil)
		},
	},
	{
		row: "task_timeout_max", limit: seconds(20), step: seconds(1), past: "cut to 20s",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w", taskTimeout(time.Duration(n))))
			timeout := s.history("w")[1].GetWorkflowTaskScheduledEventAttributes().StartToCloseTimeout.AsDuration()
			if int64(timeout) != n {
				return fmt.Sprint("cut to ", timeout)
			}
			return "ok"
		},
	},
	{
		row: "task_retry_extra_max", limit: seconds(3), step: instant, reached: true, past: "attempt 5 is due",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w", taskTimeout(time.Second)))
			for range 3 {
				s.take().fail()
			}
			require.EqualValues(s.t, 4, s.take().Attempt)
			rest(seconds(1) + n)
			if attempt := s.describe("w").PendingWorkflowTask.Attempt; attempt != 4 {
				return fmt.Sprintf("attempt %d is due", attempt)
			}
			return "ok"
		},
	},
	{
		row: "task_heartbeat_max", limit: seconds(30), step: instant, reached: true,
		past: "NotFound: workflow task heartbeat timeout; WorkflowTaskTimedOut(StartToClose)",
		try: func(s *trial, n int64) string {
			alive := func(t *task) error {
				return t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{ForceCreateNewWorkflowTask: true})
			}
			require.NoError(s.t, alive(s.begin(taskTimeout(time.Minute))))
			task := s.take()
			rest(n)
			return s.came(alive(task))
		},
	},
	{
		row: "speculative_schedule_to_start", limit: seconds(3), step: instant, reached: true, past: "ok; WorkflowTaskTimedOut(ScheduleToStart)",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.begin().complete())
			s.after(time.Duration(n), func(ctx context.Context) { _ = s.updateUntil(ctx) })
			return s.came(nil)
		},
	},
	{
		row: "reuse_interval_min", limit: seconds(5), step: instant, reached: true, past: "the next run goes on",
		try: func(s *trial, n int64) string {
			next := &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{}
			require.NoError(s.t, s.begin().complete(command(enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, next)))
			rest(n)
			if s.describe("w").PendingWorkflowTask != nil {
				return "the next run goes on"
			}
			return "ok"
		},
	},
}

// updateUntil sends an update and waits for its outcome until ctx ends, or the server's patience.
func (s *trial) updateUntil(ctx context.Context) error {
	_, err := s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: runOf("w"), Request: updateOf("u", nil),
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
	})
	return err
}

func answered(back bool) string {
	if back {
		return "answered"
	}
	return "ok"
}

// waitLimits: how long calls and tasks wait.
var waitLimits = []limitCase{
	{
		row: "task_poll_max", limit: seconds(10), step: instant, reached: true, past: "answered",
		try: func(s *trial, n int64) string {
			const reserve = time.Second // the answer leaves so long before the end
			return answered(s.after(time.Duration(n)-reserve, func(ctx context.Context) {
				ctx, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				r, err := s.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("q")})
				require.True(s.t, err == nil && len(r.TaskToken) == 0 || ctx.Err() != nil, "an empty answer")
			}))
		},
	},
	{
		row: "long_poll_max", of: "history", limit: seconds(10), step: instant, reached: true, past: "answered",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			req := &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: "default", Execution: runOf("w"), WaitNewEvent: true}
			first, err := s.GetWorkflowExecutionHistory(s.t.Context(), req)
			require.NoError(s.t, err)
			req.NextPageToken = first.NextPageToken
			return answered(s.after(time.Duration(n), func(ctx context.Context) {
				r, err := s.GetWorkflowExecutionHistory(ctx, req)
				require.True(s.t, err == nil && len(r.History.Events) == 0 && len(r.NextPageToken) > 0 || ctx.Err() != nil, "an empty answer and a token")
			}))
		},
	},
	{
		row: "long_poll_max", of: "update", limit: seconds(10), step: instant, reached: true, past: "answered",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			return answered(s.after(time.Duration(n), func(ctx context.Context) { _ = s.updateUntil(ctx) }))
		},
	},
	{
		row: "sync_match_wait", limit: seconds(1), step: 20 * instant, reached: true, past: "stored",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			rest(n)
			if s.metrics.Value("perdure_task_queue_stored_total", "workflow") > 0 {
				return "stored"
			}
			return "ok"
		},
	},
	{
		row: "query_poller_window", limit: seconds(20), step: instant, reached: true,
		past: "FailedPrecondition: no poller seen for task queue recently, worker may be down",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.begin().complete())
			const waited = 2*time.Second - 50*time.Millisecond // of the two seconds that it has, so much is left for the answer
			rest(n - int64(waited))
			if came := s.query(nil, nil); came != queryTimedOut {
				return came
			}
			return "ok"
		},
	},
	{
		row: "sticky_poller_window", limit: seconds(10), step: instant, reached: true, past: "on the normal queue",
		try: func(s *trial, n int64) string {
			sticky := &taskqueuepb.TaskQueue{Name: "own", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}
			stick := func(t *task) {
				require.NoError(s.t, t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{
					StickyAttributes: &taskqueuepb.StickyExecutionAttributes{WorkerTaskQueue: sticky, ScheduleToStartTimeout: durationpb.New(time.Hour)},
				}))
			}
			stick(s.begin())
			polled := make(chan *task)
			go func() { polled <- s.poll(sticky) }()
			synctest.Wait()
			require.NoError(s.t, s.signal("w", 0))
			stick(<-polled)
			rest(n)
			require.NoError(s.t, s.signal("w", 0))
			if s.poll(queueNamed("q")) != nil {
				return "on the normal queue"
			}
			return "ok"
		},
	},
	{
		row: "poller_history", limit: seconds(60), step: instant, reached: true, past: "forgotten",
		try: func(s *trial, n int64) string {
			s.begin()
			rest(n)
			r, err := s.DescribeTaskQueue(s.t.Context(), &workflowservice.DescribeTaskQueueRequest{
				Namespace: "default", TaskQueue: queueNamed("q"), TaskQueueType: enumspb.TASK_QUEUE_TYPE_WORKFLOW,
			})
			require.NoError(s.t, err)
			if len(r.Pollers) == 0 {
				return "forgotten"
			}
			return "ok"
		},
	},
	{
		row: "retention_sweep", limit: seconds(600), step: seconds(1), reached: true, past: "the run is gone",
		with: map[string]string{"retention_min": "1s"},
		try: func(s *trial, n int64) string {
			require.Equal(s.t, "ok", s.register("brief", time.Second))
			first := 30 * time.Second // when a node looks first
			time.Sleep(first + time.Second)
			at := &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "brief", Execution: runOf("w")}
			require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Namespace = "brief" }))
			_, err := s.TerminateWorkflowExecution(s.t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{Namespace: "brief", WorkflowExecution: runOf("w")})
			require.NoError(s.t, err)
			rest(n - seconds(1))
			time.Sleep(100 * time.Millisecond) // it takes its time
			if _, err := s.DescribeWorkflowExecution(s.t.Context(), at); err != nil {
				return "the run is gone"
			}
			return "ok"
		},
	},
}

const queryTimedOut = "DeadlineExceeded: query timed out before a worker could process it"
