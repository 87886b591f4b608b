package matching_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/internal/pgtest"
	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/postgres"
	"perdure/server/store/sqlite"
)

// countingHistory starts everything, and tells when so many have been started.
type countingHistory struct {
	cluster.History
	left    atomic.Int64
	drained chan struct{}
	started func(*cluster.Task) // nil: nobody asks
}

// Prefetch has nothing to read.
func (h *countingHistory) Prefetch(context.Context, []cluster.ExecutionRef) {}

func (h *countingHistory) StartWorkflowTask(_ context.Context, x *cluster.Task, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if h.started != nil {
		h.started(x)
	}
	if x.Remembered != nil {
		x.Remembered()
	}
	if h.left.Add(-1) == 0 {
		close(h.drained)
	}
	return &workflowservice.PollWorkflowTaskQueueResponse{TaskToken: []byte("token")}, nil
}

// storedQueue is an engine on a real store.
type storedQueue struct {
	b       *testing.B
	store   store.Store
	history *countingHistory
	engine  *matching.Engine
}

var backends = []struct {
	name string
	open func(b *testing.B) (store.Store, error)
}{
	{"memory", func(*testing.B) (store.Store, error) { return memory.Open(4) }},
	{"sqlite", func(b *testing.B) (store.Store, error) {
		return sqlite.Open(b.Context(), "sqlite://"+filepath.Join(b.TempDir(), "db"), store.Options{Shards: 4, Logger: slog.New(slog.DiscardHandler)})
	}},
	{"postgres", func(b *testing.B) (store.Store, error) {
		return postgres.Open(b.Context(), pgtest.Database(b), store.Options{Shards: 4, Logger: slog.New(slog.DiscardHandler)})
	}},
}

func newStoredQueue(b *testing.B, open func(*testing.B) (store.Store, error)) *storedQueue {
	s, err := open(b)
	require.NoError(b, err)
	q := &storedQueue{b: b, store: s, history: &countingHistory{drained: make(chan struct{})}}
	q.start()
	return q
}

// start makes an engine that takes all shards.
func (q *storedQueue) start() {
	leases := &heldLeases{}
	q.engine = matching.New(matching.Config{Store: q.store, Leases: leases})
	q.engine.SetHistory(q.history)
	require.NoError(q.b, q.engine.Start(q.b.Context()))
	shards, err := q.store.Shards(q.b.Context())
	require.NoError(q.b, err)
	for _, shard := range shards {
		acquired, err := q.store.Acquire(q.b.Context(), shard.ID, shard.Epoch, "bench")
		require.NoError(q.b, err)
		leases.set(acquired)
		q.engine.ShardAcquired(shard.ID)
	}
}

// restart lets another engine take over, and tells how long it takes until it
// answers what waits.
func (q *storedQueue) restart(count int) time.Duration {
	require.NoError(q.b, q.engine.Stop(context.Background()))
	began := time.Now()
	q.start()
	require.Eventually(q.b, func() bool {
		got, err := q.engine.DescribeTaskQueue(q.b.Context(), ns, &workflowservice.DescribeTaskQueueRequest{
			TaskQueue: &taskqueuepb.TaskQueue{Name: queue().Name}, ReportStats: true,
		})
		require.NoError(q.b, err)
		stats := got.StatsByPriorityKey[3]
		return stats.ApproximateBacklogCount == int64(count) && stats.ApproximateBacklogAge.AsDuration() > 0
	}, time.Minute, time.Millisecond)
	return time.Since(began)
}

// fill stores tasks of a number of keys, with so many on their way at a time.
func (q *storedQueue) fill(count, keys int) {
	const underway = 20_000
	turns := make(chan struct{}, underway)
	for i := range count {
		turns <- struct{}{}
		x := task(queue(), fmt.Sprintf("workflow-%08d", i))
		x.FairnessKey = fmt.Sprintf("tenant-%d", i%keys)
		q.engine.Offer(x, func(outcome cluster.Outcome) {
			if outcome != cluster.Stored {
				q.b.Errorf("outcome %d", outcome)
			}
			<-turns
		})
	}
	for range underway {
		turns <- struct{}{}
	}
}

// empty waits until everything that was started has left the store, too.
func (q *storedQueue) empty() {
	require.Eventually(q.b, func() bool {
		for shard := int32(1); shard <= 4; shard++ {
			queues, err := q.store.Queues(q.b.Context(), shard)
			if err != nil || len(queues) > 0 {
				return false
			}
		}
		return true
	}, time.Minute, 20*time.Millisecond)
}

func (q *storedQueue) close() {
	require.NoError(q.b, q.engine.Stop(context.Background()))
	require.NoError(q.b, q.store.Close())
}

// BenchmarkBacklog stores tasks and takes them out again; an operation is one
// task. Run it with -benchtime 1000000x for a long backlog.
func BenchmarkBacklog(b *testing.B) {
	for _, backend := range backends {
		for _, keys := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/keys=%d", backend.name, keys), func(b *testing.B) {
				q := newStoredQueue(b, backend.open)
				q.history.left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				q.fill(b.N, keys)
				filled := b.Elapsed()
				b.StopTimer()
				b.ReportMetric(float64(q.restart(b.N).Milliseconds()), "restart_ms")
				b.StartTimer()
				stop := pollAll(b, q.engine, 64)
				<-q.history.drained
				stop()
				q.empty()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/filled.Seconds(), "filled/s")
				b.ReportMetric(float64(b.N)/(b.Elapsed()-filled).Seconds(), "drained/s")
				q.close()
			})
		}
	}
}

// BenchmarkSmallTenant is one task at a time of a small tenant: in an idle
// queue, and beside the backlog of a big one which 64 polls work at. It tells
// how long a task waits from its offer to its start.
func BenchmarkSmallTenant(b *testing.B) {
	for _, stored := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("stored=%d", stored), func(b *testing.B) {
			q := newStoredQueue(b, backends[2].open)
			q.history.left.Store(1 << 60)
			begun := make(chan time.Time, 1)
			q.history.started = func(x *cluster.Task) {
				if x.FairnessKey == "small" {
					begun <- time.Now()
				}
			}
			q.fill(stored, 1)
			stop := pollAll(b, q.engine, 64)
			var waits []time.Duration
			for b.Loop() {
				x := task(queue(), "wf")
				x.FairnessKey = "small"
				offered := time.Now()
				q.engine.Offer(x, func(cluster.Outcome) {})
				waits = append(waits, (<-begun).Sub(offered))
			}
			stop()
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50_us")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99_us")
			q.close()
		})
	}
}
