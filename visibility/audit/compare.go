package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

type runKey struct{ namespaceID, runID string }

// compare looks at each run of some buckets.
func (a *comparison) compare(ctx context.Context, buckets map[bucketKey]bool) error {
	stored, err := a.stored(ctx, buckets)
	if err != nil {
		return err
	}
	var suspects []Difference
	err = a.each(ctx, "", func(run Run) {
		if !buckets[keyOf(run)] {
			return
		}
		key := runKey{run.NamespaceID, run.RunID}
		if version := stored[key].Stored; version < run.Version {
			suspects = append(suspects, Difference{kindOf(version), run, version})
		}
		delete(stored, key)
	}, func(string) {})
	if err != nil {
		return err
	}
	suspects = slices.AppendSeq(suspects, maps.Values(stored))
	slices.SortFunc(suspects, func(x, y Difference) int {
		return cmp.Or(cmp.Compare(x.NamespaceID, y.NamespaceID), cmp.Compare(x.StartNanos, y.StartNanos), cmp.Compare(x.RunID, y.RunID))
	})
	return a.confirm(ctx, suspects)
}

func kindOf(stored int64) Kind {
	if stored == 0 {
		return Missing
	}
	return Stale
}

// keysPage is how many keys are read at once.
const keysPage = 1000

// stored reads the keys of some buckets, as orphans until the contrary is shown.
func (a *comparison) stored(ctx context.Context, buckets map[bucketKey]bool) (map[runKey]Difference, error) {
	found := map[runKey]Difference{}
	for _, bucket := range slices.SortedFunc(maps.Keys(buckets), compareBuckets) {
		for after := ""; ; {
			page, err := a.Inventory.Keys(ctx, bucket.namespaceID, bucket.bucket, after, keysPage)
			if err != nil {
				return nil, fmt.Errorf("keys of the store: %w", err)
			}
			for _, key := range page {
				run := Run{bucket.namespaceID, key.WorkflowID, key.RunID, 0, bucket.bucket}
				found[runKey{bucket.namespaceID, key.RunID}] = Difference{Orphan, run, key.Version}
			}
			if len(page) < keysPage {
				break
			}
			after = page[len(page)-1].RunID
		}
	}
	return found, nil
}

// confirm looks again at what differs, after a while, and reports what still does.
func (a *comparison) confirm(ctx context.Context, suspects []Difference) error {
	if len(suspects) == 0 {
		return nil
	}
	var expected []Difference
	for _, d := range suspects {
		now, exists, err := a.Source.Run(ctx, d.NamespaceID, d.WorkflowID, d.RunID)
		if err != nil {
			return err
		}
		if !exists {
			expected = append(expected, Difference{Orphan, d.Run, 0})
			continue
		}
		expected = append(expected, Difference{Stale, now, 0})
	}
	if err := wait(ctx, a.Settle); err != nil {
		return err
	}
	for _, d := range expected {
		if err := a.tick(); err != nil {
			return err
		}
		stored, err := a.shown(ctx, d.NamespaceID, d.RunID)
		if err != nil {
			return err
		}
		if stored != nil {
			d.Stored = stored.Version
		}
		same, err := a.tellsTheSame(ctx, d, stored)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if err := a.judge(d); err != nil {
			return err
		}
	}
	return nil
}

// tellsTheSame tells whether an older record says what a new one would: not every change of a run is one for search.
func (a *comparison) tellsTheSame(ctx context.Context, d Difference, stored *visibility.Record) (bool, error) {
	if d.Kind == Orphan || stored == nil || stored.Version >= d.Version {
		return false, nil
	}
	now, exists, err := a.Source.Record(ctx, d.NamespaceID, d.WorkflowID, d.RunID)
	return err == nil && exists && same(stored, now), err
}

// same compares what is to be in search at once; counts and what is pending follow later.
func same(a, b *visibility.Record) bool {
	return a.WorkflowType == b.WorkflowType && a.TaskQueue == b.TaskQueue && a.Status == b.Status &&
		a.StartTime.Equal(b.StartTime) && a.ExecutionTime.Equal(b.ExecutionTime) && a.CloseTime.Equal(b.CloseTime) &&
		sameFields(a.Memo.GetFields(), b.Memo.GetFields()) &&
		sameFields(a.SearchAttributes.GetIndexedFields(), b.SearchAttributes.GetIndexedFields())
}

func sameFields(a, b map[string]*commonpb.Payload) bool {
	for _, pair := range [][2]map[string]*commonpb.Payload{{a, b}, {b, a}} {
		for name, payload := range pair[0] {
			if !attr.IsBuiltIn(name) && !proto.Equal(payload, pair[1][name]) {
				return false
			}
		}
	}
	return true
}

func (a *comparison) judge(d Difference) error {
	switch {
	case d.Kind == Orphan && d.Stored > 0:
		a.summary.Orphans++
	case d.Kind == Orphan || d.Stored >= d.Version:
		return nil // it has come right meanwhile
	case d.Stored == 0:
		d.Kind = Missing
		a.summary.Missing++
	default:
		a.summary.Stale++
	}
	if a.Report == nil {
		return nil
	}
	return a.Report(d)
}

// shown is what the store shows of a run; nil when it shows none.
func (a *comparison) shown(ctx context.Context, namespaceID, runID string) (*visibility.Record, error) {
	q := &query.Query{Where: query.And2(
		&query.Compare{Field: query.Field{Name: attr.RunID}, Op: query.Equal, Value: query.Value{Kind: query.String, String: runID}}, anyDivision())}
	if err := query.CheckList(q, nil); err != nil {
		return nil, err
	}
	found, _, err := a.Store.List(ctx, visibility.ListRequest{NamespaceID: namespaceID, Query: q, PageSize: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// anyDivision mentions the division, so that runs which have one are not left out.
func anyDivision() query.Expr {
	division := query.Field{Name: attr.NamespaceDivision}
	return &query.Or{Left: &query.IsNull{Field: division}, Right: &query.IsNull{Field: division, Negated: true}}
}
