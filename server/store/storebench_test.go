package store_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/postgres"
	"perdure/server/store/sqlite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// The load of a no-op workflow: a run is inserted with its first events, then
// closed with the rest; 850 B of events and 1.4 KB of state a transition, a
// third of it random.
const (
	eventBytes = 850
	stateBytes = 1400
	taskBytes  = 150
)

func BenchmarkCommit(b *testing.B) {
	options := store.Options{Shards: 4, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	backends := []struct {
		name string
		open func(b *testing.B) (store.Store, error)
	}{
		{"memory", func(*testing.B) (store.Store, error) { return memory.Open(4) }},
		{"sqlite", func(b *testing.B) (store.Store, error) {
			return sqlite.Open(b.Context(), "sqlite://"+filepath.Join(b.TempDir(), "db"), options)
		}},
		{"postgres", func(b *testing.B) (store.Store, error) {
			return postgres.Open(b.Context(), pgtest.Database(b), options)
		}},
	}
	for _, backend := range backends {
		for _, drivers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/drivers=%d", backend.name, drivers), func(b *testing.B) {
				s, err := backend.open(b)
				require.NoError(b, err)
				bench(b, s, drivers)
				require.NoError(b, s.Close())
			})
		}
	}
}

// transition is one waiting driver's part of the next group.
type transition struct {
	run  store.ExecutionWrite
	done chan error
}

// bench drives a closed loop: each driver waits for its commit. One committer
// takes whatever waits; an operation is one transition.
func bench(b *testing.B, s store.Store, drivers int) {
	leases := acquireAll(b, s)
	queue := make(chan *transition, drivers)
	var committer sync.WaitGroup
	committer.Go(func() { commitLoop(s, leases, queue, drivers) })
	share := make(chan struct{}, b.N)
	for range b.N {
		share <- struct{}{}
	}
	close(share)
	latencies := make([][]time.Duration, drivers)
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for id := range drivers {
		group.Go(func() { latencies[id] = drive(b, id, queue, share) })
	}
	group.Wait()
	b.StopTimer()
	close(queue)
	committer.Wait()
	report(b, s, latencies)
}

func acquireAll(b *testing.B, s store.Store) map[int32]store.Lease {
	shards, err := s.Shards(b.Context())
	require.NoError(b, err)
	leases := map[int32]store.Lease{}
	for _, shard := range shards {
		acquired, err := s.Acquire(b.Context(), shard.ID, shard.Epoch, "bench")
		require.NoError(b, err)
		leases[shard.ID] = acquired.Lease
	}
	return leases
}

func drive(b *testing.B, id int, queue chan<- *transition, share <-chan struct{}) []time.Duration {
	var latencies []time.Duration
	random := rand.NewChaCha8([32]byte{byte(id), byte(id >> 8)})
	t := &transition{done: make(chan error, 1)}
	for number := int64(0); ; number++ {
		if _, more := <-share; !more {
			return latencies
		}
		if number%2 == 0 {
			t.run = newRun(id, number/2)
		} else {
			t.run.PrevVersion, t.run.Version, t.run.NextEvent = 1, 2, 9
			t.run.ClosedAt = time.Now()
		}
		t.run.State = blob(random, stateBytes)
		began := time.Now()
		queue <- t
		if err := <-t.done; err != nil {
			b.Error(err)
			return nil
		}
		latencies = append(latencies, time.Since(began))
	}
}

func newRun(driver int, number int64) store.ExecutionWrite {
	exec := number*1024 + int64(driver) + 1
	slot := int32(exec * 2654435761 % store.SlotCount)
	id := fmt.Sprintf("order-%d-%d", driver, number)
	return store.ExecutionWrite{Execution: store.Execution{
		Key:       store.ExecutionKey{Slot: slot, Exec: exec},
		Workflow:  store.WorkflowKey{Slot: slot, Hash: exec * 0x5DEECE66D * 7919, NamespaceID: "0b5f7a34-95a5-4a2e-8f57-3a1f3b0c8a11", WorkflowID: id},
		RunID:     fmt.Sprintf("%08x-0000-4000-8000-%012x", slot, exec),
		RequestID: fmt.Sprintf("%08x-0000-4000-9000-%012x", slot, exec),
		Status:    1, NextEvent: 4, Version: 1,
	}}
}

func blob(random io.Reader, size int) []byte {
	data := make([]byte, size)
	_, _ = random.Read(data[:size*3/10]) // never fails
	return data
}

// commitLoop makes one group of all that waits, as the history service does.
func commitLoop(s store.Store, leases map[int32]store.Lease, queue <-chan *transition, drivers int) {
	seqs := map[int32]int64{}
	var waiting []*transition
	for first := range queue {
		waiting = append(waiting[:0], first)
		for more := true; more && len(waiting) < drivers; {
			select {
			case t, open := <-queue:
				if more = open; open {
					waiting = append(waiting, t)
				}
			default:
				more = false
			}
		}
		err := s.Commit(context.Background(), gather(waiting, leases, seqs))
		for _, t := range waiting {
			t.done <- err
		}
	}
}

func gather(waiting []*transition, leases map[int32]store.Lease, seqs map[int32]int64) store.Group {
	parts := map[int32]*store.ShardGroup{}
	events, tasks := make([]byte, eventBytes), make([]byte, taskBytes)
	for _, t := range waiting {
		shard := t.run.Key.Slot/(store.SlotCount/4) + 1
		part := parts[shard]
		if part == nil {
			seqs[shard]++
			part = &store.ShardGroup{Lease: leases[shard], Log: &store.LogRow{Seq: seqs[shard]}}
			parts[shard] = part
		}
		part.Executions = append(part.Executions, t.run)
		first := int64(1)
		if t.run.Version == 2 {
			first = 4
		}
		copy(events, t.run.State)
		part.History = append(part.History, store.Batch{Key: t.run.Key, FirstEvent: first, NextEvent: t.run.NextEvent, Data: events})
		part.Log.Data = append(part.Log.Data, tasks...)
	}
	var group store.Group
	for _, part := range parts {
		group.Shards = append(group.Shards, *part)
	}
	return group
}

func report(b *testing.B, s store.Store, latencies [][]time.Duration) {
	var all []time.Duration
	for _, one := range latencies {
		all = append(all, one...)
	}
	slices.Sort(all)
	at := func(share float64) float64 { return all[int(share*float64(len(all)-1))].Seconds() * 1000 }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transitions/s")
	b.ReportMetric(at(0.5), "p50_ms")
	b.ReportMetric(at(0.99), "p99_ms")
	if counted, ok := s.(interface{ Stats() store.Stats }); ok {
		stats := counted.Stats()
		b.ReportMetric(float64(b.N)/float64(stats.Commits), "transitions/commit")
	}
}
