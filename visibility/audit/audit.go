// Package audit compares what a visibility store has with the runs there are.
//
// Both sides are summed up by namespace and hour of start; only where the sums
// differ are runs compared one by one. A difference counts when it is still
// there a while later, so that an audit may run beside a server.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"perdure/visibility"
)

// Source tells what runs there are.
type Source interface {
	// Runs calls f for every run, until it fails.
	Runs(ctx context.Context, f func(Run) error) error
	// Run looks for one run.
	Run(ctx context.Context, namespaceID, workflowID, runID string) (run Run, exists bool, err error)
	// Record makes the search record of a run.
	Record(ctx context.Context, namespaceID, workflowID, runID string) (rec *visibility.Record, exists bool, err error)
}

// Run is one run as it is.
type Run struct {
	NamespaceID, WorkflowID, RunID string
	Version                        int64
	StartNanos                     int64 // since 1970
}

// Kind of a difference.
type Kind string

const (
	Missing Kind = "missing" // the store lacks the run
	Stale   Kind = "stale"   // the store has an older version, which tells something else
	Orphan  Kind = "orphan"  // the store has a run that does not exist
)

// Difference is one run that the store has otherwise than it is.
type Difference struct {
	Kind
	Run
	Stored int64 // version in the store; 0 when it is missing
}

// Tombstone takes an orphan out of the store.
func (d Difference) Tombstone() *visibility.Record {
	return &visibility.Record{NamespaceID: d.NamespaceID, WorkflowID: d.WorkflowID, RunID: d.RunID, Version: d.Stored + 1, Deleted: true}
}

// Config of a comparison.
type Config struct {
	Source    Source
	Inventory visibility.Inventory
	Store     visibility.Store
	// NamespaceID restricts the comparison; empty: all.
	NamespaceID string
	// Sample is the share of hours that are compared, chosen by their hash; 0 and 1: all.
	Sample float64
	// Settle is how long a difference must stand. Default 2 s.
	Settle time.Duration
	// Report hears of each difference.
	Report func(Difference) error
}

// Summary of a comparison.
type Summary struct {
	Runs           int64 `json:"runs"`    // compared
	Buckets        int   `json:"buckets"` // hours of namespaces compared
	DifferentFirst int   `json:"different_buckets"`
	Missing        int   `json:"missing"`
	Stale          int   `json:"stale"`
	Orphans        int   `json:"orphans"`
}

// Differences is how many there are.
func (s Summary) Differences() int { return s.Missing + s.Stale + s.Orphans }

// runsAtOnce is how many runs are held in memory to be compared one by one.
const runsAtOnce = 200_000

type bucketKey struct {
	namespaceID string
	bucket      int64
}

func compareBuckets(a, b bucketKey) int {
	return cmp.Or(cmp.Compare(a.namespaceID, b.namespaceID), cmp.Compare(a.bucket, b.bucket))
}

// Compare finds the differences.
func Compare(ctx context.Context, config Config) (Summary, error) {
	if config.Settle == 0 {
		config.Settle = 2 * time.Second
	}
	a := &comparison{Config: config}
	real, err := a.sumUp(ctx)
	if err != nil {
		return a.summary, err
	}
	stored, err := a.digests(ctx, real)
	if err != nil {
		return a.summary, err
	}
	different := a.different(real, stored)
	a.summary.DifferentFirst = len(different)
	for len(different) > 0 {
		part := takeUpTo(&different, real, stored)
		if err := a.compare(ctx, part); err != nil {
			return a.summary, err
		}
	}
	return a.summary, nil
}

type comparison struct {
	Config
	summary Summary
}

func (a *comparison) wants(key bucketKey) bool {
	if a.NamespaceID != "" && key.namespaceID != a.NamespaceID {
		return false
	}
	if a.Sample <= 0 || a.Sample >= 1 {
		return true
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d", key.namespaceID, key.bucket)
	return float64(h.Sum32())/(1<<32) < a.Sample
}

func keyOf(run Run) bucketKey {
	return bucketKey{run.NamespaceID, visibility.BucketOfNanos(run.StartNanos)}
}

// sumUp makes the digests of what there is.
func (a *comparison) sumUp(ctx context.Context) (map[bucketKey]*visibility.Digest, error) {
	sums := map[bucketKey]*visibility.Digest{}
	err := a.Source.Runs(ctx, func(run Run) error {
		key := keyOf(run)
		if !a.wants(key) {
			return nil
		}
		if sums[key] == nil {
			sums[key] = &visibility.Digest{Bucket: key.bucket}
		}
		sums[key].Add(run.RunID, run.Version)
		a.summary.Runs++
		return nil
	})
	return sums, err
}

// digests reads what the store has, of its own namespaces and of those that there are.
func (a *comparison) digests(ctx context.Context, real map[bucketKey]*visibility.Digest) (map[bucketKey]visibility.Digest, error) {
	names := map[string]bool{}
	for key := range real {
		names[key.namespaceID] = true
	}
	listed, err := a.Inventory.Namespaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("namespaces of the store: %w", err)
	}
	for _, name := range listed {
		names[name] = true
	}
	stored := map[bucketKey]visibility.Digest{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a.NamespaceID != "" && name != a.NamespaceID {
			continue
		}
		digests, err := a.Inventory.Digests(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("digests of the store: %w", err)
		}
		for _, digest := range digests {
			if key := (bucketKey{name, digest.Bucket}); a.wants(key) {
				stored[key] = digest
			}
		}
	}
	return stored, nil
}

// different lists the buckets whose digests differ, in order.
func (a *comparison) different(real map[bucketKey]*visibility.Digest, stored map[bucketKey]visibility.Digest) []bucketKey {
	var keys []bucketKey
	a.summary.Buckets = len(real)
	for key, digest := range real {
		if stored[key] != *digest {
			keys = append(keys, key)
		}
	}
	for key := range stored {
		if real[key] == nil {
			keys = append(keys, key)
			a.summary.Buckets++
		}
	}
	slices.SortFunc(keys, compareBuckets)
	return keys
}

// takeUpTo takes buckets with a bounded number of runs, one at least.
func takeUpTo(keys *[]bucketKey, real map[bucketKey]*visibility.Digest, stored map[bucketKey]visibility.Digest) map[bucketKey]bool {
	part := map[bucketKey]bool{}
	runs := int64(0)
	for len(*keys) > 0 && runs < runsAtOnce {
		key := (*keys)[0]
		*keys = (*keys)[1:]
		part[key] = true
		runs += stored[key].Count
		if real[key] != nil {
			runs += real[key].Count
		}
	}
	return part
}
