package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testNewStore(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	require.Len(t, shards, ShardCount)
	slot := int32(0)
	for i, shard := range shards {
		if i > 0 {
			require.Greater(t, shard.ID, shards[i-1].ID, "in order of id")
		}
		require.NotZero(t, shard.ID)
		require.Equal(t, slot, shard.FirstSlot, "no gap and no overlap")
		require.GreaterOrEqual(t, shard.LastSlot, shard.FirstSlot)
		require.Zero(t, shard.Epoch)
		require.Empty(t, shard.Owner)
		require.True(t, shard.RenewedAt.IsZero())
		slot = shard.LastSlot + 1
	}
	require.EqualValues(t, store.SlotCount, slot, "every slot has a shard")
}

func testReopen(t *testing.T, f *fixture) {
	a := f.owned(t)
	write := start("kept", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{
		Lease:      a.Lease,
		Executions: []store.ExecutionWrite{write},
		History:    []store.Batch{batch(write.Key, 1, 3)},
		Log:        logRow(1),
	})
	before, err := f.store.Shards(t.Context())
	require.NoError(t, err)

	f.reopen(t)
	after, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	found, err := f.store.Load(t.Context(), write.Key)
	require.NoError(t, err)
	require.Equal(t, write.State, found.State)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{next(*found)}})
}

func testClosedHandle(t *testing.T, f *fixture) {
	other := f.handle(t)
	a := f.owned(t)
	require.NoError(t, f.store.Close())
	require.NoError(t, f.store.Close(), "twice does nothing")
	_, err := f.store.Shards(t.Context())
	require.Error(t, err)
	require.Error(t, f.store.Commit(t.Context(), group(store.ShardGroup{Lease: a.Lease, Log: logRow(1)})))
	rows, err := other.ReadLog(t.Context(), a.Lease.Shard, 0, 10)
	require.NoError(t, err)
	require.Empty(t, rows)
}

func testLeaseCycle(t *testing.T, f *fixture) {
	before := time.Now().Add(-time.Minute) // the store's clock may differ a little
	id := f.firstShard(t)
	a := f.acquire(t, id, "node-a")
	require.Equal(t, store.Lease{Shard: id, Epoch: 1}, a.Lease)
	require.Empty(t, a.Cursors)
	require.Zero(t, a.LastSeq)

	row := f.shardRow(t, id)
	require.Equal(t, "node-a", row.Owner)
	require.EqualValues(t, 1, row.Epoch)
	require.Equal(t, row.FirstSlot, a.FirstSlot)
	require.Equal(t, row.LastSlot, a.LastSlot)
	require.True(t, row.RenewedAt.After(before))

	lost, err := f.store.Renew(t.Context(), []store.Lease{a.Lease})
	require.NoError(t, err)
	require.Empty(t, lost)
	require.False(t, f.shardRow(t, id).RenewedAt.Before(row.RenewedAt))

	require.NoError(t, f.store.Release(t.Context(), []store.Lease{a.Lease}))
	row = f.shardRow(t, id)
	require.Empty(t, row.Owner)
	require.EqualValues(t, 1, row.Epoch)
	require.EqualValues(t, 2, f.acquire(t, id, "node-b").Lease.Epoch)

	require.NoError(t, f.store.Release(t.Context(), []store.Lease{a.Lease}), "a lost lease is ignored")
	require.Equal(t, "node-b", f.shardRow(t, id).Owner)
}

func testAcquireStale(t *testing.T, f *fixture) {
	id := f.firstShard(t)
	f.acquire(t, id, "node-a")
	for _, epoch := range []int64{0, 2, -1} {
		_, err := f.store.Acquire(t.Context(), id, epoch, "node-b")
		require.ErrorIs(t, err, store.ErrLeaseLost)
	}
	_, err := f.store.Acquire(t.Context(), 9999, 0, "node-b")
	require.ErrorIs(t, err, store.ErrLeaseLost, "no such shard")
	require.Equal(t, "node-a", f.shardRow(t, id).Owner)
}

func testRenewLost(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	leases := make([]store.Lease, len(shards))
	for i, shard := range shards {
		leases[i] = f.acquire(t, shard.ID, "node-a").Lease
	}
	f.acquire(t, shards[1].ID, "node-b")
	lost, err := f.store.Renew(t.Context(), leases)
	require.NoError(t, err)
	require.Equal(t, []store.Lease{leases[1]}, lost)

	lost, err = f.store.Renew(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, lost)
}

func testTwoOwners(t *testing.T, f *fixture) {
	other := f.handle(t)
	row := f.shardRow(t, f.firstShard(t))
	type answer struct {
		acquired store.Acquired
		err      error
	}
	answers := make(chan answer, 2)
	for _, s := range []store.Store{f.store, other} {
		go func() {
			acquired, err := s.Acquire(t.Context(), row.ID, row.Epoch, "node")
			answers <- answer{acquired, err}
		}()
	}
	won := 0
	for range 2 {
		if a := <-answers; a.err == nil {
			won++
			require.Equal(t, store.Lease{Shard: row.ID, Epoch: row.Epoch + 1}, a.acquired.Lease)
		} else {
			require.ErrorIs(t, a.err, store.ErrLeaseLost)
		}
	}
	require.Equal(t, 1, won)
}

func testDeposedAfterTrim(t *testing.T, f *fixture) {
	old := f.owned(t)
	run := start("w", old.FirstSlot, 1)
	waiting := task(queue(old.FirstSlot, "q"), 1)
	f.commit(t, store.ShardGroup{Lease: old.Lease, Executions: []store.ExecutionWrite{run}, Log: logRow(1)})
	require.NoError(t, f.store.AppendTasks(t.Context(), old.Lease, []store.QueueTask{waiting}))

	// The new owner trims, so that the old owner's next log row finds its place free.
	other := f.handle(t)
	taken := acquireOn(t, other, f.shardRow(t, old.Lease.Shard), "node-b")
	require.EqualValues(t, 1, taken.LastSeq)
	require.NoError(t, other.Commit(t.Context(), group(store.ShardGroup{Lease: taken.Lease, Log: logRow(2)})))
	require.NoError(t, other.Checkpoint(t.Context(), taken.Lease, store.Checkpoint{Cursors: []byte("b"), Trim: 2}))

	ctx := t.Context()
	refusals := map[string]error{
		"commit of a log row": f.store.Commit(ctx, group(store.ShardGroup{Lease: old.Lease, Log: logRow(2)})),
		"commit of a run":     f.store.Commit(ctx, group(store.ShardGroup{Lease: old.Lease, Executions: []store.ExecutionWrite{next(run.Execution)}})),
		"commit of nothing":   f.store.Commit(ctx, group(store.ShardGroup{Lease: old.Lease})),
		"checkpoint":          f.store.Checkpoint(ctx, old.Lease, store.Checkpoint{Cursors: []byte("a"), Trim: 9, Set: []store.Wake{{WakeAt: sampleTime, Key: run.Key}}}),
		"append tasks":        f.store.AppendTasks(ctx, old.Lease, []store.QueueTask{task(waiting.Queue, 2)}),
		"delete tasks":        f.store.DeleteTasks(ctx, old.Lease, taskKeys(waiting.Queue, 1)),
		"delete runs":         f.store.DeleteExecutions(ctx, old.Lease, []store.ExecutionKey{run.Key}),
	}
	for what, err := range refusals {
		require.ErrorIs(t, err, store.ErrLeaseLost, what)
	}

	rows, err := other.ReadLog(ctx, old.Lease.Shard, 0, 10)
	require.NoError(t, err)
	require.Empty(t, rows)
	found, err := other.Load(ctx, run.Key)
	require.NoError(t, err)
	require.EqualValues(t, 1, found.Version)
	tasks, err := other.ReadTasks(ctx, readLane(waiting.Queue, 0, 10))
	require.NoError(t, err)
	require.Equal(t, []store.QueueTask{waiting}, tasks)
	wakes, err := other.Wakes(ctx, old.Lease.Shard, sampleTime.Add(time.Hour), store.Wake{}, 10)
	require.NoError(t, err)
	require.Empty(t, wakes)
	again := acquireOn(t, other, f.shardRow(t, old.Lease.Shard), "node-c")
	require.Equal(t, "b", string(again.Cursors))
	require.EqualValues(t, 2, again.LastSeq)
}

func testGroupFence(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	held := f.acquire(t, shards[0].ID, "node-a")
	lost := f.acquire(t, shards[1].ID, "node-a")
	f.acquire(t, shards[1].ID, "node-b")
	first, second := start("a", held.FirstSlot, 1), start("b", lost.FirstSlot, 2)
	err = f.store.Commit(t.Context(), group(
		store.ShardGroup{Lease: held.Lease, Executions: []store.ExecutionWrite{first}, Log: logRow(1)},
		store.ShardGroup{Lease: lost.Lease, Executions: []store.ExecutionWrite{second}, Log: logRow(1)},
	))
	require.ErrorIs(t, err, store.ErrLeaseLost)
	for _, key := range []store.ExecutionKey{first.Key, second.Key} {
		_, err := f.store.Load(t.Context(), key)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}
