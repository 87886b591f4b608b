package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func testMetaVersions(t *testing.T, f *fixture) {
	put := func(version int64, data string) error {
		return f.store.PutMeta(t.Context(), store.Meta{Kind: "namespace", Key: "n", Version: version, Data: []byte(data)})
	}
	remove := func(version int64) error {
		return f.store.PutMeta(t.Context(), store.Meta{Kind: "namespace", Key: "n", Version: version})
	}
	_, err := f.store.Meta(t.Context(), "namespace", "n")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, put(2, "early"), store.ErrConflict)
	require.ErrorIs(t, remove(1), store.ErrConflict, "nothing to delete")
	require.NoError(t, put(1, "one"))
	require.ErrorIs(t, put(1, "again"), store.ErrConflict)
	require.ErrorIs(t, put(3, "late"), store.ErrConflict)
	require.NoError(t, put(2, ""))
	found, err := f.store.Meta(t.Context(), "namespace", "n")
	require.NoError(t, err)
	require.EqualValues(t, 2, found.Version)
	require.Empty(t, found.Data)

	require.ErrorIs(t, remove(2), store.ErrConflict)
	require.NoError(t, remove(3))
	_, err = f.store.Meta(t.Context(), "namespace", "n")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, put(1, "anew"))
	f.reopen(t)
	found, err = f.store.Meta(t.Context(), "namespace", "n")
	require.NoError(t, err)
	require.Equal(t, store.Meta{Kind: "namespace", Key: "n", Version: 1, Data: []byte("anew")}, found)
}

func testMetaList(t *testing.T, f *fixture) {
	for _, key := range []string{"b", "a", "B", "é", "a\x00", "a\\", "ab", "a!"} {
		require.NoError(t, f.store.PutMeta(t.Context(), store.Meta{Kind: "k", Key: key, Version: 1, Data: []byte(key)}))
	}
	require.NoError(t, f.store.PutMeta(t.Context(), store.Meta{Kind: "K", Key: "c", Version: 1, Data: []byte("c")}))
	metas, err := f.store.ListMeta(t.Context(), "k")
	require.NoError(t, err)
	var keys []string
	for _, meta := range metas {
		require.Equal(t, meta.Key, string(meta.Data))
		require.Equal(t, "k", meta.Kind)
		keys = append(keys, meta.Key)
	}
	require.Equal(t, []string{"B", "a", "a\x00", "a!", "a\\", "ab", "b", "é"}, keys)
	metas, err = f.store.ListMeta(t.Context(), "none")
	require.NoError(t, err)
	require.Empty(t, metas)
}

func testMetaRace(t *testing.T, f *fixture) {
	const writers = 8
	handles := []store.Store{f.store, f.handle(t)}
	for version := int64(1); version <= 3; version++ {
		answers := make(chan error, writers)
		for i := range writers {
			go func() {
				answers <- handles[i%2].PutMeta(t.Context(), store.Meta{Kind: "k", Key: "k", Version: version, Data: fmt.Append(nil, i)})
			}()
		}
		won := 0
		for range writers {
			if err := <-answers; err == nil {
				won++
			} else {
				require.ErrorIs(t, err, store.ErrConflict)
			}
		}
		require.Equal(t, 1, won)
	}
}
