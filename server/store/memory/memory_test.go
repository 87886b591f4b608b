package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		data, err := memory.New(storetest.ShardCount)
		require.NoError(t, err)
		return func(*testing.T) store.Store { return data.Open() }
	})
}

func TestShardCounts(t *testing.T) {
	for _, count := range []int{1, 3, store.SlotCount} {
		s, err := memory.Open(count)
		require.NoError(t, err)
		shards, err := s.Shards(t.Context())
		require.NoError(t, err)
		require.Len(t, shards, count)
		require.EqualValues(t, store.SlotCount-1, shards[count-1].LastSlot)
	}
	for _, count := range []int{-1, 0, store.SlotCount + 1} {
		_, err := memory.Open(count)
		require.ErrorContains(t, err, "1 to 4096 shards")
	}
}

func TestStats(t *testing.T) {
	s, err := memory.Open(1)
	require.NoError(t, err)
	a, err := s.Acquire(t.Context(), 1, 0, "o")
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), store.Group{Shards: []store.ShardGroup{{Lease: a.Lease, Log: &store.LogRow{Seq: 1, Data: []byte("1234")}}}}))
	require.Equal(t, store.Stats{Commits: 1, Rows: 1, Bytes: 4}, s.Stats())
}
