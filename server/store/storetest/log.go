package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testLogOrder(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	a, b := f.acquire(t, shards[0].ID, "o"), f.acquire(t, shards[1].ID, "o")
	for _, seq := range []int64{1, 2, 5, 300} { // gaps are allowed
		require.NoError(t, f.store.Commit(t.Context(), group(
			store.ShardGroup{Lease: a.Lease, Log: logRow(seq)},
			store.ShardGroup{Lease: b.Lease, Log: logRow(seq + 1)},
		)))
	}
	rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 100)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(1), *logRow(2), *logRow(5), *logRow(300)}, rows)
	rows, err = f.store.ReadLog(t.Context(), a.Lease.Shard, 2, 1)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(5)}, rows)
	rows, err = f.store.ReadLog(t.Context(), b.Lease.Shard, 6, 100)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(301)}, rows)
	rows, err = f.store.ReadLog(t.Context(), b.Lease.Shard, 301, 100)
	require.NoError(t, err)
	require.Empty(t, rows)
	require.EqualValues(t, 300, f.acquire(t, a.Lease.Shard, "o").LastSeq)
}

func testLogPages(t *testing.T, f *fixture) {
	const count, parts = 10_000, 100
	a := f.owned(t)
	for seq := int64(1); seq <= count; {
		// A shard may have several parts in a group: quicker here than ten thousand commits.
		var g store.Group
		for range parts {
			g.Shards = append(g.Shards, store.ShardGroup{Lease: a.Lease, Log: logRow(seq)})
			seq++
		}
		require.NoError(t, f.store.Commit(t.Context(), g))
	}
	after := int64(0)
	for {
		page, err := f.store.ReadLog(t.Context(), a.Lease.Shard, after, 777)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			after++
			require.Equal(t, *logRow(after), row)
		}
	}
	require.EqualValues(t, count, after)
}

func testTrim(t *testing.T, f *fixture) {
	a := f.owned(t)
	for seq := int64(1); seq <= 5; seq++ {
		f.commit(t, store.ShardGroup{Lease: a.Lease, Log: logRow(seq)})
	}
	checkpoint := func(trim int64) {
		require.NoError(t, f.store.Checkpoint(t.Context(), a.Lease, store.Checkpoint{Trim: trim}))
	}
	left := func() int {
		rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 100)
		require.NoError(t, err)
		return len(rows)
	}
	checkpoint(0)
	require.Equal(t, 5, left())
	checkpoint(2)
	rows, err := f.store.ReadLog(t.Context(), a.Lease.Shard, 0, 100)
	require.NoError(t, err)
	require.Equal(t, []store.LogRow{*logRow(3), *logRow(4), *logRow(5)}, rows)
	checkpoint(1) // behind what is trimmed already
	require.Equal(t, 3, left())
	a = f.acquire(t, a.Lease.Shard, "o")
	require.EqualValues(t, 5, a.LastSeq)
	checkpoint(5)
	require.Zero(t, left())
	f.reopen(t)
	require.EqualValues(t, 5, f.acquire(t, a.Lease.Shard, "o").LastSeq, "sequence numbers never start again")
}

func testCheckpoint(t *testing.T, f *fixture) {
	a := f.owned(t)
	key := func(exec int64) store.ExecutionKey { return store.ExecutionKey{Slot: a.FirstSlot, Exec: exec} }
	wake := func(exec int64, seconds int) store.Wake {
		return store.Wake{WakeAt: sampleTime.Add(time.Duration(seconds) * time.Second), Key: key(exec)}
	}
	atOnce := store.Wake{WakeAt: time.Unix(0, 0).UTC(), Key: key(4)}
	require.NoError(t, f.store.Checkpoint(t.Context(), a.Lease, store.Checkpoint{
		Set: []store.Wake{wake(1, 30), wake(2, 10), wake(3, 20), atOnce}, Cursors: []byte("one"),
	}))
	read := func(seconds int) []store.Wake {
		wakes, err := f.store.Wakes(t.Context(), a.Lease.Shard, sampleTime.Add(time.Duration(seconds)*time.Second), store.Wake{}, 100)
		require.NoError(t, err)
		for i := range wakes {
			wakes[i].WakeAt = wakes[i].WakeAt.UTC()
		}
		return wakes
	}
	require.Equal(t, []store.Wake{atOnce, wake(2, 10), wake(3, 20), wake(1, 30)}, read(31))
	require.Equal(t, []store.Wake{atOnce, wake(2, 10)}, read(20), "before, not at")

	require.NoError(t, f.store.Checkpoint(t.Context(), a.Lease, store.Checkpoint{
		Set: []store.Wake{wake(1, 5), wake(5, 7)}, Clear: []store.ExecutionKey{key(3), key(4), key(99)}, Cursors: []byte("two"),
	}))
	require.Equal(t, []store.Wake{wake(1, 5), wake(5, 7), wake(2, 10)}, read(100))
	f.reopen(t)
	require.Equal(t, []store.Wake{wake(1, 5), wake(5, 7), wake(2, 10)}, read(100))
	require.Equal(t, "two", string(f.acquire(t, a.Lease.Shard, "o").Cursors))
}

func testWakePages(t *testing.T, f *fixture) {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	a, b := f.acquire(t, shards[0].ID, "o"), f.acquire(t, shards[1].ID, "o")
	var want []store.Wake
	for second := range 20 {
		for slot := a.FirstSlot; slot < a.FirstSlot+5; slot++ {
			for exec := int64(1); exec <= 100; exec++ {
				key := store.ExecutionKey{Slot: slot, Exec: int64(second)*100 + exec}
				want = append(want, store.Wake{WakeAt: sampleTime.Add(time.Duration(second) * time.Second), Key: key})
			}
		}
	}
	reversed := make([]store.Wake, len(want))
	for i, wake := range want {
		reversed[len(want)-1-i] = wake
	}
	require.NoError(t, f.store.Checkpoint(t.Context(), a.Lease, store.Checkpoint{Set: reversed}))
	foreign := store.Wake{WakeAt: sampleTime, Key: store.ExecutionKey{Slot: b.FirstSlot, Exec: 1}}
	require.NoError(t, f.store.Checkpoint(t.Context(), b.Lease, store.Checkpoint{Set: []store.Wake{foreign}}))

	var got []store.Wake
	for after := (store.Wake{}); ; after = got[len(got)-1] {
		page, err := f.store.Wakes(t.Context(), a.Lease.Shard, sampleTime.Add(time.Hour), after, 999)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, wake := range page {
			wake.WakeAt = wake.WakeAt.UTC()
			got = append(got, wake)
		}
	}
	require.Equal(t, want, got)
}
