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
	// Runs reads some runs behind a place in the order of all, which is empty before the first. next is empty behind the last.
	Runs(ctx context.Context, behind string) (runs []Run, next string, err error)
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
	// Rate is how many runs are read a second at most; 0: as fast as it goes.
	Rate int
	// From is how far an audit came that was cut off, and that goes on.
	From Progress
	// Tick is called again and again while the audit goes on, and ends it with an error; it can have its progress to store it.
	Tick func(progress func() Progress) error
	// Report hears of each difference.
	Report func(Difference) error
}

// Progress is how far an audit is, so that it need not begin anew after a restart.
type Progress struct {
	Behind string                `json:"behind,omitempty"` // the runs up to here are summed up
	Summed bool                  `json:"summed,omitempty"` // all are
	Runs   int64                 `json:"runs,omitempty"`
	Sums   map[string][][3]int64 `json:"sums,omitempty"` // bucket, count and sum, by namespace
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
	summary  Summary
	progress func() Progress
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
	sums := a.From.digests()
	a.summary.Runs = a.From.Runs
	a.progress = func() Progress { return progressOf(a.From, a.summary.Runs, sums) }
	if a.From.Summed {
		return sums, nil
	}
	err := a.each(ctx, a.From.Behind, func(run Run) {
		key := keyOf(run)
		if !a.wants(key) {
			return
		}
		if sums[key] == nil {
			sums[key] = &visibility.Digest{Bucket: key.bucket}
		}
		sums[key].Add(run.RunID, run.Version)
		a.summary.Runs++
	}, func(behind string) { a.From.Behind, a.From.Summed = behind, behind == "" })
	return sums, err
}

// each reads the runs behind a place, at the rate that was asked for. read hears of each place that it comes to.
func (a *comparison) each(ctx context.Context, behind string, f func(Run), read func(behind string)) error {
	began, count := time.Now(), 0
	for {
		runs, next, err := a.Source.Runs(ctx, behind)
		if err != nil {
			return err
		}
		for _, run := range runs {
			f(run)
		}
		read(next)
		if err := a.tick(); err != nil || next == "" {
			return err
		}
		behind, count = next, count+len(runs)
		if a.Rate > 0 {
			if err := wait(ctx, time.Until(began.Add(time.Duration(float64(count)/float64(a.Rate)*float64(time.Second))))); err != nil {
				return err
			}
		}
	}
}

func (a *comparison) tick() error {
	if a.Tick == nil {
		return nil
	}
	return a.Tick(a.progress)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p Progress) digests() map[bucketKey]*visibility.Digest {
	sums := map[bucketKey]*visibility.Digest{}
	for namespaceID, list := range p.Sums {
		for _, d := range list {
			sums[bucketKey{namespaceID, d[0]}] = &visibility.Digest{Bucket: d[0], Count: d[1], Sum: d[2]}
		}
	}
	return sums
}

func progressOf(p Progress, runs int64, sums map[bucketKey]*visibility.Digest) Progress {
	p.Runs, p.Sums = runs, map[string][][3]int64{}
	for key, d := range sums {
		p.Sums[key.namespaceID] = append(p.Sums[key.namespaceID], [3]int64{d.Bucket, d.Count, d.Sum})
	}
	return p
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
