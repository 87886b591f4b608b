package workers_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/workers"
)

// BenchmarkFullRegistry fills a registry with usual heartbeats, then measures
// heartbeats and filtered lists of it; bytes/worker is what one takes of memory.
func BenchmarkFullRegistry(b *testing.B) {
	const count = 1_000_000
	registry := workers.New(workers.Config{Limits: workers.Limits{
		Age: time.Hour, Workers: 2 * count, Bytes: 8 << 30, HeartbeatBytes: 16 << 10, Page: 1000,
	}})
	record := func(i int) {
		beat := fullHeartbeat()
		beat.WorkerInstanceKey, beat.TaskQueue = fmt.Sprintf("01a20d7b-4e04-7275-9d4b-%012d", i), fmt.Sprint("queue-", i%1000)
		require.NoError(b, (&rig{registry: registry}).tryRecord(shop, beat))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range count {
		record(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perWorker := float64(after.HeapAlloc-before.HeapAlloc) / count
	b.Run("heartbeat", func(b *testing.B) {
		for i := range b.N {
			record(i % count)
		}
		b.ReportMetric(perWorker, "bytes/worker")
	})
	b.Run("list", func(b *testing.B) {
		for range b.N {
			got, err := registry.ListWorkers(b.Context(), shop, &workflowservice.ListWorkersRequest{Query: "TaskQueue = 'queue-7'", PageSize: 100})
			require.NoError(b, err)
			require.Len(b, got.GetWorkers(), 100)
		}
	})
}
