package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testCurrent(t *testing.T, f *fixture) {
	a := f.owned(t)
	first, newest, other := start("w", a.FirstSlot, 2), start("w", a.FirstSlot, 9), start("x", a.FirstSlot, 11)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{first}})
	// The newest run is the one with the highest Exec, whichever came or changed last.
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{
		finish(first.Execution, sampleTime), newest, start("w", a.FirstSlot, 5), other,
	}})
	keys := []store.WorkflowKey{workflow(a.FirstSlot, "w"), workflow(a.FirstSlot, "none"), workflow(a.FirstSlot, "x"), workflow(a.FirstSlot, "w")}
	found, err := f.store.Current(t.Context(), keys)
	require.NoError(t, err)
	require.Len(t, found, len(keys))
	require.Equal(t, &newest.Execution, found[0])
	require.Nil(t, found[1])
	require.Equal(t, &other.Execution, found[2])
	require.Equal(t, found[0], found[3], "the same key twice")

	none, err := f.store.Current(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func testHashCollision(t *testing.T, f *fixture) {
	a := f.owned(t)
	one, two, three := start("one", a.FirstSlot, 1), start("two", a.FirstSlot, 2), start("one", a.FirstSlot, 3)
	two.Workflow.Hash = one.Workflow.Hash
	three.Workflow.NamespaceID = "5b0a3f0e-59b4-4b0a-8f7a-0d5b6f3a2c22"
	three.Workflow.Hash = one.Workflow.Hash
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{one, two, three}})
	absent := one.Workflow
	absent.WorkflowID = "absent"
	found, err := f.store.Current(t.Context(), []store.WorkflowKey{one.Workflow, two.Workflow, three.Workflow, absent})
	require.NoError(t, err)
	require.Equal(t, []*store.Execution{&one.Execution, &two.Execution, &three.Execution, nil}, found)

	_, err = f.store.Run(t.Context(), one.Workflow, two.RunID)
	require.ErrorIs(t, err, store.ErrNotFound, "the run of another workflow")
	run, err := f.store.Run(t.Context(), three.Workflow, three.RunID)
	require.NoError(t, err)
	require.Equal(t, &three.Execution, run)
}

// trickyIDs are texts that a collation, an encoding or a padding rule would mix up.
func trickyIDs() []string {
	return []string{
		"order", "Order", "ORDER", "order ", " order", "ordér", "orde\u0301r", "straße", "strasse", "STRASSE",
		"ı", "i", "İ", "I", "日本語", "🚀🚀", "\u200border", "a\\b", `a\\b`, `a\x00b`, "a\x00b", "a\x00", "a", "\x00",
		"'; DROP TABLE execution; --", "%", "_", "tab\tnewline\n", "invalid \xff\xfe utf-8", "\xef\xbb\xbfbom",
		"{a,b}", `"quoted"`, "NULL", strings.Repeat("x", 1000), strings.Repeat("x", 999) + "y", strings.Repeat("é", 500),
		strings.Repeat("\x00", 1000), strings.Repeat("\\", 1000),
	}
}

func testExactIDs(t *testing.T, f *fixture) {
	a := f.owned(t)
	part := store.ShardGroup{Lease: a.Lease}
	var keys []store.WorkflowKey
	var tasks []store.QueueTask
	for i, id := range trickyIDs() {
		write := start(id, a.FirstSlot, int64(i)+1)
		write.Workflow.Hash = 7 // all collide, so that only the text tells them apart
		part.Executions = append(part.Executions, write)
		keys = append(keys, write.Workflow)
		tasks = append(tasks, task(queue(a.FirstSlot, id), 1))
		require.NoError(t, f.store.PutMeta(t.Context(), store.Meta{Kind: "kind", Key: id, Version: 1, Data: []byte(id)}))
	}
	f.commit(t, part)
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, tasks))

	found, err := f.store.Current(t.Context(), keys)
	require.NoError(t, err)
	queues, err := f.store.Queues(t.Context(), a.Lease.Shard)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, q := range queues {
		names[q.Queue.Name] = true
	}
	require.Len(t, names, len(keys))
	for i, id := range trickyIDs() {
		require.Equal(t, &part.Executions[i].Execution, found[i], "%q", id)
		run, err := f.store.Run(t.Context(), keys[i], part.Executions[i].RunID)
		require.NoError(t, err)
		require.Equal(t, id, run.Workflow.WorkflowID)
		require.Equal(t, "request-"+id, run.RequestID)
		read, err := f.store.ReadTasks(t.Context(), readLane(tasks[i].Queue, 0, 10))
		require.NoError(t, err)
		require.Equal(t, []store.QueueTask{tasks[i]}, read)
		require.True(t, names[id], "%q", id)
		meta, err := f.store.Meta(t.Context(), "kind", id)
		require.NoError(t, err)
		require.Equal(t, id, string(meta.Data))
	}
}

func testRunLoad(t *testing.T, f *fixture) {
	a := f.owned(t)
	first, second := start("w", a.FirstSlot, 1), start("w", a.FirstSlot, 2)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{first, second}})
	run, err := f.store.Run(t.Context(), first.Workflow, first.RunID)
	require.NoError(t, err)
	require.Equal(t, &first.Execution, run)
	for _, id := range []string{"", "no uuid", "FFFFFFFF-0000-4000-8000-000000000001", "nul\x00", "\xff"} {
		_, err = f.store.Run(t.Context(), first.Workflow, id)
		require.ErrorIs(t, err, store.ErrNotFound, "%q", id)
	}
	_, err = f.store.Run(t.Context(), workflow(a.FirstSlot, "other"), first.RunID)
	require.ErrorIs(t, err, store.ErrNotFound)
	loaded, err := f.store.Load(t.Context(), second.Key)
	require.NoError(t, err)
	require.Equal(t, &second.Execution, loaded)
	_, err = f.store.Load(t.Context(), store.ExecutionKey{Slot: a.FirstSlot, Exec: 3})
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = f.store.Load(t.Context(), store.ExecutionKey{Slot: a.FirstSlot + 1, Exec: 1})
	require.ErrorIs(t, err, store.ErrNotFound)
}

func testLoadAll(t *testing.T, f *fixture) {
	a := f.owned(t)
	first, second := start("v", a.FirstSlot, 1), start("w", a.FirstSlot, 2)
	batch := store.Batch{Key: second.Key, FirstEvent: 1, NextEvent: 3, Data: []byte("begin")}
	later := store.Batch{Key: second.Key, FirstEvent: 3, NextEvent: 4, Data: []byte("later")}
	f.commit(t, store.ShardGroup{
		Lease: a.Lease, Executions: []store.ExecutionWrite{first, second}, History: []store.Batch{batch, later},
	})
	absent := store.ExecutionKey{Slot: a.FirstSlot, Exec: 3}
	found, err := f.store.LoadAll(t.Context(), []store.ExecutionKey{second.Key, absent, first.Key, second.Key})
	require.NoError(t, err)
	whole := store.Loaded{Execution: &second.Execution, First: batch}
	require.Equal(t, []store.Loaded{whole, {}, {Execution: &first.Execution}, whole}, found)

	none, err := f.store.LoadAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func testClosedPages(t *testing.T, f *fixture) {
	a := f.owned(t)
	part := store.ShardGroup{Lease: a.Lease}
	var want []*store.Execution
	for exec := int64(1); exec <= 20; exec++ {
		for slot := a.FirstSlot; slot < a.FirstSlot+3; slot++ {
			write := start(fmt.Sprintf("w-%d", exec), slot, exec)
			switch exec % 4 {
			case 0: // open
			case 1:
				write.Workflow.NamespaceID, write.ClosedAt = "5b0a3f0e-59b4-4b0a-8f7a-0d5b6f3a2c22", sampleTime
			case 2:
				write.ClosedAt = sampleTime.Add(time.Hour) // not before the time asked for
			case 3:
				write.ClosedAt = sampleTime.Add(time.Hour - time.Microsecond*time.Duration(exec))
				want = append(want, &write.Execution)
			}
			part.Executions = append(part.Executions, write)
		}
	}
	f.commit(t, part)
	var got []*store.Execution
	for after := (store.ExecutionKey{}); ; after = got[len(got)-1].Key {
		page, err := f.store.Closed(t.Context(), namespaceID, sampleTime.Add(time.Hour), after, 4)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 4)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	require.Equal(t, want, got)
}

func testExecutionPages(t *testing.T, f *fixture) {
	a := f.owned(t)
	part := store.ShardGroup{Lease: a.Lease}
	var want []*store.Execution
	for exec := int64(1); exec <= 5; exec++ {
		for slot := a.FirstSlot; slot < a.FirstSlot+3; slot++ {
			write := start(fmt.Sprintf("w-%d", exec), slot, exec)
			if exec%2 == 0 {
				write.ClosedAt = sampleTime
			}
			part.Executions = append(part.Executions, write)
			want = append(want, &write.Execution)
		}
	}
	f.commit(t, part)
	var got []*store.Execution
	for after := (store.ExecutionKey{}); ; after = got[len(got)-1].Key {
		page, err := f.store.Executions(t.Context(), after, 4)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 4)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	require.Equal(t, want, got)
}

func testDeleteExecutions(t *testing.T, f *fixture) {
	a := f.owned(t)
	gone, kept := start("w", a.FirstSlot, 2), start("w", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{
		Lease: a.Lease, Executions: []store.ExecutionWrite{gone, kept},
		History: []store.Batch{batch(gone.Key, 1, 3), batch(gone.Key, 3, 4), batch(kept.Key, 1, 3)},
	})
	require.NoError(t, f.store.Checkpoint(t.Context(), a.Lease, store.Checkpoint{Set: []store.Wake{{WakeAt: sampleTime, Key: gone.Key}}}))
	missing := store.ExecutionKey{Slot: a.FirstSlot, Exec: 77}
	require.NoError(t, f.store.DeleteExecutions(t.Context(), a.Lease, []store.ExecutionKey{gone.Key, missing}))
	require.NoError(t, f.store.DeleteExecutions(t.Context(), a.Lease, nil))

	_, err := f.store.Load(t.Context(), gone.Key)
	require.ErrorIs(t, err, store.ErrNotFound)
	batches, err := f.store.History(t.Context(), gone.Key, 1, 100, 10)
	require.NoError(t, err)
	require.Empty(t, batches)
	wakes, err := f.store.Wakes(t.Context(), a.Lease.Shard, sampleTime.Add(time.Hour), store.Wake{}, 10)
	require.NoError(t, err)
	require.Empty(t, wakes)
	found, err := f.store.Current(t.Context(), []store.WorkflowKey{gone.Workflow})
	require.NoError(t, err)
	require.Equal(t, &kept.Execution, found[0])
	batches, err = f.store.History(t.Context(), kept.Key, 1, 100, 10)
	require.NoError(t, err)
	require.Len(t, batches, 1)
}
