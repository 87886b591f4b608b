package elastic_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/elastic"
	"perdure/visibility/visibilitytest"
)

func TestMain(m *testing.M) { os.Exit(estest.Run(m)) }

// open opens an index of its own on a server.
func open(t testing.TB, url string) *elastic.Store {
	t.Helper()
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: estest.Prefix()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	s := open(t, estest.URL(t))
	require.Equal(t, "elasticsearch", s.Name())
	run := visibilitytest.Run
	if estest.IsOpenSearch(t) {
		run = visibilitytest.RunUnordered
	}
	run(t, func(*testing.T) visibility.Store { return s })
}

// TestInventory compares what the store sums up with what was written.
func TestInventory(t *testing.T) {
	s := open(t, estest.URL(t))
	want := map[string]map[int64]visibility.Digest{"a": {}, "b": {}}
	keys := map[int64][]visibility.Key{}
	var records []*visibility.Record
	for i := range 60 {
		rec := run(fmt.Sprintf("r%02d", i), int64(i+1))
		rec.NamespaceID = []string{"a", "b"}[i%2]
		rec.StartTime = rec.StartTime.Add(time.Duration(i%5-7) * time.Hour)
		bucket := visibility.BucketOf(rec.StartTime)
		digest := want[rec.NamespaceID][bucket]
		digest.Bucket = bucket
		digest.Add(rec.RunID, rec.Version)
		want[rec.NamespaceID][bucket] = digest
		if rec.NamespaceID == "a" {
			keys[bucket] = append(keys[bucket], visibility.Key{RunID: rec.RunID, WorkflowID: "w", Version: rec.Version})
		}
		records = append(records, rec)
	}
	records = append(records, &visibility.Record{NamespaceID: "a", RunID: "gone", Version: 1, Deleted: true})
	require.NoError(t, s.Write(t.Context(), records))
	require.NoError(t, s.Refresh(t.Context()))
	namespaces, err := s.Namespaces(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, namespaces)
	for _, namespaceID := range namespaces {
		digests, err := s.Digests(t.Context(), namespaceID)
		require.NoError(t, err)
		require.True(t, slices.IsSortedFunc(digests, func(a, b visibility.Digest) int { return cmp.Compare(a.Bucket, b.Bucket) }))
		require.ElementsMatch(t, slices.Collect(maps.Values(want[namespaceID])), digests)
	}
	for bucket, want := range keys {
		var got []visibility.Key
		for after := ""; ; after = got[len(got)-1].RunID {
			page, err := s.Keys(t.Context(), "a", bucket, after, 2)
			require.NoError(t, err)
			if got = append(got, page...); len(page) < 2 {
				break
			}
		}
		require.Equal(t, want, got)
	}
}
