package visibility

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Inventory is what audits and rebuilds need of a store. Deleted runs are not in it.
type Inventory interface {
	// Namespaces lists the ids of the namespaces that have runs, in order.
	Namespaces(ctx context.Context) ([]string, error)
	// Digests sums up the runs of a namespace by bucket of their start time, in order.
	Digests(ctx context.Context, namespaceID string) ([]Digest, error)
	// Keys pages through the runs of a namespace that are in a bucket, in
	// byte order of their ids, beginning behind after, at most limit.
	Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]Key, error)
}

// Digest sums up the runs of one bucket.
type Digest struct {
	Bucket int64 // when it begins, in nanoseconds since 1970
	Count  int64
	Sum    int64 // of the checksums
}

// Key is a run as a store has it.
type Key struct {
	RunID      string
	WorkflowID string
	Version    int64
}

// BucketNanos is the length of a bucket.
const BucketNanos = int64(time.Hour)

// BucketOf is the bucket of a start time.
func BucketOf(start time.Time) int64 { return BucketOfNanos(Nanos(start)) }

// BucketOfNanos is BucketOf for a time in nanoseconds since 1970.
func BucketOfNanos(nanos int64) int64 {
	rest := nanos % BucketNanos
	if rest < 0 {
		rest += BucketNanos
	}
	return max(nanos-rest, minTime.UnixNano())
}

// Checksum is that of one run: the first 24 bits of a digest of its id, a colon
// and its version. Sums of half a billion of them are exact in a double, in which some stores add.
func Checksum(runID string, version int64) int64 {
	digest := md5.Sum(fmt.Appendf(nil, "%s:%d", runID, version))
	return int64(binary.BigEndian.Uint32(digest[:4]) >> 8)
}

// Add counts a run.
func (d *Digest) Add(runID string, version int64) {
	d.Count++
	d.Sum += Checksum(runID, version)
}

// Digests are made run by run.
type Digests map[int64]*Digest

// NewDigests is empty.
func NewDigests() Digests { return Digests{} }

// Add counts a run in its bucket.
func (d Digests) Add(bucket int64, runID string, version int64) {
	if d[bucket] == nil {
		d[bucket] = &Digest{Bucket: bucket}
	}
	d[bucket].Add(runID, version)
}

// Sorted lists the digests in order.
func (d Digests) Sorted() []Digest {
	out := make([]Digest, 0, len(d))
	for _, bucket := range slices.Sorted(maps.Keys(d)) {
		out = append(out, *d[bucket])
	}
	return out
}
