package matching_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

func benchEngine(b *testing.B) *matching.Engine {
	data, err := memory.New(1)
	require.NoError(b, err)
	engine := matching.New(matching.Config{Store: data.Open(), Leases: &heldLeases{}})
	engine.SetHistory(instantHistory{})
	require.NoError(b, engine.Start(context.Background()))
	b.Cleanup(func() { require.NoError(b, engine.Stop(context.Background())) })
	b.ReportAllocs()
	return engine
}

// BenchmarkSyncMatch is an offer and then a poll that finds it in memory.
func BenchmarkSyncMatch(b *testing.B) {
	engine := benchEngine(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request := pollRequest(queue())
	b.RunParallel(func(pb *testing.PB) {
		x := task(queue(), "wf")
		for pb.Next() {
			engine.Offer(x, func(cluster.Outcome) {})
			if _, err := engine.PollWorkflowTaskQueue(ctx, ns, request); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkOneQueue is many owners that offer to one queue, one task each at a
// time, and 64 polls: what a single queue carries, for one tenant and for many.
func BenchmarkOneQueue(b *testing.B) {
	for _, keys := range []int{1, 1000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			engine := benchEngine(b)
			stop := pollAll(b, engine, 64)
			b.SetParallelism(32)
			number := atomic.Int64{}
			b.RunParallel(func(pb *testing.PB) {
				taken := make(chan struct{})
				for pb.Next() {
					x := task(queue(), "wf")
					x.FairnessKey = fmt.Sprint(number.Add(1) % int64(keys))
					engine.Offer(x, func(cluster.Outcome) { taken <- struct{}{} })
					<-taken
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			stop()
		})
	}
}

// pollAll keeps so many polls open.
func pollAll(b *testing.B, engine *matching.Engine, count int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var pollers sync.WaitGroup
	for range count {
		pollers.Go(func() {
			for ctx.Err() == nil {
				if _, err := engine.PollWorkflowTaskQueue(ctx, ns, pollRequest(queue())); err != nil {
					b.Error(err)
				}
			}
		})
	}
	return func() {
		cancel()
		pollers.Wait()
	}
}

// BenchmarkWaitingPolls is an offer that wakes one of 64 polls, all in one queue.
func BenchmarkWaitingPolls(b *testing.B) {
	engine := benchEngine(b)
	stop := pollAll(b, engine, 64)
	var taken sync.WaitGroup
	x := task(queue(), "wf")
	for b.Loop() {
		taken.Add(1)
		engine.Offer(x, func(cluster.Outcome) { taken.Done() })
	}
	taken.Wait()
	stop()
}
