package indexer

import (
	"time"

	"google.golang.org/protobuf/proto"

	"perdure/visibility"
)

type runKey struct{ namespaceID, runID string }

func keyOf(rec *visibility.Record) runKey { return runKey{rec.NamespaceID, rec.RunID} }

// recordBytes is about what a record takes beside its texts and attributes.
const recordBytes = 512

// sizeOf is about what a record takes in memory and on its way.
func sizeOf(rec *visibility.Record) int {
	if rec.Deleted {
		return recordBytes
	}
	return recordBytes + len(rec.WorkflowID) + len(rec.WorkflowType) + proto.Size(rec.Memo) + proto.Size(rec.SearchAttributes)
}

// entry is a run that waits, with its newest record and all who wait for it.
type entry struct {
	rec       *visibility.Record
	bytes     int
	dones     []func()
	committed time.Time // of the first record that is not written
	sequence  int64     // of the same
	attempts  int
	notBefore time.Time // after a refusal; else zero
}

func (e *entry) finish() {
	for _, done := range e.dones {
		done()
	}
}

// queue holds the runs that wait, first come first served. It is not safe for
// concurrent use.
type queue struct {
	entries  map[runKey]*entry
	order    []runKey // keys without an entry were taken
	bytes    int
	sequence int64
}

func newQueue() queue { return queue{entries: map[runKey]*entry{}} }

func (q *queue) len() int { return len(q.entries) }

func (q *queue) has(rec *visibility.Record) bool { return q.entries[keyOf(rec)] != nil }

// replaces tells whether a store that has old takes rec.
func replaces(rec, old *visibility.Record) bool {
	return rec.Version > old.Version || rec.Again && rec.Version == old.Version
}

// add lets the newest record of a run wait, in the place of the first; true
// when the run waited already.
func (q *queue) add(rec *visibility.Record, committed time.Time, done func()) (coalesced bool) {
	q.sequence++
	key := keyOf(rec)
	e := q.entries[key]
	coalesced = e != nil
	if !coalesced {
		e = &entry{rec: rec, bytes: sizeOf(rec), committed: committed, sequence: q.sequence}
		q.insert(key, e)
	}
	e.committed = earlier(e.committed, committed)
	if replaces(rec, e.rec) {
		bytes := sizeOf(rec)
		q.bytes += bytes - e.bytes
		e.rec, e.bytes, e.notBefore = rec, bytes, time.Time{} // the new record may be one that the store takes
	}
	if done != nil {
		e.dones = append(e.dones, done)
	}
	return coalesced
}

func (q *queue) insert(key runKey, e *entry) {
	q.entries[key] = e
	q.order = append(q.order, key)
	q.bytes += e.bytes
}

// putBack lets an entry wait again, at the end, joined with what came meanwhile.
func (q *queue) putBack(e *entry) {
	key := keyOf(e.rec)
	newer := q.entries[key]
	if newer == nil {
		q.insert(key, e)
		return
	}
	newer.dones = append(newer.dones, e.dones...)
	newer.committed, newer.sequence = earlier(e.committed, newer.committed), e.sequence
	if replaces(e.rec, newer.rec) {
		q.bytes += e.bytes - newer.bytes
		newer.rec, newer.bytes, newer.attempts, newer.notBefore = e.rec, e.bytes, e.attempts, e.notBefore
	}
}

// take removes entries that are due, up to a number and, beyond the first, to
// bytes. Without any it returns when the next is.
func (q *queue) take(limit, limitBytes int, now time.Time) (batch []*entry, next time.Time) {
	var kept []runKey
	bytes := 0
	for place, key := range q.order {
		e := q.entries[key]
		switch {
		case len(batch) == limit || bytes >= limitBytes:
			q.order = append(kept, q.order[place:]...)
			return batch, next
		case e.notBefore.After(now):
			kept = append(kept, key)
			next = earlier(next, e.notBefore)
		default:
			batch = append(batch, e)
			bytes += e.bytes
			q.bytes -= e.bytes
			delete(q.entries, key)
		}
	}
	q.order = kept
	return batch, next
}

func (q *queue) oldest() time.Time {
	var oldest time.Time
	for _, e := range q.entries {
		oldest = earlier(oldest, e.committed)
	}
	return oldest
}

// upTo counts the entries with a change up to that sequence number.
func (q *queue) upTo(limit int64) int {
	n := 0
	for _, e := range q.entries {
		if e.sequence <= limit {
			n++
		}
	}
	return n
}

// earlier returns the earlier time; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
