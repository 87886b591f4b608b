package matching_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"perdure/server/matching"
)

func (r *rig) describe(request *workflowservice.DescribeTaskQueueRequest) *workflowservice.DescribeTaskQueueResponse {
	if request.TaskQueue == nil {
		request.TaskQueue = &taskqueuepb.TaskQueue{Name: queue().Name}
	}
	response, err := r.engine.DescribeTaskQueue(r.t.Context(), ns, request)
	require.NoError(r.t, err)
	return response
}

func TestDescribeTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := newRig(t)
		data.stop()
		r := rigOn(t, data.data, matching.Limits{ReadAheadTasks: 10})
		for i := range 100 {
			x := task(queue(), fmt.Sprintf("wf-%04d", i))
			x.Priority = int32(1 + i%2)
			r.offer(x)
		}
		time.Sleep(9 * time.Second)
		for range 20 {
			r.poll(t.Context(), queue())
		}
		got := r.describe(&workflowservice.DescribeTaskQueueRequest{ReportStats: true, IncludeTaskQueueStatus: true})
		require.EqualValues(t, 80, got.Stats.ApproximateBacklogCount)
		require.Equal(t, 9*time.Second, got.Stats.ApproximateBacklogAge.AsDuration().Round(time.Second))
		require.InDelta(t, 10, got.Stats.TasksAddRate, 0.01)
		require.InDelta(t, 20, got.Stats.TasksDispatchRate, 0.01)
		require.EqualValues(t, 80, got.StatsByPriorityKey[1].ApproximateBacklogCount+got.StatsByPriorityKey[2].ApproximateBacklogCount)
		require.Len(t, got.StatsByPriorityKey, 3)
		require.Zero(t, got.StatsByPriorityKey[3].ApproximateBacklogCount, "the default is always told")
		require.EqualValues(t, 80, got.TaskQueueStatus.BacklogCountHint)
		require.Len(t, got.Pollers, 1)
		require.Equal(t, "worker-1", got.Pollers[0].Identity)
		require.EqualValues(t, 100_000, got.Pollers[0].RatePerSecond)
		require.Equal(t, "__unversioned__", got.VersioningInfo.CurrentVersion) //nolint:staticcheck
		r.stop()

		// The next process knows count and age before anybody polls.
		second := rigOn(t, data.data, matching.Limits{})
		defer second.stop()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		got = second.describe(&workflowservice.DescribeTaskQueueRequest{ReportStats: true})
		require.EqualValues(t, 80, got.Stats.ApproximateBacklogCount)
		require.Equal(t, 19*time.Second, got.Stats.ApproximateBacklogAge.AsDuration().Round(time.Second))
		for priority, count := range map[int32]int64{1: 30, 2: 50, 3: 0} {
			stats := got.StatsByPriorityKey[priority]
			require.Equal(t, count, stats.ApproximateBacklogCount, "priority %d", priority)
			require.Equal(t, count > 0, stats.ApproximateBacklogAge.AsDuration() > 18*time.Second)
		}
		require.Empty(t, got.Pollers)
		for range 80 {
			second.poll(t.Context(), queue())
		}
		got = second.describe(&workflowservice.DescribeTaskQueueRequest{ReportStats: true})
		require.Zero(t, got.Stats.ApproximateBacklogCount)
		require.Zero(t, got.Stats.ApproximateBacklogAge.AsDuration())
	})
}

func TestDescribeEnhanced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offerMany(activityQueue(), 0, 3)
		require.NotEmpty(t, r.pollActivity(t.Context(), nil))
		got := r.describe(&workflowservice.DescribeTaskQueueRequest{
			ApiMode: enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED, ReportStats: true, ReportPollers: true,
		})
		types := got.VersionsInfo[""].TypesInfo
		require.Len(t, types, 2)
		require.Zero(t, types[1].Stats.ApproximateBacklogCount)
		require.Empty(t, types[1].Pollers)
		require.EqualValues(t, 2, types[2].Stats.ApproximateBacklogCount)
		require.Len(t, types[2].Pollers, 1)
		require.Nil(t, got.EffectiveRateLimit)
		require.Nil(t, got.VersioningInfo)

		bare := r.describe(&workflowservice.DescribeTaskQueueRequest{
			ApiMode: enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED, TaskQueueTypes: []enumspb.TaskQueueType{9},
		})
		require.Len(t, bare.VersionsInfo[""].TypesInfo, 1)
		require.Nil(t, bare.VersionsInfo[""].TypesInfo[9].Stats)
	})
}

func TestDescribeErrors(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	for message, request := range map[string]*workflowservice.DescribeTaskQueueRequest{
		"taskQueue is not set":    {},
		"missing task queue name": {TaskQueue: &taskqueuepb.TaskQueue{}},
		"Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.": {
			TaskQueue: &taskqueuepb.TaskQueue{Name: "q", Kind: enumspb.TASK_QUEUE_KIND_STICKY},
			ApiMode:   enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
		},
	} {
		_, err := r.engine.DescribeTaskQueue(t.Context(), ns, request)
		var invalid *serviceerror.InvalidArgument
		require.True(t, errors.As(err, &invalid), message)
		require.Equal(t, message, invalid.Message)
	}
	_, err := r.engine.ListTaskQueuePartitions(t.Context(), ns, &workflowservice.ListTaskQueuePartitionsRequest{})
	require.ErrorContains(t, err, "taskQueue is not set")
}

func TestDescribeUnknownAndStickyQueues(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	got := r.describe(&workflowservice.DescribeTaskQueueRequest{
		TaskQueue: &taskqueuepb.TaskQueue{Name: "q", Kind: enumspb.TASK_QUEUE_KIND_STICKY},
	})
	require.Nil(t, got.VersioningInfo)
	require.EqualValues(t, 4000, got.EffectiveRateLimit.RequestsPerSecond)
	require.Equal(t, enumspb.RATE_LIMIT_SOURCE_SYSTEM, got.EffectiveRateLimit.RateLimitSource)
	require.Zero(t, r.loaded(), "a question loads nothing")

	partitions, err := r.engine.ListTaskQueuePartitions(t.Context(), ns, &workflowservice.ListTaskQueuePartitionsRequest{
		TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
	})
	require.NoError(t, err)
	require.Len(t, partitions.WorkflowTaskQueuePartitions, 1)
	require.Equal(t, "q", partitions.ActivityTaskQueuePartitions[0].Key)
	require.Equal(t, "here", partitions.ActivityTaskQueuePartitions[0].OwnerHostName)
}

func TestRecentPollers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		require.Empty(t, r.engine.RecentPollers(queue()))
		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), queue()) }()
		time.Sleep(30 * time.Second)
		pollers := r.engine.RecentPollers(queue())
		require.Len(t, pollers, 1)
		require.True(t, pollers[0].LastAccessTime.AsTime().Equal(time.Now()), "it polls now")
		<-got
		left := time.Now()
		time.Sleep(4 * time.Minute)
		require.True(t, r.engine.RecentPollers(queue())[0].LastAccessTime.AsTime().Equal(left))
		time.Sleep(time.Minute)
		require.Empty(t, r.engine.RecentPollers(queue()))
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offerMany(activityQueue(), 0, 1000)
		start := time.Now()
		for range 21 {
			require.NotEmpty(t, r.pollActivity(t.Context(), wrapperspb.Double(10)))
		}
		require.InDelta(t, 2, time.Since(start).Seconds(), 0.11)

		got := r.describe(&workflowservice.DescribeTaskQueueRequest{TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportStats: true})
		require.EqualValues(t, 10, got.EffectiveRateLimit.RequestsPerSecond)
		require.Equal(t, enumspb.RATE_LIMIT_SOURCE_WORKER, got.EffectiveRateLimit.RateLimitSource)
		require.EqualValues(t, 10, got.Pollers[0].RatePerSecond)

		// The newest value wins, and zero pauses.
		waiting := make(chan string, 1)
		go func() { waiting <- r.pollActivity(t.Context(), wrapperspb.Double(0)) }()
		time.Sleep(30 * time.Second)
		require.Empty(t, waiting)
		require.True(t, r.describe(&workflowservice.DescribeTaskQueueRequest{
			TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportStats: true,
		}).Stats.RateLimitingActive)
		start = time.Now()
		for range 500 {
			require.NotEmpty(t, r.pollActivity(t.Context(), wrapperspb.Double(1000)))
		}
		require.NotEmpty(t, <-waiting)
		require.InDelta(t, 0.4, time.Since(start).Seconds(), 0.11)
	})
}

func TestPollerScaling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		delta := make(chan int32, 1)
		poll := func() {
			response, err := r.engine.PollWorkflowTaskQueue(t.Context(), ns, pollRequest(queue()))
			require.NoError(t, err)
			delta <- response.GetPollerScalingDecision().GetPollRequestDeltaSuggestion()
		}
		go poll()
		time.Sleep(2 * time.Second)
		r.offer(task(queue(), "a"))
		require.EqualValues(t, -1, <-delta, "it waited for long")

		time.Sleep(time.Minute)
		r.offerMany(queue(), 0, 3)
		time.Sleep(time.Second)
		go poll()
		require.EqualValues(t, 1, <-delta, "tasks wait")
	})
}
