package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"perdure/server/cluster"
	"perdure/server/store"
)

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
	at, visible, states := s.readerCursors(seq)
	at.Wakes = seq
	c := store.Checkpoint{Cursors: at.encode(), Trim: min(seq, visible)}
	if c.Trim < seq {
		defer s.committedSeq(0) // the log is not empty: look again when the slow reader has come on
	}
	if len(dirty) == 0 && visible <= trimmed && states == s.savedStates() {
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
	s.noteTrimmed(c.Trim, states)
	return nil
}

// readerCursors tells how far the readers are, and gives up those for which the log would have to wait too long.
func (s *shard) readerCursors(seq int64) (at cursors, visible int64, states string) {
	visible = seq
	for _, r := range s.currentReaders() {
		if r.lose(s.engine.cfg.FeedRowsMax) {
			r.feed.lost(s.id)
		}
		l := r.look()
		visible = min(visible, l.position)
		at.Feeds = append(at.Feeds, feedCursor{r.feed.Name, l.position, l.state})
		states += stateText(r.feed, l.state)
	}
	return at, visible, states
}

func stateText(f *feed, state feedState) string { return fmt.Sprintf("%s=%d ", f.Name, state) }

func (s *shard) savedStates() string {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	return s.states
}

func (s *shard) noteTrimmed(seq int64, states string) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.trimmedSeq, s.states = max(s.trimmedSeq, seq), states
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
