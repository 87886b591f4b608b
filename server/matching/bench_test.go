package matching_test

import (
	"context"
	"testing"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

// BenchmarkSyncMatch is one offer and one poll that meet in memory.
func BenchmarkSyncMatch(b *testing.B) {
	data, err := memory.New(1)
	if err != nil {
		b.Fatal(err)
	}
	engine := matching.New(matching.Config{Store: data.Open(), Leases: &heldLeases{}})
	engine.SetHistory(instantHistory{response: pollResponse()})
	if err := engine.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request := pollRequest(queue())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := task(queue(), "wf")
		for pb.Next() {
			engine.Offer(x, func(cluster.Outcome) {})
			if _, err := engine.PollWorkflowTaskQueue(ctx, ns, request); err != nil {
				b.Error(err)
			}
		}
	})
	if err := engine.Stop(ctx); err != nil {
		b.Fatal(err)
	}
}
