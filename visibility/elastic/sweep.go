package elastic

import (
	"context"
	"slices"
	"strconv"
	"time"

	"perdure/visibility"
)

// tombstonesPerSweep is how many old tombstones are removed at most, to keep a write short.
const tombstonesPerSweep = 1000

// sweep removes old tombstones, now and then, behind a write that made new ones.
// What fails is tried again by a later sweep, so a failure is no one's concern.
func (s *Store) sweep(ctx context.Context, written []*visibility.Record, now time.Time) {
	last := s.swept.Load()
	if now.UnixNano()-last < int64(sweepEvery) || !slices.ContainsFunc(written, func(r *visibility.Record) bool { return r.Deleted }) {
		return
	}
	if s.swept.CompareAndSwap(last, now.UnixNano()) {
		_ = s.removeTombstones(ctx, now.Add(-visibility.TombstoneAge))
	}
}

// removeTombstones deletes those written before a time. Each delete has the
// version of its tombstone, so that it spares a run that has come back since.
func (s *Store) removeTombstones(ctx context.Context, before time.Time) error {
	var found searchAnswer
	err := s.search(ctx, object{
		"size": tombstonesPerSweep, "version": true, "_source": false, "track_total_hits": false,
		"query": object{"range": object{fieldDeleted: object{"lt": before.UnixMilli()}}},
	}, &found)
	if err != nil || len(found.Hits.Hits) == 0 {
		return err
	}
	var text []byte
	for _, hit := range found.Hits.Hits {
		text = append(text, `{"delete":{"_id":`...)
		text = appendString(text, hit.ID)
		text = append(text, `,"version":`...)
		text = strconv.AppendInt(text, hit.Version, 10)
		text = append(text, `,"version_type":"external_gte"}}`+"\n"...)
	}
	_, err = s.bulk(ctx, text)
	return err
}
