package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testBacklog(t *testing.T, f *fixture) {
	a := f.owned(t)
	q := queue(a.FirstSlot, "q")
	// Each neighbour differs in one field only.
	neighbours := []store.QueueKey{q, q, q, q, q, q}
	neighbours[0].Slot++
	neighbours[1].NamespaceID = "5b0a3f0e-59b4-4b0a-8f7a-0d5b6f3a2c22"
	neighbours[2].Name = "Q"
	neighbours[3].Type = 1
	neighbours[4].Partition = 0
	neighbours[5].Lane++
	tasks := []store.QueueTask{task(q, 3), task(q, 1), task(q, 2)}
	for _, neighbour := range neighbours {
		tasks = append(tasks, task(neighbour, 1))
	}
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, tasks))
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, nil))

	read := func(key store.QueueKey, after int64, limit int) []store.QueueTask {
		got, err := f.store.ReadTasks(t.Context(), readLane(key, after, limit))
		require.NoError(t, err)
		return got
	}
	require.Equal(t, []store.QueueTask{task(q, 1), task(q, 2), task(q, 3)}, read(q, 0, 10))
	require.Equal(t, []store.QueueTask{task(q, 2)}, read(q, 1, 1))
	require.Empty(t, read(q, 3, 10))

	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, taskKeys(q, 1, 3, 99)))
	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, nil))
	f.reopen(t)
	require.Equal(t, []store.QueueTask{task(q, 2)}, read(q, 0, 10))
	for _, neighbour := range neighbours {
		require.Equal(t, []store.QueueTask{task(neighbour, 1)}, read(neighbour, 0, 10))
	}
}

func testBacklogPages(t *testing.T, f *fixture) {
	const count = 10_000
	a := f.owned(t)
	q := queue(a.FirstSlot, "q")
	tasks := make([]store.QueueTask, count)
	ids := make([]int64, count)
	for i := range tasks {
		tasks[i] = task(q, int64(i)+1)
		ids[i] = int64(i) + 1
	}
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, tasks))
	var got []store.QueueTask
	for after := int64(0); ; after = got[len(got)-1].ID {
		page, err := f.store.ReadTasks(t.Context(), readLane(q, after, 999))
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	require.Equal(t, tasks, got)
	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, taskKeys(q, ids[:count-1]...)))
	got, err := f.store.ReadTasks(t.Context(), readLane(q, 0, 10))
	require.NoError(t, err)
	require.Equal(t, tasks[count-1:], got)
}

// A call reads and deletes in many lanes at once, which know nothing of one another.
func testLanes(t *testing.T, f *fixture) {
	a := f.owned(t)
	lanes := []store.QueueKey{queue(a.FirstSlot, "q"), queue(a.FirstSlot, "q"), queue(a.LastSlot, "other")}
	lanes[0].Lane, lanes[1].Lane, lanes[2].Lane = -3<<60, 3<<60, 0
	var tasks []store.QueueTask
	for id := int64(1); id <= 4; id++ {
		for _, lane := range lanes {
			tasks = append(tasks, task(lane, id))
		}
	}
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, tasks))
	got, err := f.store.ReadTasks(t.Context(), []store.QueueRead{
		{Queue: lanes[2], After: 1, Limit: 2}, {Queue: lanes[0], After: 3, Limit: 9}, {Queue: lanes[1], After: 4, Limit: 9}, {Queue: lanes[1], Limit: 1},
	})
	require.NoError(t, err)
	require.Equal(t, []store.QueueTask{task(lanes[2], 2), task(lanes[2], 3), task(lanes[0], 4), task(lanes[1], 1)}, got)
	got, err = f.store.ReadTasks(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, got)

	gone := append(taskKeys(lanes[0], 1, 2, 3, 4), taskKeys(lanes[2], 2, 3)...)
	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, gone))
	queues, err := f.store.Queues(t.Context(), a.Lease.Shard)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.QueueBacklog{
		{Queue: lanes[1], Count: 4, FirstID: 1, LastID: 4},
		{Queue: lanes[2], Count: 2, FirstID: 1, LastID: 4},
	}, queues)
}

func testTaskTwice(t *testing.T, f *fixture) {
	a := f.owned(t)
	q := queue(a.FirstSlot, "q")
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, []store.QueueTask{task(q, 1)}))
	for _, tasks := range [][]store.QueueTask{
		{task(q, 2), task(q, 1)},
		{task(q, 3), task(q, 3)},
	} {
		require.ErrorIs(t, f.store.AppendTasks(t.Context(), a.Lease, tasks), store.ErrConflict)
	}
	got, err := f.store.ReadTasks(t.Context(), readLane(q, 0, 10))
	require.NoError(t, err)
	require.Equal(t, []store.QueueTask{task(q, 1)}, got)
}

func testQueues(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	a, b := f.acquire(t, shards[0].ID, "o"), f.acquire(t, shards[1].ID, "o")
	first, last, foreign := queue(a.FirstSlot, "q"), queue(a.LastSlot, "q"), queue(b.FirstSlot, "q")
	require.NoError(t, f.store.AppendTasks(t.Context(), a.Lease, []store.QueueTask{task(first, 7), task(first, 9), task(first, 30), task(last, 1)}))
	require.NoError(t, f.store.AppendTasks(t.Context(), b.Lease, []store.QueueTask{task(foreign, 1)}))
	queues, err := f.store.Queues(t.Context(), a.Lease.Shard)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.QueueBacklog{
		{Queue: first, Count: 3, FirstID: 7, LastID: 30},
		{Queue: last, Count: 1, FirstID: 1, LastID: 1},
	}, queues)
	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, taskKeys(last, 1)))
	require.NoError(t, f.store.DeleteTasks(t.Context(), a.Lease, taskKeys(first, 7)))
	queues, err = f.store.Queues(t.Context(), a.Lease.Shard)
	require.NoError(t, err)
	require.Equal(t, []store.QueueBacklog{{Queue: first, Count: 2, FirstID: 9, LastID: 30}}, queues)
}
