package server

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/diagnosis"
	"perdure/server/execution"
)

// orders is what the workflow of a healthy fleet does next: an activity and a
// timer side by side, a child, an activity that fails once, then it waits for a signal and ends.
func orders(id string, events []*historypb.HistoryEvent) []*commandpb.Command {
	seen := map[enumspb.EventType]int{}
	for _, e := range events {
		seen[e.EventType]++
	}
	isChild := events[0].GetWorkflowExecutionStartedEventAttributes().GetParentWorkflowExecution() != nil
	done := seen[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]
	switch {
	case seen[enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] == 0:
		return []*commandpb.Command{activityNamed("first", heartbeatTimeout(10*time.Second)), shortTimer("t", 7*time.Second)}
	case done == 0 || seen[enumspb.EVENT_TYPE_TIMER_FIRED] == 0:
		return nil
	case isChild:
		return []*commandpb.Command{command(enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: execution.TextPayload("ok")})}
	case seen[enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED] == 0:
		return []*commandpb.Command{childNamed(id+"-child", func(a *commandpb.StartChildWorkflowExecutionCommandAttributes) { a.TaskQueue = queueNamed("q") })}
	case seen[enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED] == 0:
		return nil
	case seen[enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] == 1:
		return []*commandpb.Command{activityNamed("flaky")}
	case done < 2 || seen[enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED] == 0:
		return nil
	}
	return []*commandpb.Command{command(enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, &commandpb.CompleteWorkflowExecutionCommandAttributes{})}
}

func shortTimer(id string, d time.Duration) *commandpb.Command {
	return command(enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{TimerId: id, StartToFireTimeout: durationpb.New(d)})
}

// work runs a worker for workflows until the trial ends: it takes a tenth of a second for each task and keeps runs in its cache.
func (s *trial) work(ctx context.Context, queue *taskqueuepb.TaskQueue) {
	for ctx.Err() == nil {
		once, end := context.WithTimeout(ctx, time.Minute)
		t, err := s.PollWorkflowTaskQueue(once, &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: queue, Identity: "worker"})
		end()
		if err != nil || len(t.TaskToken) == 0 {
			continue
		}
		time.Sleep(100 * time.Millisecond)
		h, err := s.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: "default", Execution: t.WorkflowExecution})
		if err != nil {
			continue
		}
		_, _ = s.RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
			Namespace: "default", TaskToken: t.TaskToken, Commands: orders(t.WorkflowExecution.WorkflowId, h.History.Events),
			StickyAttributes: &taskqueuepb.StickyExecutionAttributes{
				WorkerTaskQueue: &taskqueuepb.TaskQueue{Name: "own", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}, ScheduleToStartTimeout: durationpb.New(5 * time.Second),
			},
		}) // an event that came meanwhile refuses it; the next attempt has it
	}
}

// workActivities takes six seconds for each activity, with a heartbeat; the first attempt of one that is flaky fails.
func (s *trial) workActivities(ctx context.Context) {
	for ctx.Err() == nil {
		once, end := context.WithTimeout(ctx, time.Minute)
		a, err := s.PollActivityTaskQueue(once, &workflowservice.PollActivityTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("a"), Identity: "activities"})
		end()
		if err != nil || len(a.TaskToken) == 0 {
			continue
		}
		time.Sleep(3 * time.Second)
		_, _ = s.RecordActivityTaskHeartbeat(ctx, &workflowservice.RecordActivityTaskHeartbeatRequest{Namespace: "default", TaskToken: a.TaskToken})
		time.Sleep(3 * time.Second)
		if a.ActivityId == "flaky" && a.Attempt == 1 {
			_, _ = s.RespondActivityTaskFailed(ctx, &workflowservice.RespondActivityTaskFailedRequest{Namespace: "default", TaskToken: a.TaskToken, Failure: failureOf(50)})
			continue
		}
		_, _ = s.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{Namespace: "default", TaskToken: a.TaskToken})
	}
}

const (
	healthyMinutes  = 10
	healthyWorkers  = 8
	healthyInterval = 3 * time.Second // between two starts
)

// TestHealthyFleetIsNotNamed: a busy mix of activities, timers, children, retries and signals, looked at every few seconds.
func TestHealthyFleetIsNotNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		defer s.stop()
		own := &taskqueuepb.TaskQueue{Name: "own", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}
		for range healthyWorkers {
			s.aside(func(ctx context.Context) { s.work(ctx, queueNamed("q")) })
			s.aside(func(ctx context.Context) { s.work(ctx, own) })
			s.aside(s.workActivities)
		}
		var open []string
		verdicts := map[string]int{}
		for i := range healthyMinutes * 60 / int(healthyInterval.Seconds()) {
			id := fmt.Sprint("order-", i)
			require.NoError(t, s.start(id))
			open = append(open, id)
			rest(int64(healthyInterval))
			if len(open) > 15 {
				require.NoError(t, s.signal(open[0], 0))
				open = open[1:]
			}
			for _, id := range open {
				report := s.diagnose(id)
				require.NotContains(t, []string{string(diagnosis.VerdictStuck), string(diagnosis.VerdictHeld)}, report.Verdict, "%v", report)
				verdicts[report.Verdict]++
			}
			found := s.fleet()
			require.Empty(t, found.Groups, "%v", found)
			require.Empty(t, found.Notes, "%v", found)
		}
		require.Greater(t, verdicts[string(diagnosis.VerdictWaiting)], 500, "%v", verdicts)
		rest(seconds(120))
		require.Greater(t, s.metrics.Value("perdure_workflow_closed_total", "default", "completed"), 300.0, "the fleet works")
		require.Greater(t, s.metrics.Value("perdure_runs_diagnosed_total", "healthy"), 0.0, "candidates were looked at")
		require.Zero(t, s.metrics.Value("perdure_runs_diagnosed_total", "troubled"))
	})
}

// TestFleetIsCountedByCause: what is shown of a namespace with trouble, and what the metric says of it.
func TestFleetIsCountedByCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		defer s.stop()
		s.startMany(3) // nobody polls their queue
		require.NoError(t, s.start("held"))
		s.pause("held")
		require.NoError(t, s.start("later", func(r *workflowservice.StartWorkflowExecutionRequest) {
			r.WorkflowStartDelay = durationpb.New(time.Hour)
		}))
		require.NoError(t, s.start("slow", taskTimeout(time.Minute), func(r *workflowservice.StartWorkflowExecutionRequest) { r.TaskQueue = queueNamed("slow") }))
		require.NotNil(t, s.poll(queueNamed("slow")), "a worker takes it and says no more")
		rest(seconds(35)) // the first look was at half a minute
		found := s.fleet()
		require.Equal(t, []int64{6, 5, 5, 0}, []int64{found.OpenRuns, found.Candidates, found.Examined, found.Healthy}, "%v", found)
		require.Len(t, found.Groups, 3)
		require.Equal(t, "no-poller", found.Groups[0].Code)
		require.EqualValues(t, 3, found.Groups[0].Runs)
		require.Len(t, found.Groups[0].Examples, 3)
		require.Equal(t, "workflow-paused", found.Groups[1].Code)
		require.Equal(t, "held", found.Groups[1].Examples[0].WorkflowId)
		require.Equal(t, "workflow-task-unanswered", found.Groups[2].Code)
		require.Equal(t, 3.0, s.metrics.Value("perdure_troubled_runs", "no-poller", "stuck", "default"))
		require.Equal(t, 1.0, s.metrics.Value("perdure_troubled_runs", "workflow-paused", "stuck", "default"))
		require.Equal(t, 1.0, s.metrics.Value("perdure_troubled_runs", "workflow-task-unanswered", "held", "default"))

		for range 3 {
			require.NoError(t, s.take().complete(command(enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, &commandpb.CompleteWorkflowExecutionCommandAttributes{})))
		}
		rest(seconds(120))
		require.Zero(t, s.metrics.Value("perdure_troubled_runs", "no-poller", "stuck", "default"), "its series is gone")
	})
}

// TestFleetAtRestIsLeftAlone: what nothing happens in is not asked about again and again.
func TestFleetAtRestIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		defer s.stop()
		require.NoError(t, s.begin().complete(timerNamed("t")))
		rest(seconds(300))
		before := s.metrics.Value("perdure_visibility_query_duration_seconds", s.services.visibility.Name())
		require.Positive(t, before, "it was looked at")
		rest(seconds(1200))
		require.Equal(t, before, s.metrics.Value("perdure_visibility_query_duration_seconds", s.services.visibility.Name()))
		require.NoError(t, s.start("other"))
		rest(seconds(130)) // the first look may come too soon
		require.Equal(t, 1.0, s.metrics.Value("perdure_troubled_runs", "no-poller", "stuck", "default"))
	})
}
