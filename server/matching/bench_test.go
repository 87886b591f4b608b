package matching_test

import (
	"context"
	"sync"
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

// BenchmarkWaitingPolls is an offer that wakes one of 64 polls, all in one queue.
func BenchmarkWaitingPolls(b *testing.B) {
	engine := benchEngine(b)
	ctx, cancel := context.WithCancel(context.Background())
	var pollers sync.WaitGroup
	for range 64 {
		pollers.Go(func() {
			for ctx.Err() == nil {
				if _, err := engine.PollWorkflowTaskQueue(ctx, ns, pollRequest(queue())); err != nil {
					b.Error(err)
				}
			}
		})
	}
	var taken sync.WaitGroup
	x := task(queue(), "wf")
	for b.Loop() {
		taken.Add(1)
		engine.Offer(x, func(cluster.Outcome) { taken.Done() })
	}
	taken.Wait()
	cancel()
	pollers.Wait()
}
