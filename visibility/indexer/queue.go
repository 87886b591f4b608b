package indexer

import (
	"time"

	"perdure/visibility"
)

type runKey struct{ namespaceID, runID string }

func keyOf(rec *visibility.Record) runKey { return runKey{rec.NamespaceID, rec.RunID} }

// entry is a run that waits, with its newest record and all who wait for it.
type entry struct {
	rec       *visibility.Record
	dones     []func()
	since     time.Time // of the first record that is not written
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
	sequence int64
}

func newQueue() queue { return queue{entries: map[runKey]*entry{}} }

func (q *queue) len() int { return len(q.entries) }

func (q *queue) has(rec *visibility.Record) bool { return q.entries[keyOf(rec)] != nil }

// add lets the newest record of a run wait, in the place of the first; true
// when the run waited already.
func (q *queue) add(rec *visibility.Record, done func(), now time.Time) (coalesced bool) {
	q.sequence++
	key := keyOf(rec)
	e := q.entries[key]
	coalesced = e != nil
	if !coalesced {
		e = &entry{rec: rec, since: now, sequence: q.sequence}
		q.entries[key] = e
		q.order = append(q.order, key)
	}
	if rec.Version > e.rec.Version {
		e.rec, e.notBefore = rec, time.Time{} // the new record may be one that the store takes
	}
	if done != nil {
		e.dones = append(e.dones, done)
	}
	return coalesced
}

// putBack lets an entry wait again, at the end, joined with what came meanwhile.
func (q *queue) putBack(e *entry) {
	key := keyOf(e.rec)
	newer := q.entries[key]
	if newer == nil {
		q.order = append(q.order, key)
		q.entries[key] = e
		return
	}
	newer.dones = append(newer.dones, e.dones...)
	newer.since, newer.sequence = e.since, e.sequence
	if e.rec.Version > newer.rec.Version {
		newer.rec, newer.attempts, newer.notBefore = e.rec, e.attempts, e.notBefore
	}
}

// take removes up to limit entries that are due. Without any it returns when the next is.
func (q *queue) take(limit int, now time.Time) (batch []*entry, next time.Time) {
	var kept []runKey
	for place, key := range q.order {
		e := q.entries[key]
		switch {
		case len(batch) == limit:
			q.order = append(kept, q.order[place:]...)
			return batch, next
		case e.notBefore.After(now):
			kept = append(kept, key)
			next = earlier(next, e.notBefore)
		default:
			batch = append(batch, e)
			delete(q.entries, key)
		}
	}
	q.order = kept
	return batch, next
}

func (q *queue) oldest() time.Time {
	var oldest time.Time
	for _, e := range q.entries {
		oldest = earlier(oldest, e.since)
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
