package matching_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	"perdure/server/store"
	"perdure/server/store/memory"
)

type (
	configUpdate = workflowservice.UpdateTaskQueueConfigRequest
	rateUpdate   = workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate
)

func perSecond(rate float32) *rateUpdate {
	return &rateUpdate{RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: rate}}
}

// configure changes the rules of the activity queue.
func (r *rig) configure(update *configUpdate) *taskqueuepb.TaskQueueConfig {
	update.TaskQueue, update.TaskQueueType = activityQueue().Name, enumspb.TASK_QUEUE_TYPE_ACTIVITY
	response, err := r.engine.UpdateTaskQueueConfig(r.t.Context(), ns, update)
	require.NoError(r.t, err)
	return response.Config
}

func (r *rig) describeActivities() *workflowservice.DescribeTaskQueueResponse {
	return r.describe(&workflowservice.DescribeTaskQueueRequest{
		TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true, ReportStats: true, IncludeTaskQueueStatus: true,
	})
}

func (r *rig) requireRate(rate float32, source enumspb.RateLimitSource) {
	r.t.Helper()
	got := r.describeActivities()
	require.Equal(r.t, rate, got.EffectiveRateLimit.RequestsPerSecond)
	require.Equal(r.t, source, got.EffectiveRateLimit.RateLimitSource)
	require.Equal(r.t, float64(rate), got.TaskQueueStatus.RatePerSecond)
}

// offerActivities offers activities of one fairness key.
func (r *rig) offerActivities(key string, weight float32, count int) {
	for i := range count {
		x := task(activityQueue(), fmt.Sprintf("%s-%05d", key, i))
		x.FairnessKey, x.FairnessWeight = key, weight
		r.offer(x)
	}
}

// takeFor polls without pause for a time and counts the tasks by key.
func (r *rig) takeFor(d time.Duration) map[string]int {
	ctx, cancel := context.WithTimeout(r.t.Context(), d+time.Second) // polls are answered a second before
	defer cancel()
	keys := map[string]int{}
	for {
		id := r.pollActivity(ctx, nil)
		if id == "" {
			return keys
		}
		key, _, _ := strings.Cut(id, "-")
		keys[key]++
	}
}

// What people set goes before what workers say, works at once, and lasts.
func TestQueueRateByPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.offerActivities("", 0, 2000)
		require.NotEmpty(t, r.pollActivity(t.Context(), wrapperspb.Double(5)))
		r.requireRate(5, enumspb.RATE_LIMIT_SOURCE_WORKER)
		before := time.Now()
		config := r.configure(&configUpdate{Identity: "ops", UpdateQueueRateLimit: &rateUpdate{
			RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: 50}, Reason: "launch",
		}})
		require.Equal(t, "launch", config.QueueRateLimit.Metadata.Reason)
		require.Equal(t, "ops", config.QueueRateLimit.Metadata.UpdateIdentity)
		require.Equal(t, before.Truncate(time.Millisecond).UTC(), config.QueueRateLimit.Metadata.UpdateTime.AsTime())
		r.requireRate(50, enumspb.RATE_LIMIT_SOURCE_API)
		require.InDelta(t, 100, r.takeFor(2 * time.Second)[""], 6)
		r.stop()

		second := rigOn(t, r.data, matching.Limits{})
		defer second.stop()
		second.requireRate(50, enumspb.RATE_LIMIT_SOURCE_API)
		require.Equal(t, "launch", second.describeActivities().Config.QueueRateLimit.Metadata.Reason)
		require.InDelta(t, 100, second.takeFor(2 * time.Second)[""], 6)

		second.configure(&configUpdate{UpdateQueueRateLimit: perSecond(0)})
		require.Empty(t, second.takeFor(10*time.Second), "zero pauses")
		require.True(t, second.describeActivities().Stats.RateLimitingActive)
		second.requireRate(0, enumspb.RATE_LIMIT_SOURCE_API)

		waiting := make(chan string, 1)
		go func() { waiting <- second.pollActivity(t.Context(), wrapperspb.Double(7)) }()
		synctest.Wait()
		second.configure(&configUpdate{UpdateQueueRateLimit: &rateUpdate{Reason: "over"}})
		require.NotEmpty(t, <-waiting, "a poll that waited goes on at once")
		second.requireRate(7, enumspb.RATE_LIMIT_SOURCE_WORKER)
		require.Nil(t, second.describeActivities().Config.QueueRateLimit.RateLimit)
		require.Equal(t, "over", second.describeActivities().Config.QueueRateLimit.Metadata.Reason)
		require.InDelta(t, 14, second.takeFor(2 * time.Second)[""], 2)
		require.Nil(t, second.describe(&workflowservice.DescribeTaskQueueRequest{ReportConfig: true}).Config,
			"the workflow queue of that name is another")
	})
}

// Each key has its own rate, by its weight; one that is held back holds nobody else back.
func TestKeyRates(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored=%v", stored), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, err := memory.New(1)
				require.NoError(t, err)
				r := rigOn(t, data, matching.Limits{ReadAheadTasks: 20})
				defer r.stop()
				r.configure(&configUpdate{
					UpdateFairnessKeyRateLimitDefault: perSecond(10), SetFairnessWeightOverrides: map[string]float32{"c": 4},
				})
				r.offerActivities("a", 0, 500)
				r.offerActivities("b", 2, 500)
				r.offerActivities("c", 2, 500)
				if stored {
					time.Sleep(time.Second)
				}
				got := r.takeFor(4 * time.Second)
				require.InDelta(t, 40, got["a"], 3)
				require.InDelta(t, 80, got["b"], 4)
				require.InDelta(t, 160, got["c"], 6)
				require.True(t, r.describeActivities().Stats.RateLimitingActive)

				r.configure(&configUpdate{UpdateQueueRateLimit: perSecond(20)})
				first := got["a"] + got["b"] + got["c"]
				got = r.takeFor(10 * time.Second)
				require.InDelta(t, 200, got["a"]+got["b"]+got["c"], 4, "the queue's rate holds over all keys")
				first += got["a"] + got["b"] + got["c"]
				require.InDelta(t, 200.0/7, got["a"], 4, "and weights share it")

				r.configure(&configUpdate{UpdateQueueRateLimit: &rateUpdate{}, UpdateFairnessKeyRateLimitDefault: &rateUpdate{}})
				got = r.takeFor(time.Second)
				require.Equal(t, 1500, first+got["a"]+got["b"]+got["c"], "no limit is left")
			})
		})
	}
}

// New weights count at once, for what is stored too, and go before the tasks' own.
func TestWeightOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 20})
		defer r.stop()
		r.offerActivities("a", 8, 600)
		r.offerActivities("b", 1, 600)
		time.Sleep(time.Second)
		share := func() float64 {
			got := map[string]int{}
			for range 100 {
				key, _, _ := strings.Cut(r.pollActivity(t.Context(), nil), "-")
				got[key]++
			}
			return float64(got["a"]) / 100
		}
		require.InDelta(t, 0.89, share(), 0.03)
		require.Equal(t, map[string]float32{"a": 1}, r.configure(&configUpdate{
			SetFairnessWeightOverrides: map[string]float32{"a": 1},
		}).FairnessWeightOverrides)
		require.InDelta(t, 0.5, share(), 0.03)
		require.Equal(t, map[string]float32{"b": 3}, r.configure(&configUpdate{
			SetFairnessWeightOverrides: map[string]float32{"b": 3}, UnsetFairnessWeightOverrides: []string{"a", "nobody"},
		}).FairnessWeightOverrides)
		require.InDelta(t, 0.73, share(), 0.03)
	})
}

func TestWeightOverridesAreBounded(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	many := map[string]float32{}
	for i := range 1000 {
		many[fmt.Sprint(i)] = 1
	}
	require.Len(t, r.configure(&configUpdate{SetFairnessWeightOverrides: many}).FairnessWeightOverrides, 1000)
	more := &configUpdate{
		TaskQueue: activityQueue().Name, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
		SetFairnessWeightOverrides: map[string]float32{"more": 1},
	}
	_, err := r.engine.UpdateTaskQueueConfig(t.Context(), ns, more)
	var invalid *serviceerror.InvalidArgument
	require.ErrorAs(t, err, &invalid)
	more.UnsetFairnessWeightOverrides = []string{"7"}
	require.Len(t, r.configure(more).FairnessWeightOverrides, 1000)
}

// Updates that meet do not lose one another, and one whose answer got lost is not made twice.
func TestUpdatesOfRulesMeet(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	var updates sync.WaitGroup
	for i := range 20 {
		updates.Go(func() {
			r.configure(&configUpdate{SetFairnessWeightOverrides: map[string]float32{fmt.Sprint(i): 2}})
		})
	}
	updates.Wait()
	require.Len(t, r.describeActivities().Config.FairnessWeightOverrides, 20)
	records, err := r.store.ListMeta(t.Context(), "task_queue_config")
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.EqualValues(t, 20, records[0].Version)
	require.Len(t, r.configure(&configUpdate{}).FairnessWeightOverrides, 20)
	require.Len(t, r.configure(&configUpdate{UnsetFairnessWeightOverrides: []string{"nobody"}}).FairnessWeightOverrides, 20)
	records, err = r.store.ListMeta(t.Context(), "task_queue_config")
	require.NoError(t, err)
	require.EqualValues(t, 20, records[0].Version, "nothing changed, nothing is written")
}

// A node learns what others have set when it takes a shard over, and does not
// stumble over what it cannot read.
func TestRulesOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		other := rigOn(t, r.data, matching.Limits{})
		defer other.stop()
		r.requireRate(4000, enumspb.RATE_LIMIT_SOURCE_SYSTEM)
		other.configure(&configUpdate{UpdateQueueRateLimit: perSecond(3)})
		for _, key := range []string{"nonsense", "a/x/b", "a/2/b"} {
			require.NoError(t, r.store.PutMeta(t.Context(), store.Meta{Kind: "task_queue_config", Key: key, Version: 1, Data: []byte{0xff}}))
		}
		r.acquire()
		synctest.Wait()
		r.requireRate(3, enumspb.RATE_LIMIT_SOURCE_API)
	})
}

// TestRulesOfOthersAreSeenSoon: a node looks for what others have set, shards or not.
func TestRulesOfOthersAreSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{RefreshAfter: 2 * time.Second})
		defer r.stop()
		other := rigOn(t, data, matching.Limits{})
		defer other.stop()
		r.offer(task(activityQueue(), "a")) // a node without a queue in use does not look
		other.configure(&configUpdate{UpdateQueueRateLimit: perSecond(3)})
		r.requireRate(4000, enumspb.RATE_LIMIT_SOURCE_SYSTEM)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.requireRate(3, enumspb.RATE_LIMIT_SOURCE_API)
		other.configure(&configUpdate{UpdateQueueRateLimit: &rateUpdate{}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.requireRate(4000, enumspb.RATE_LIMIT_SOURCE_SYSTEM)
	})
}

func TestRulesCannotBeRead(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	broken := matching.New(matching.Config{Store: noMeta{r.store}, Leases: r.leases})
	broken.SetHistory(r.history)
	require.ErrorIs(t, broken.Start(t.Context()), errNoMeta)
	_, err := broken.UpdateTaskQueueConfig(t.Context(), ns, &configUpdate{TaskQueue: "q"})
	require.ErrorIs(t, err, errNoMeta)
}

var errNoMeta = errors.New("no metadata")

type noMeta struct{ store.Store }

func (noMeta) ListMeta(context.Context, string) ([]store.Meta, error) { return nil, errNoMeta }

func (noMeta) Meta(context.Context, string, string) (store.Meta, error) {
	return store.Meta{}, errNoMeta
}
