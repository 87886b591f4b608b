package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testInsertUpdate(t *testing.T, f *fixture) {
	a := f.owned(t)
	first := start("w", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{first}})
	second := next(first.Execution)
	jump := next(second.Execution)
	jump.PrevVersion, jump.Version = first.Version, 7 // several transitions merged into one row
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{jump}})
	found, err := f.store.Load(t.Context(), first.Key)
	require.NoError(t, err)
	require.EqualValues(t, 7, found.Version)
	require.Equal(t, jump.State, found.State)

	err = f.store.Commit(t.Context(), group(store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{second}}))
	require.ErrorIs(t, err, store.ErrConflict)
}

func testColumns(t *testing.T, f *fixture) {
	a := f.owned(t)
	write := start("w", a.LastSlot, 1<<40)
	write.Workflow.Hash = -1 << 63
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{write}})
	found, err := f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.Equal(t, &write.Execution, found)
	require.True(t, found.ClosedAt.IsZero())

	closed := finish(write.Execution, sampleTime)
	closed.Workflow, closed.RunID, closed.RequestID = store.WorkflowKey{}, "", "" // not used by an update
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{closed}})
	found, err = f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	want := finish(write.Execution, sampleTime).Execution
	require.True(t, want.ClosedAt.Equal(found.ClosedAt))
	found.ClosedAt = want.ClosedAt
	require.Equal(t, &want, found)

	reopened := next(want) // a reset may do this: closed back to open
	reopened.ClosedAt = store.Execution{}.ClosedAt
	reopened.State = nil
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{reopened}})
	found, err = f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.True(t, found.ClosedAt.IsZero())
	require.Empty(t, found.State)
}

func testConflictAtomic(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	a, b := f.acquire(t, shards[0].ID, "o"), f.acquire(t, shards[1].ID, "o")
	stored := start("stored", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{stored}, Log: logRow(1)})

	fresh := start("fresh", b.FirstSlot, 2)
	good := next(stored.Execution)
	missing := next(start("missing", b.FirstSlot, 3).Execution)
	stale := next(stored.Execution)
	stale.PrevVersion = 5
	for name, bad := range map[string]store.ExecutionWrite{"missing": missing, "stale": stale} {
		part := store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{bad}, History: []store.Batch{batch(stored.Key, 3, 5)}, Log: logRow(2)}
		if name == "missing" {
			part.Executions = append(part.Executions, good)
		}
		err := f.store.Commit(t.Context(), group(
			store.ShardGroup{Lease: b.Lease, Executions: []store.ExecutionWrite{fresh}, History: []store.Batch{batch(fresh.Key, 1, 3)}, Log: logRow(1)},
			part,
		))
		require.ErrorIs(t, err, store.ErrConflict, name)
	}

	found, err := f.store.Load(t.Context(), stored.Key)
	require.NoError(t, err)
	require.Equal(t, &stored.Execution, found)
	_, err = f.store.Load(t.Context(), fresh.Key)
	require.ErrorIs(t, err, store.ErrNotFound)
	for _, key := range []store.ExecutionKey{fresh.Key, stored.Key} {
		batches, err := f.store.History(t.Context(), key, 1, 100, 10)
		require.NoError(t, err)
		require.Empty(t, batches)
	}
	rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(1)}, rows)
	rows, err = f.store.ReadLog(t.Context(), b.Lease.Shard, 0, 10)
	require.NoError(t, err)
	require.Empty(t, rows)
}

func testDuplicateRun(t *testing.T, f *fixture) {
	a := f.owned(t)
	write := start("w", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{write}})
	again := start("other", a.FirstSlot, 1)
	err := f.store.Commit(t.Context(), group(store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{again}}))
	require.ErrorIs(t, err, store.ErrConflict)
	found, err := f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.Equal(t, "w", found.Workflow.WorkflowID)
}

func testDuplicateRows(t *testing.T, f *fixture) {
	a := f.owned(t)
	key := store.ExecutionKey{Slot: a.FirstSlot, Exec: 1}
	f.commit(t, store.ShardGroup{Lease: a.Lease, History: []store.Batch{batch(key, 1, 3)}, Log: logRow(1)})
	err := f.store.Commit(t.Context(), group(store.ShardGroup{Lease: a.Lease, History: []store.Batch{batch(key, 1, 4)}, Log: logRow(2)}))
	require.ErrorIs(t, err, store.ErrConflict)
	err = f.store.Commit(t.Context(), group(store.ShardGroup{Lease: a.Lease, History: []store.Batch{batch(key, 3, 5)}, Log: logRow(1)}))
	require.ErrorIs(t, err, store.ErrConflict)
	batches, err := f.store.History(t.Context(), key, 1, 100, 10)
	require.NoError(t, err)
	require.Equal(t, []store.Batch{batch(key, 1, 3)}, batches)
}

func testEmptyGroup(t *testing.T, f *fixture) {
	require.NoError(t, f.store.Commit(t.Context(), store.Group{}))
	a := f.owned(t)
	f.commit(t, store.ShardGroup{Lease: a.Lease})
}

func testArgumentsNotKept(t *testing.T, f *fixture) {
	a := f.owned(t)
	write := start("w", a.FirstSlot, 1)
	events, row := batch(write.Key, 1, 3), logRow(1)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{write}, History: []store.Batch{events}, Log: row})
	for _, data := range [][]byte{write.State, events.Data, row.Data} {
		copy(data, "XXXXXX")
	}
	found, err := f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.Equal(t, start("w", a.FirstSlot, 1).State, found.State)
	batches, err := f.store.History(t.Context(), write.Key, 1, 3, 1)
	require.NoError(t, err)
	require.Equal(t, []store.Batch{batch(write.Key, 1, 3)}, batches)
	rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 1)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(1)}, rows)
}

func testLargeGroup(t *testing.T, f *fixture) {
	const runs = 3000
	a := f.owned(t)
	slots := a.LastSlot - a.FirstSlot + 1
	var inserts, updates store.ShardGroup
	inserts.Lease, updates.Lease = a.Lease, a.Lease
	inserts.Log, updates.Log = logRow(1), logRow(2)
	for i := range int32(runs) {
		write := start(fmt.Sprintf("w-%d", i), a.FirstSlot+i%slots, int64(i)+1)
		inserts.Executions = append(inserts.Executions, write)
		inserts.History = append(inserts.History, batch(write.Key, 1, 3))
		updates.Executions = append(updates.Executions, next(write.Execution))
		updates.History = append(updates.History, batch(write.Key, 3, 5))
	}
	f.commit(t, inserts)
	f.commit(t, updates)
	keys := make([]store.WorkflowKey, runs)
	for i := range keys {
		keys[i] = updates.Executions[i].Workflow
	}
	found, err := f.store.Current(t.Context(), keys)
	require.NoError(t, err)
	for i, run := range found {
		require.Equal(t, &updates.Executions[i].Execution, run)
	}
	updates.Executions[runs-1].PrevVersion = 2
	for i := range updates.Executions[:runs-1] {
		updates.Executions[i] = next(updates.Executions[i].Execution)
	}
	updates.History, updates.Log = nil, nil
	updates.Executions[runs-1].PrevVersion = 99
	require.ErrorIs(t, f.store.Commit(t.Context(), group(updates)), store.ErrConflict, "one row of thousands")
	run, err := f.store.Load(t.Context(), updates.Executions[0].Key)
	require.NoError(t, err)
	require.EqualValues(t, 2, run.Version)
}

func testLargeBlobs(t *testing.T, f *fixture) {
	const size = 3 << 20
	a := f.owned(t)
	blob := func(fill byte) []byte {
		data := bytes.Repeat([]byte{fill}, size)
		data[0], data[size-1] = 0, 255
		return data
	}
	write := start("w", a.FirstSlot, 1)
	write.State = blob('s')
	events := batch(write.Key, 1, 3)
	events.Data = blob('e')
	row := &store.LogRow{Seq: 1, Data: blob('l')}
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{write}, History: []store.Batch{events}, Log: row})
	waiting := task(queue(a.FirstSlot, "q"), 1)
	waiting.Data = blob('t')
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, []store.QueueTask{waiting}))

	f.reopen(t)
	found, err := f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.True(t, bytes.Equal(write.State, found.State))
	batches, err := f.store.History(t.Context(), write.Key, 1, 3, 10)
	require.NoError(t, err)
	require.True(t, bytes.Equal(events.Data, batches[0].Data))
	rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 10)
	require.NoError(t, err)
	require.True(t, bytes.Equal(row.Data, rows[0].Data))
	tasks, err := f.store.ReadTasks(t.Context(), readLane(waiting.Queue, 0, 10))
	require.NoError(t, err)
	require.True(t, bytes.Equal(waiting.Data, tasks[0].Data))
}
