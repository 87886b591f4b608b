package history

import (
	"context"
	"slices"
	"sync"
	"time"

	"perdure/visibility"
)

// Indexer brings records to one visibility store; visibility/indexer implements it.
type Indexer interface {
	// Offer takes a record if there is room, without waiting; done is called once it is durable in the store.
	Offer(record *visibility.Record, committed time.Time, done func()) bool
	// Enqueue waits for room.
	Enqueue(ctx context.Context, record *visibility.Record, committed time.Time, done func()) error
	// Flush waits until all that was taken is durable.
	Flush(ctx context.Context) error
}

// Feed is a visibility store that hears of every change.
type Feed struct {
	Name    string // under which its cursors are kept
	Label   string // in metrics; Name without one
	Indexer Indexer
	// Store is what the indexer writes to, for repairs.
	Store visibility.Store
	// Reads tells that the store answers searches: deletions wait for it.
	Reads bool
	// First tells that the store takes the cursor over that was kept when there was but one.
	First bool
	// Volatile tells that the store loses all with the process.
	Volatile bool
}

// feedState tells what a store lacks of a shard.
type feedState int64

const (
	feedComplete feedState = iota
	// feedLost: changes were dropped; all executions must be scanned.
	feedLost
	// feedScanning: changes since the scan began are handed over; it is not over.
	feedScanning
)

// reader is how far one visibility store knows a shard's log, under one lease.
//
// It is live while every change finds room in memory. When one does not, it is
// behind: nothing is handed over any more when it is committed, and follow reads
// the log from where all is done, at the store's own pace, until it has caught
// up. When it is too far behind for the log to wait, it is lost: nothing is
// handed over until the store is well and a rebuild scans the executions.
type reader struct {
	shard *shard
	feed  *feed
	ctx   context.Context // over when the lease is
	end   context.CancelFunc

	mu     sync.Mutex
	rows   []pendingRow // with records on their way, in order
	handed int64        // all records of rows up to here were handed over or are done
	latest int64        // last row that is durable
	// generation tells records of before the last fall behind from those of after: what became of them is of no interest.
	generation int
	behind     bool
	since      time.Time // when behind, of the change that is not handed over yet
	state      feedState
	wake       chan struct{}
	moved      chan struct{} // closed when the position moves; nil: nobody waits
}

// pendingRow is a log row of which records are not durable in the store.
type pendingRow struct {
	seq       int64
	records   int
	committed time.Time
}

// notLive marks a record that is not handed over when it is committed.
const notLive = -1

func newReader(s *shard, f *feed, at int64) *reader {
	ctx, end := context.WithCancel(s.engine.ctx)
	return &reader{shard: s, feed: f, ctx: ctx, end: end, handed: at, latest: at, wake: make(chan struct{}, 1)}
}

// begin starts from what the store gave with the lease.
func (r *reader) begin(position int64, state feedState, last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.handed, r.latest = state, position, last
	if state == feedLost {
		r.handed = last
	}
	if r.handed < last {
		r.behind, r.since = true, time.Now()
		r.signal()
	}
}

func (r *reader) signal() {
	select {
	case r.wake <- struct{}{}:
	default: // it looks anyway
	}
}

// committed tells that a row is durable, n of whose records are of interest. Rows come in
// order, one or more times each. The mark goes with the records.
func (r *reader) committed(seq int64, n int, at time.Time) (mark int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = max(r.latest, seq)
	switch {
	case r.state == feedLost:
		r.handed = r.latest
		return notLive
	case r.behind:
		return notLive
	}
	r.handed = max(r.handed, seq)
	r.add(seq, n, at)
	return r.generation
}

// add tells that records of a row are on their way. The lock is held.
func (r *reader) add(seq int64, n int, at time.Time) {
	last := len(r.rows) - 1
	switch {
	case n == 0:
	case last >= 0 && r.rows[last].seq == seq:
		r.rows[last].records += n
	default:
		r.rows = append(r.rows, pendingRow{seq, n, at})
	}
}

// offer hands a committed record over, or falls behind.
func (r *reader) offer(rec *visibility.Record, mark int, seq int64, at time.Time, done func()) {
	if mark == notLive {
		return
	}
	taken := r.feed.Indexer.Offer(rec, at, func() {
		r.finish(mark, seq)
		if done != nil {
			done()
		}
	})
	if !taken {
		r.fallBehind(mark)
	}
}

func (r *reader) finish(mark int, seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark != r.generation {
		return
	}
	place, found := slices.BinarySearchFunc(r.rows, seq, func(row pendingRow, seq int64) int { return int(row.seq - seq) })
	if !found {
		return
	}
	r.rows[place].records--
	if place > 0 || r.rows[0].records > 0 {
		return
	}
	done := 0
	for done < len(r.rows) && r.rows[done].records <= 0 {
		done++
	}
	r.rows = r.rows[done:]
	r.tell()
}

// tell wakes those who wait for the position. The lock is held.
func (r *reader) tell() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// position is the row up to which the store has everything. The lock is held.
func (r *reader) position() int64 {
	if len(r.rows) > 0 {
		return r.rows[0].seq - 1
	}
	return r.handed
}

// fallBehind leaves all that is not done to follow.
func (r *reader) fallBehind(mark int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark != r.generation {
		return // it has already
	}
	r.since = r.oldest()
	r.handed = r.position()
	r.rows, r.behind = nil, true
	r.generation++
	r.signal()
}

// oldest is the time of the first change that is not done; the zero time when there is none. The lock is held.
func (r *reader) oldest() time.Time {
	switch {
	case len(r.rows) > 0:
		return r.rows[0].committed
	case r.behind:
		return r.since
	}
	return time.Time{}
}

// lose gives the log up when more than limit rows of it would have to wait for this reader.
func (r *reader) lose(limit int64) (lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == feedLost || r.latest-r.position() <= limit {
		return false
	}
	r.loseLocked()
	return true
}

func (r *reader) loseLocked() {
	r.state, r.behind, r.rows, r.handed = feedLost, false, nil, r.latest
	r.generation++
	r.tell()
}

// resume hands changes over again: a scan that begins now finds all that was before.
func (r *reader) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == feedLost {
		r.state, r.handed = feedScanning, r.latest
	}
}

// scanned tells that a scan is over in which nothing was lost.
func (r *reader) scanned() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == feedScanning {
		r.state = feedComplete
	}
}

// look is what others want to know.
type look struct {
	position, latest int64
	state            feedState
	behind           bool
	oldest           time.Time
}

func (r *reader) look() look {
	r.mu.Lock()
	defer r.mu.Unlock()
	return look{r.position(), r.latest, r.state, r.behind, r.oldest()}
}

// await waits until the store has all rows up to one.
func (r *reader) await(ctx context.Context, seq int64) error {
	for {
		r.mu.Lock()
		if r.state == feedComplete && r.position() >= seq {
			r.mu.Unlock()
			return nil
		}
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		moved := r.moved
		r.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return contextError(ctx)
		case <-r.ctx.Done():
			return errNotOwned()
		}
	}
}
