package history

import (
	"context"
	"errors"
	"sync"
	"time"

	"perdure/server/cluster"
	"perdure/server/store"
)

// readerCursor tracks how far a reader has done all of a log's rows.
type readerCursor struct {
	mu          sync.Mutex
	outstanding map[int64]int // row → records not done
	handed      int64         // the last row the reader heard of
	done        int64
}

func newReaderCursor(at int64) *readerCursor {
	return &readerCursor{outstanding: make(map[int64]int), handed: at, done: at}
}

// add tells that n records of a row are on their way.
func (r *readerCursor) add(seq int64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handed = max(r.handed, seq)
	if n > 0 {
		r.outstanding[seq] += n
	}
}

func (r *readerCursor) finish(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outstanding[seq]--; r.outstanding[seq] <= 0 {
		delete(r.outstanding, seq)
	}
}

// position is the row up to which everything is done.
func (r *readerCursor) position() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	position := r.handed
	for seq := range r.outstanding {
		position = min(position, seq-1)
	}
	return position
}

// noteCommitted keeps the wake-up of a run that is durable now for the next checkpoint.
func (s *shard) noteCommitted(ch *change) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.dirty[ch.entry.key] = wakeOf(ch)
}

// parked tells that the task is in the durable backlog: after a restart it
// need not be offered again.
func (s *shard) parked(en *entry, task *cluster.Task) {
	// The lock is held to the end: a later change of the run must have the last word.
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.gone != nil || en.visible == nil || en.stored < en.queued {
		return
	}
	work := en.visible.Work(time.Now().UTC())
	if len(work.Offers) != 1 || len(work.Messages) > 0 || len(work.Calls) > 0 {
		return // others may still wait: the next owner offers all again, which does no harm
	}
	if offer := work.Offers[0]; offer.ScheduledEventID != task.ScheduledEventID || offer.Stamp != task.Stamp {
		return // an earlier attempt's, told late
	}
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.dirty[en.key] = work.WakeAt
	en.parked = true
}

func (s *shard) committedSeq(seq int64) {
	s.dirtyMu.Lock()
	s.durableSeq = max(s.durableSeq, seq)
	s.dirtyMu.Unlock()
	select {
	case s.dirtyWake <- struct{}{}:
	default:
	}
}

// checkpointLoop trims the log of a busy shard from time to time. An idle shard sends nothing.
func (s *shard) checkpointLoop(ctx context.Context) {
	for {
		select {
		case <-s.dirtyWake:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(s.engine.cfg.CheckpointInterval):
		case <-ctx.Done():
			return
		}
		if err := s.checkpoint(ctx); err != nil && ctx.Err() == nil {
			s.engine.metrics.checkpointsFailed.Inc()
			s.engine.cfg.Logger.Warn("checkpoint failed; trying again", "shard", s.id, "error", err)
			if !errors.Is(err, store.ErrLeaseLost) {
				s.committedSeq(0) // again after the interval
			}
			continue
		}
		s.engine.metrics.checkpointsOK.Inc()
	}
}

// checkpoint parks the wake-ups since the last one and trims the log behind the slowest reader.
func (s *shard) checkpoint(ctx context.Context) error {
	if s.isResetting() {
		return nil // what is in memory is not the store's; the end of the take-over asks for another
	}
	if err := s.parking.take(ctx); err != nil {
		return err
	}
	defer s.parking.end()
	if s.isResetting() {
		return nil
	}
	s.dirtyMu.Lock()
	dirty, seq, trimmed := s.dirty, s.durableSeq, s.trimmedSeq
	s.dirty = make(map[store.ExecutionKey]time.Time)
	s.dirtyMu.Unlock()
	visible := s.reader().position()
	c := store.Checkpoint{Cursors: cursors{Wakes: seq, Visibility: visible}.encode(), Trim: min(seq, visible)}
	if c.Trim < seq {
		defer s.committedSeq(0) // the log is not empty: look again when the slow reader has come on
	}
	if len(dirty) == 0 && visible <= trimmed {
		return nil
	}
	for key, at := range dirty {
		if at.IsZero() {
			c.Clear = append(c.Clear, key)
		} else {
			c.Set = append(c.Set, store.Wake{WakeAt: at, Key: key})
		}
	}
	if err := s.engine.cfg.Store.Checkpoint(ctx, s.currentLease(), c); err != nil {
		s.restoreDirty(dirty)
		return err
	}
	s.noteTrimmed(c.Trim)
	return nil
}

func (s *shard) noteTrimmed(seq int64) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.trimmedSeq = max(s.trimmedSeq, seq)
}

func (s *shard) restoreDirty(dirty map[store.ExecutionKey]time.Time) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	for key, at := range dirty {
		if _, newer := s.dirty[key]; !newer {
			s.dirty[key] = at
		}
	}
}
