package storetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testHistoryOrder(t *testing.T, f *fixture) {
	a := f.owned(t)
	key := store.ExecutionKey{Slot: a.FirstSlot, Exec: 1}
	neighbour := store.ExecutionKey{Slot: a.FirstSlot, Exec: 2}
	batches := []store.Batch{batch(key, 1, 3), batch(key, 3, 4), batch(key, 4, 10), batch(key, 10, 11), batch(key, 11, 101)}
	for _, i := range []int{0, 1, 2, 3, 4} {
		f.commit(t, store.ShardGroup{Lease: a.Lease, History: []store.Batch{batches[i], batch(neighbour, batches[i].FirstEvent, batches[i].NextEvent)}})
	}
	got, err := f.store.History(t.Context(), key, 1, 1000, 100)
	require.NoError(t, err)
	require.Equal(t, batches, got)

	none, err := f.store.History(t.Context(), store.ExecutionKey{Slot: a.FirstSlot, Exec: 3}, 1, 1000, 100)
	require.NoError(t, err)
	require.Empty(t, none)
}

func testHistoryFrom(t *testing.T, f *fixture) {
	a := f.owned(t)
	key := store.ExecutionKey{Slot: a.FirstSlot, Exec: 1}
	batches := []store.Batch{batch(key, 1, 3), batch(key, 3, 10), batch(key, 10, 11), batch(key, 20, 22)} // a gap before 20
	f.commit(t, store.ShardGroup{Lease: a.Lease, History: batches})
	for _, c := range []struct {
		from, to int64
		limit    int
		want     []store.Batch
	}{
		{1, 22, 10, batches},
		{0, 22, 10, batches},
		{2, 22, 1, batches[:1]},
		{3, 22, 2, batches[1:3]},
		{9, 22, 1, batches[1:2]},
		{10, 22, 1, batches[2:3]},
		{9, 10, 10, batches[1:2]},
		{9, 11, 10, batches[1:3]},
		{1, 4, 10, batches[:2]}, // event 3 stands in the second batch
		{11, 22, 10, batches[3:]},
		{15, 22, 10, batches[3:]},
		{15, 20, 10, nil},
		{22, 30, 10, nil},
		{5, 5, 10, nil}, // no event is wanted
	} {
		got, err := f.store.History(t.Context(), key, c.from, c.to, c.limit)
		require.NoError(t, err)
		require.Equal(t, len(c.want), len(got), "%d to %d", c.from, c.to)
		require.True(t, slices.EqualFunc(c.want, got, func(x, y store.Batch) bool { return x.FirstEvent == y.FirstEvent }), "%d to %d", c.from, c.to)
	}
}

func testHistoryPages(t *testing.T, f *fixture) {
	const count = 10_000
	a := f.owned(t)
	key := store.ExecutionKey{Slot: a.FirstSlot, Exec: 1}
	part := store.ShardGroup{Lease: a.Lease}
	for i := range int64(count) {
		part.History = append(part.History, batch(key, 1+i*3, 4+i*3))
	}
	f.commit(t, part)
	var got []store.Batch
	for from := int64(1); ; {
		page, err := f.store.History(t.Context(), key, from, 1<<40, 999)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		from = page[len(page)-1].NextEvent
	}
	require.Equal(t, part.History, got)
}
