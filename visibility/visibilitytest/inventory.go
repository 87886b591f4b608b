package visibilitytest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
)

// testInventory compares sums and keys with what was written: runs of three hours, some closed, some deleted.
func testInventory(t *testing.T, s visibility.Store) {
	inventory, ok := s.(visibility.Inventory)
	require.True(t, ok, "%T", s)
	ns := namespaceOf(t)
	var records []*visibility.Record
	sums, keys := visibility.NewDigests(), map[int64][]visibility.Key{}
	for i := range 100 {
		rec := newRun(ns, fmt.Sprintf("run-%03d", i), int64(i%3)*3600+int64(i))
		if i%4 == 0 {
			rec = closed(rec, 20_000)
		}
		records = append(records, rec)
		if i%10 == 9 {
			records = append(records, &visibility.Record{NamespaceID: ns, RunID: rec.RunID, WorkflowID: rec.WorkflowID, Version: 9, Deleted: true})
			continue
		}
		bucket := visibility.BucketOf(rec.StartTime)
		sums.Add(bucket, rec.RunID, rec.Version)
		keys[bucket] = append(keys[bucket], visibility.Key{RunID: rec.RunID, WorkflowID: rec.WorkflowID, Version: rec.Version})
	}
	write(t, s, records...)
	digests, err := inventory.Digests(t.Context(), ns)
	require.NoError(t, err)
	require.Equal(t, sums.Sorted(), digests)
	require.Len(t, digests, 3)
	for _, digest := range digests {
		require.Equal(t, keys[digest.Bucket], keysOf(t, inventory, ns, digest.Bucket))
	}
	names, err := inventory.Namespaces(t.Context())
	require.NoError(t, err)
	require.Contains(t, names, ns)
	none, err := inventory.Digests(t.Context(), ns+"-nobody")
	require.NoError(t, err)
	require.Empty(t, none)
}

// keysOf reads all pages of a bucket.
func keysOf(t *testing.T, inventory visibility.Inventory, ns string, bucket int64) []visibility.Key {
	t.Helper()
	var all []visibility.Key
	for after := ""; ; {
		page, err := inventory.Keys(t.Context(), ns, bucket, after, 7)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 7)
		all = append(all, page...)
		if len(page) < 7 {
			return all
		}
		after = page[len(page)-1].RunID
	}
}
