package history

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"

	"perdure/server/metrics"
	"perdure/visibility"
)

// feed is a visibility store with what this node does for it.
type feed struct {
	Feed
	engine *Engine
	wake   chan struct{} // a rebuild may be due

	mu       sync.Mutex
	asked    *RebuildRequest
	restarts int // raised when a reader is lost: a scan under way must begin anew
	progress RebuildProgress
}

func newFeed(e *Engine, f Feed) *feed {
	made := &feed{Feed: f, engine: e, wake: make(chan struct{}, 1)}
	if f.Label == "" {
		made.Label = f.Name
	}
	label := metrics.Store{Store: made.Label}
	oldest, behind := metrics.VisibilityOldest.In(e.cfg.Metrics, label), metrics.VisibilityBehind.In(e.cfg.Metrics, label)
	e.cfg.Metrics.OnScrape(func() {
		status := made.status()
		oldest.Set(status.Oldest.Seconds())
		behind.Set(float64(status.BehindShards))
	})
	return made
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default: // it looks anyway
	}
}

// lost tells that a shard's log did not wait for the store any more.
func (f *feed) lost(shard int32) {
	f.engine.cfg.Logger.Error("a visibility store is too far behind; it will be rebuilt from the executions when it takes records again",
		"store", f.Name, "shard", shard, "rows_max", f.engine.cfg.FeedRowsMax)
	f.mu.Lock()
	f.restarts++
	f.mu.Unlock()
	f.signal()
}

// readers are those of this store, in all shards of this node.
func (f *feed) readers() []*reader {
	var found []*reader
	for _, s := range f.engine.owned() {
		for _, r := range s.currentReaders() {
			if r.feed == f {
				found = append(found, r)
			}
		}
	}
	return found
}

// in lists the readers in a state.
func (f *feed) in(state feedState) []*reader {
	return slices.DeleteFunc(f.readers(), func(r *reader) bool { return r.look().state != state })
}

// FeedStatus tells how a visibility store does.
type FeedStatus struct {
	Name         string          `json:"name"`
	Reads        bool            `json:"reads"`
	Oldest       time.Duration   `json:"oldest_pending_ns"` // age of the oldest change that it lacks
	PendingRows  int64           `json:"pending_log_rows"`  // that it has not all of
	BehindShards int             `json:"behind_shards"`     // fed from the log
	LostShards   int             `json:"lost_shards"`       // wait for a rebuild or are in one
	Rebuild      RebuildProgress `json:"rebuild"`
}

func (f *feed) status() FeedStatus {
	status := FeedStatus{Name: f.Name, Reads: f.Reads}
	now := time.Now()
	for _, r := range f.readers() {
		l := r.look()
		status.PendingRows += l.latest - l.position
		if l.behind {
			status.BehindShards++
		}
		if l.state != feedComplete {
			status.LostShards++
		}
		if !l.oldest.IsZero() {
			status.Oldest = max(status.Oldest, now.Sub(l.oldest))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	status.Rebuild = f.progress
	return status
}

// FeedStatuses tells how the visibility stores do.
func (e *Engine) FeedStatuses() []FeedStatus {
	statuses := make([]FeedStatus, len(e.feeds))
	for i, f := range e.feeds {
		statuses[i] = f.status()
	}
	return statuses
}

// offerAll hands a record over that no log row asks for. It tells whether
// there was room; a store that is behind for long is no reason to come again.
func (e *Engine) offerAll(s *shard, rec *visibility.Record) bool {
	taken := true
	for _, r := range s.currentReaders() {
		l := r.look()
		if l.behind || l.state == feedLost {
			continue
		}
		taken = r.feed.Indexer.Offer(rec, time.Time{}, nil) && taken
	}
	return taken
}

func (e *Engine) feedOf(name string) *feed {
	place := slices.IndexFunc(e.feeds, func(f *feed) bool { return f.Name == name })
	if place < 0 {
		return nil
	}
	return e.feeds[place]
}

// Fresh waits until the stores that answer searches have every change that
// was answered to a client before the call, and show it. It is Unavailable when
// one of them does not in Config.FreshWait.
func (e *Engine) Fresh(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, e.cfg.FreshWait)
	defer cancel()
	for _, f := range e.feeds {
		if !f.Reads {
			continue
		}
		err := f.fresh(waiting)
		if waiting.Err() != nil && ctx.Err() == nil {
			return serviceerror.NewUnavailablef(
				"search store %q does not show the newest changes after %v: please retry, or take what it shows by leaving out perdure-visibility-fresh",
				f.Name, e.cfg.FreshWait)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) fresh(ctx context.Context) error {
	for _, r := range f.readers() {
		if err := r.await(ctx, r.look().latest); err != nil {
			return err
		}
	}
	if refresher, later := f.Store.(visibility.Refresher); later {
		return refresher.Refresh(ctx)
	}
	return nil
}
