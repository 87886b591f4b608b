package clients

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
)

// work is one activity that waits in a queue.
type work struct {
	Name     string
	Priority temporal.Priority
}

// manyActivities runs all work at once, each as an activity of another queue.
func manyActivities(ctx workflow.Context, taskQueue string, all []work) error {
	var futures []workflow.Future
	for _, w := range all {
		own := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: taskQueue, StartToCloseTimeout: time.Minute, Priority: w.Priority, ActivityID: w.Name,
		})
		futures = append(futures, workflow.ExecuteActivity(own, "note"))
	}
	for _, f := range futures {
		if err := f.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// notebook notes in which order activities ran, and with which priorities.
type notebook struct {
	mu     sync.Mutex
	names  []string
	times  []time.Time
	failed map[string]bool // those that start with "retry" fail once
}

func (n *notebook) note(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := activity.GetInfo(ctx).ActivityID
	n.names, n.times = append(n.names, name), append(n.times, time.Now())
	if strings.HasPrefix(name, "retry") && !n.failed[name] {
		n.failed[name] = true
		return temporal.NewApplicationErrorWithOptions("once", "once", temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
	}
	return nil
}

func (n *notebook) read() ([]string, []time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.names...), append([]time.Time(nil), n.times...)
}

// stats asks what waits in an activity queue.
func (s goSuite) stats(taskQueue string) *workflowservice.DescribeTaskQueueResponse {
	s.Helper()
	got, err := s.client.WorkflowService().DescribeTaskQueue(s.context(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: taskQueue}, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
		ReportStats: true, ReportConfig: true,
	})
	require.NoError(s, err)
	return got
}

// runInOrder is runOn with so many pollers and activities at a time.
func (s goSuite) runInOrder(all []work, waiting func(taskQueue string), workers int) *notebook {
	s.Helper()
	return s.runOn(s.client, all, waiting, worker.Options{
		MaxConcurrentActivityExecutionSize: workers, MaxConcurrentActivityTaskPollers: workers, DisableWorkflowWorker: true,
	})
}

// runOn lets the work wait in a queue, and then a worker of another client do it.
func (s goSuite) runOn(workers client.Client, all []work, waiting func(taskQueue string), options worker.Options) *notebook {
	s.Helper()
	flow := worker.New(s.client, s.taskQueue, worker.Options{})
	flow.RegisterWorkflow(manyActivities)
	require.NoError(s, flow.Start())
	s.Cleanup(flow.Stop)
	taskQueue := "activities-" + uuid.NewString()
	run := s.start(manyActivities, taskQueue, all)
	eventually(s.T, "all wait", func() bool { return s.stats(taskQueue).Stats.ApproximateBacklogCount == int64(len(all)) })
	waiting(taskQueue)
	book := &notebook{failed: map[string]bool{}}
	w := worker.New(workers, taskQueue, options)
	w.RegisterActivityWithOptions(book.note, activity.RegisterOptions{Name: "note"})
	require.NoError(s, w.Start())
	s.Cleanup(w.Stop)
	require.NoError(s, run.Get(s.context(), nil))
	return book
}

// queueSuite is a suite whose queues start empty.
func queueSuite(t *testing.T, server target) goSuite {
	suite := newGoSuite(t, server)
	suite.taskQueue = "flows-" + uuid.NewString()
	return suite
}

func TestPriorityOrder(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		s := queueSuite(t, server)
		var all []work
		for i := range 25 {
			p := 5 - i%5
			all = append(all, work{fmt.Sprintf("%d-%02d", p, i), temporal.Priority{PriorityKey: p}})
		}
		all = append(all, work{"retry", temporal.Priority{PriorityKey: 1}}, work{"default", temporal.Priority{}})
		book := s.runInOrder(all, func(taskQueue string) {
			byPriority := s.stats(taskQueue).StatsByPriorityKey
			require.Len(s, byPriority, 5)
			for p, count := range map[int32]int64{1: 6, 2: 5, 3: 6, 4: 5, 5: 5} {
				require.Equal(s, count, byPriority[p].ApproximateBacklogCount, "priority %d", p)
			}
		}, 1)
		names, _ := book.read()
		require.Len(t, names, len(all)+1)
		last, position := "", map[string]int{}
		for i, name := range names {
			position[name] = i
			if strings.Contains(name, "-") {
				require.Less(t, last, name, "a lower priority waits, and order is kept")
				last = name
			}
		}
		require.Less(t, position["retry"], position["5-00"], "a further attempt has its priority, too")
		require.Less(t, position["3-22"], position["default"])
		require.Less(t, position["default"], position["4-01"], "none is 3")
	})
}

func TestFairnessKeysShare(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		s := queueSuite(t, server)
		var all []work
		add := func(key string, weight float32, count int) {
			for i := range count {
				all = append(all, work{fmt.Sprintf("%s-%03d", key, i), temporal.Priority{FairnessKey: key, FairnessWeight: weight}})
			}
		}
		add("big", 1, 80)
		add("heavy", 3, 30)
		add("small", 0, 8)
		add("raised", 1, 30)
		book := s.runInOrder(all, func(taskQueue string) {
			_, err := s.client.WorkflowService().UpdateTaskQueueConfig(s.context(), &workflowservice.UpdateTaskQueueConfigRequest{
				Namespace: "default", TaskQueue: taskQueue, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
				SetFairnessWeightOverrides: map[string]float32{"raised": 3},
			})
			require.NoError(s, err)
			require.Equal(s, map[string]float32{"raised": 3}, s.stats(taskQueue).Config.FairnessWeightOverrides)
		}, 1)
		names, _ := book.read()
		require.Len(t, names, len(all))
		got, last := map[string]int{}, map[string]string{}
		for i, name := range names {
			key, _, _ := strings.Cut(name, "-")
			require.Less(t, last[key], name, "order within a key")
			last[key] = name
			got[key]++
			if i == 63 { // the last of the small one went with the eighth turn of each
				require.InDelta(t, 8, got["small"], 1)
				require.InDelta(t, 8, got["big"], 2)
				require.InDelta(t, 24, got["heavy"], 3)
				require.InDelta(t, 24, got["raised"], 3)
			}
		}
	})
}

func TestRateLimits(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		s := queueSuite(t, server)
		var all []work
		for i := range 30 {
			all = append(all, work{fmt.Sprint(i), temporal.Priority{FairnessKey: fmt.Sprint("key-", i%3)}})
		}
		book := s.runInOrder(all, func(taskQueue string) {
			_, err := s.client.WorkflowService().UpdateTaskQueueConfig(s.context(), &workflowservice.UpdateTaskQueueConfigRequest{
				Namespace: "default", TaskQueue: taskQueue, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, Identity: "ops",
				UpdateQueueRateLimit: &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{
					RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: 20}, Reason: "slowly",
				},
			})
			require.NoError(s, err)
			got := s.stats(taskQueue)
			require.EqualValues(s, 20, got.EffectiveRateLimit.RequestsPerSecond)
			require.Equal(s, enumspb.RATE_LIMIT_SOURCE_API, got.EffectiveRateLimit.RateLimitSource)
			require.Equal(s, "slowly", got.Config.QueueRateLimit.Metadata.Reason)
			require.Equal(s, "ops", got.Config.QueueRateLimit.Metadata.UpdateIdentity)
		}, 10)
		_, times := book.read()
		require.Len(t, times, 30)
		// A busy machine may bunch what was given out in time: the least span is for all but the last few.
		require.GreaterOrEqual(t, times[29].Sub(times[0]), 1200*time.Millisecond, "at most 20 a second, and two at once")
	})
}

// pollCounter counts the activity polls that are open at a time, and how often
// their answers advise to open more.
type pollCounter struct {
	mu               sync.Mutex
	open, most, more int
}

func (c *pollCounter) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	response, ok := reply.(*workflowservice.PollActivityTaskQueueResponse)
	if !ok {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	c.mu.Lock()
	c.open++
	c.most = max(c.most, c.open)
	c.mu.Unlock()
	err := invoke(ctx, method, request, reply, conn, options...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if response.GetPollerScalingDecision().GetPollRequestDeltaSuggestion() > 0 {
		c.more++
	}
	return err
}

// A worker that scales its polls opens more while tasks wait, as the server advises.
func TestPollersScale(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		s := queueSuite(t, server)
		described, err := s.client.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		require.NoError(t, err)
		require.True(t, described.NamespaceInfo.Capabilities.PollerAutoscaling)
		polls := &pollCounter{}
		scaled, err := client.DialContext(t.Context(), client.Options{
			HostPort: server.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
			ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithUnaryInterceptor(polls.intercept)}},
		})
		require.NoError(t, err)
		t.Cleanup(scaled.Close)
		var all []work
		for i := range 200 {
			all = append(all, work{fmt.Sprint(i), temporal.Priority{}})
		}
		s.runOn(scaled, all, func(string) {}, worker.Options{
			MaxConcurrentActivityExecutionSize: 100, DisableWorkflowWorker: true,
			ActivityTaskPollerBehavior: worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
				InitialNumberOfPollers: 1, MinimumNumberOfPollers: 1, MaximumNumberOfPollers: 20,
			}),
		})
		polls.mu.Lock()
		defer polls.mu.Unlock()
		require.Positive(t, polls.more)
		require.Greater(t, polls.most, 1)
	})
}
