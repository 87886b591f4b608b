package history

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"perdure/server/execution"
	"perdure/server/store"
	"perdure/visibility"
)

const (
	// followRetry is how long a reader waits when the store of executions fails.
	followRetry = time.Second
	// followLoads is how many runs one reader loads at once.
	followLoads = 8
)

// follow hands over from the log what found no room when it was committed.
func (r *reader) follow(context.Context) {
	for {
		select {
		case <-r.wake:
		case <-r.ctx.Done():
			return
		}
		for r.look().behind && r.ctx.Err() == nil {
			if err := r.catchUp(); err != nil && r.ctx.Err() == nil {
				r.shard.engine.cfg.Logger.Warn("could not read changes for search; trying again", "shard", r.shard.id, "store", r.feed.Name, "error", err)
				r.pause()
			}
		}
	}
}

func (r *reader) pause() {
	select {
	case <-time.After(followRetry):
	case <-r.ctx.Done():
	}
}

// missed is one run's change that a page of the log tells of; the last of the page has the others in it.
type missed struct {
	task      logTask
	seq       int64
	committed time.Time
}

// catchUp hands over a page of the log, and goes live at its end.
func (r *reader) catchUp() error {
	r.mu.Lock()
	after, latest, mark := r.handed, r.latest, r.generation
	r.mu.Unlock()
	rows, err := r.shard.engine.cfg.Store.ReadLog(r.ctx, r.shard.id, after, recoveryPage)
	if err != nil {
		return err
	}
	page, last, err := missedOf(rows, latest)
	if err != nil {
		return err
	}
	if len(rows) < recoveryPage {
		last = latest
	}
	if !r.hand(page, mark, last) {
		return nil // lost meanwhile
	}
	var loads errgroup.Group
	loads.SetLimit(followLoads)
	for _, m := range page {
		loads.Go(func() error { return r.bring(m, mark) })
	}
	if err := loads.Wait(); err != nil {
		return err
	}
	r.goLive(mark)
	return nil
}

// missedOf lists the changes of rows up to latest, each run's last one, in order.
func missedOf(rows []store.LogRow, latest int64) (page []missed, last int64, err error) {
	found := make(map[store.ExecutionKey]missed)
	for _, row := range rows {
		if row.Seq > latest {
			break // durable, but not told of yet
		}
		tasks, at, err := decodeLog(row.Data)
		if err != nil {
			return nil, 0, err
		}
		last = row.Seq
		for _, task := range tasks {
			m := missed{task, row.Seq, at}
			if task.gone != nil {
				page = append(page, m)
			} else if task.visibility {
				if first, twice := found[task.key]; twice {
					m.committed = first.committed
				}
				found[task.key] = m
			}
		}
	}
	page = slices.AppendSeq(page, maps.Values(found))
	slices.SortFunc(page, func(a, b missed) int { return cmp.Compare(a.seq, b.seq) })
	return page, last, nil
}

// hand notes what is handed over next.
func (r *reader) hand(page []missed, mark int, last int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark != r.generation {
		return false
	}
	for _, m := range page {
		r.add(m.seq, 1, m.committed)
	}
	r.handed = max(r.handed, last)
	r.since = time.Now()
	r.tell()
	return true
}

// goLive ends the catching up when nothing was committed meanwhile.
func (r *reader) goLive(mark int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark == r.generation && r.handed >= r.latest {
		r.behind = false
	}
}

// bring hands one run's newest state over, for as long as it takes.
func (r *reader) bring(m missed, mark int) error {
	done := func() { r.finish(mark, m.seq) }
	if m.task.gone != nil {
		return r.feed.Indexer.Enqueue(r.ctx, m.task.gone, m.committed, done)
	}
	for {
		rec, err := r.shard.engine.storedRecord(r.ctx, m.task.key)
		switch {
		case err == nil:
			return r.feed.Indexer.Enqueue(r.ctx, rec, m.committed, done)
		case isMissing(err):
			done()
			return nil // deleted: another row tells of it
		case isDamaged(err):
			r.shard.engine.cfg.Logger.Error("a run cannot be read and is not brought to search", "slot", m.task.key.Slot, "exec", m.task.key.Exec, "error", err)
			done()
			return nil
		}
		r.pause()
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
	}
}

func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }

// storedRecord is the run's record as the store of executions has it.
func (e *Engine) storedRecord(ctx context.Context, key store.ExecutionKey) (*visibility.Record, error) {
	row, err := e.cfg.Store.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	return RecordOf(ctx, e.cfg.Store, e.allowed, row)
}

// RecordOf makes the search record of a stored run. It reads the events that it needs.
func RecordOf(ctx context.Context, s store.Store, look LookOf, row *store.Execution) (*visibility.Record, error) {
	state, err := execution.Decode(row.State)
	if err != nil {
		return nil, err
	}
	if err := attach(ctx, s, row.Key, state); err != nil {
		return nil, err
	}
	return record(state, look), nil
}
