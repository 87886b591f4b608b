package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/audit"
)

// RebuildRequest asks for a rebuild of a visibility store from the executions.
type RebuildRequest struct {
	NamespaceID string `json:"namespace_id,omitempty"` // empty: all
	Rate        int    `json:"rate,omitempty"`         // runs a second at most; 0: as fast as the store takes them
	// Again writes runs, too, that the store has in this version.
	Again bool `json:"again,omitempty"`
}

// RebuildProgress tells how far a rebuild is.
type RebuildProgress struct {
	Phase     string    `json:"phase,omitempty"` // waiting, scanning, comparing, done; empty: there was none
	Reason    string    `json:"reason,omitempty"`
	Scanned   int64     `json:"scanned"` // runs read
	Removed   int64     `json:"removed"` // runs that the store had and that do not exist
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Rate      float64   `json:"rate"` // runs a second
	Error     string    `json:"error,omitempty"`
}

// rebuildKind is the kind of the metadata records that hold how far rebuilds are; the key is the store's name.
const rebuildKind = "visibility_rebuild"

// rebuildJob is a rebuild as it is stored.
type rebuildJob struct {
	RebuildRequest
	Reason    string             `json:"reason"`
	After     store.ExecutionKey `json:"after"` // all runs up to here are in the store
	Last      int64              `json:"last"`  // the last run's number when it began; the log tells of later ones
	Scanned   int64              `json:"scanned"`
	StartedAt time.Time          `json:"started_at"`
}

// Rebuild begins to rebuild a visibility store beside what goes on. A rebuild under way is begun anew.
func (e *Engine) Rebuild(name string, request RebuildRequest) error {
	f := e.feedOf(name)
	if f == nil {
		return fmt.Errorf("there is no visibility store %q", name)
	}
	f.mu.Lock()
	f.asked = &request
	f.restarts++
	f.progress = RebuildProgress{Phase: "waiting", Reason: "asked", StartedAt: time.Now().UTC()}
	f.mu.Unlock()
	f.signal()
	return nil
}

// run rebuilds the store whenever it lacks something that the log has not any more, or when it is asked to.
func (f *feed) run(ctx context.Context) {
	f.signal() // one may have been cut off
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			again, err := f.rebuildOnce(ctx)
			if err == nil && !again {
				break
			}
			if err == nil || ctx.Err() != nil {
				continue
			}
			f.note(func(p *RebuildProgress) { p.Error = err.Error() })
			f.engine.cfg.Logger.Warn("a rebuild of search stopped; it goes on", "store", f.Name, "error", err)
			select {
			case <-time.After(followRetry):
			case <-ctx.Done():
			}
		}
	}
}

func (f *feed) note(change func(*RebuildProgress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.progress)
}

// errAnew tells that a scan must begin anew.
var errAnew = errors.New("the rebuild begins anew")

// rebuildOnce does what is due. again tells to look once more.
func (f *feed) rebuildOnce(ctx context.Context) (again bool, err error) {
	f.mu.Lock()
	asked, turn := f.asked, f.restarts
	f.mu.Unlock()
	job, version, err := f.load(ctx)
	if err != nil {
		return false, err
	}
	lost := f.in(feedLost)
	switch {
	case asked != nil || len(lost) > 0 || job == nil && len(f.in(feedScanning)) > 0:
		if job, version, err = f.beginAnew(ctx, asked, lost, version); err != nil {
			return false, err
		}
	case job == nil:
		return false, nil
	}
	if job.Last == 0 { // from here on the log tells of every run
		job.Last = f.engine.lastExec()
	}
	w := &rebuildWork{feed: f, job: job, version: version, turn: turn}
	if err := w.run(ctx); errors.Is(err, errAnew) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}

func (f *feed) load(ctx context.Context) (*rebuildJob, int64, error) {
	meta, err := f.engine.cfg.Store.Meta(ctx, rebuildKind, f.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var job rebuildJob
	if err := json.Unmarshal(meta.Data, &job); err != nil {
		return nil, 0, fmt.Errorf("%w: rebuild of %s: %w", store.ErrDamaged, f.Name, err)
	}
	return &job, meta.Version, nil
}

// beginAnew stores a job from the beginning, when the store is well; then changes are handed over again.
func (f *feed) beginAnew(ctx context.Context, asked *RebuildRequest, lost []*reader, version int64) (*rebuildJob, int64, error) {
	job := &rebuildJob{Reason: "asked", StartedAt: time.Now().UTC()}
	if asked != nil {
		job.RebuildRequest = *asked
	}
	if len(lost) > 0 {
		job.NamespaceID, job.Reason = "", "behind"
	}
	f.note(func(p *RebuildProgress) {
		*p = RebuildProgress{Phase: "waiting", Reason: job.Reason, StartedAt: job.StartedAt}
	})
	if preparer, ok := f.Store.(interface{ Prepare(context.Context) error }); ok { // its index may be gone
		if err := preparer.Prepare(ctx); err != nil {
			return nil, 0, err
		}
	}
	if err := f.Indexer.Flush(ctx); err != nil { // what waits is no sign of life, what is written is
		return nil, 0, err
	}
	version, err := f.save(ctx, job, version)
	if err != nil {
		return nil, 0, err
	}
	f.mu.Lock()
	if f.asked == asked {
		f.asked = nil
	}
	f.mu.Unlock()
	for _, r := range lost {
		r.resume()
	}
	metrics.VisibilityRebuilds.In(f.engine.cfg.Metrics, metrics.VisibilityReason{Store: f.Label, Reason: job.Reason}).Inc()
	f.engine.cfg.Logger.Info("search is rebuilt from the executions", "store", f.Name, "reason", job.Reason)
	return job, version, nil
}

// save stores how far a job is; nil ends it. It returns the version of the record.
func (f *feed) save(ctx context.Context, job *rebuildJob, version int64) (int64, error) {
	meta := store.Meta{Kind: rebuildKind, Key: f.Name, Version: version + 1}
	if job != nil {
		data, err := json.Marshal(job)
		if err != nil {
			return 0, err
		}
		meta.Data = data
	}
	return version + 1, f.engine.cfg.Store.PutMeta(ctx, meta)
}

const (
	// scanPage is how many runs a rebuild reads at once.
	scanPage = 200
	// scanSaveInterval is how often a rebuild stores how far it is.
	scanSaveInterval = 5 * time.Second
)

// rebuildWork is a rebuild under way.
type rebuildWork struct {
	feed    *feed
	job     *rebuildJob
	version int64
	turn    int
	saved   time.Time
	began   time.Time
	first   int64 // runs scanned before it went on
}

func (w *rebuildWork) run(ctx context.Context) error {
	w.began, w.saved, w.first = time.Now(), time.Now(), w.job.Scanned
	w.feed.note(func(p *RebuildProgress) {
		*p = RebuildProgress{Phase: "scanning", Reason: w.job.Reason, Scanned: w.job.Scanned, StartedAt: w.job.StartedAt}
	})
	if err := w.scan(ctx); err != nil {
		return err
	}
	w.feed.note(func(p *RebuildProgress) { p.Phase = "comparing" })
	if err := w.clean(ctx); err != nil {
		return err
	}
	if w.mustBeginAnew() {
		return errAnew
	}
	for _, r := range w.feed.in(feedScanning) {
		r.scanned()
		r.shard.committedSeq(0) // let a checkpoint know
	}
	if _, err := w.feed.save(ctx, nil, w.version); err != nil {
		return err
	}
	w.feed.note(func(p *RebuildProgress) { p.Phase, p.EndedAt, p.Error = "done", time.Now().UTC(), "" })
	w.feed.engine.cfg.Logger.Info("search is rebuilt", "store", w.feed.Name, "runs", w.job.Scanned, "took", time.Since(w.job.StartedAt))
	return nil
}

func (w *rebuildWork) mustBeginAnew() bool {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.feed.restarts != w.turn
}

// lastExec is the number of the newest run of this node.
func (e *Engine) lastExec() (last int64) {
	for _, s := range e.owned() {
		s.mu.Lock()
		last = max(last, s.nextExec)
		s.mu.Unlock()
	}
	return last
}

// older cuts off the runs that began after the rebuild.
func (w *rebuildWork) older(rows []*store.Execution) []*store.Execution {
	for i, row := range rows {
		if row.Key.Exec > w.job.Last {
			return rows[:i]
		}
	}
	return rows
}

// scan hands all runs over, page by page; while one is written the next is read.
func (w *rebuildWork) scan(ctx context.Context) error {
	var before *scannedPage
	for next := w.job.After; ; {
		if w.mustBeginAnew() {
			return errAnew
		}
		rows, err := w.feed.engine.cfg.Store.Executions(ctx, next, scanPage)
		if err != nil {
			return err
		}
		var page *scannedPage
		if rows = w.older(rows); len(rows) > 0 {
			if page, err = w.hand(ctx, rows); err != nil {
				return err
			}
			next = page.last
		}
		if err := w.settle(ctx, before); err != nil || page == nil {
			return err
		}
		before = page
		w.pace(ctx)
	}
}

// scannedPage is a page of runs on its way.
type scannedPage struct {
	last    store.ExecutionKey
	runs    int
	pending atomic.Int64
	done    chan struct{}
}

func (p *scannedPage) finish() {
	if p.pending.Add(-1) == 0 {
		close(p.done)
	}
}

func (w *rebuildWork) hand(ctx context.Context, rows []*store.Execution) (*scannedPage, error) {
	page := &scannedPage{last: rows[len(rows)-1].Key, runs: len(rows), done: make(chan struct{})}
	page.pending.Store(1) // until all are handed over
	var loads errgroup.Group
	loads.SetLimit(followLoads)
	for _, row := range rows {
		if _, err := w.feed.engine.shardOf(row.Key.Slot); err != nil || w.job.NamespaceID != "" && row.Workflow.NamespaceID != w.job.NamespaceID {
			continue
		}
		loads.Go(func() error { return w.handOne(ctx, row, page) })
	}
	err := loads.Wait()
	page.finish()
	return page, err
}

func (w *rebuildWork) handOne(ctx context.Context, row *store.Execution, page *scannedPage) error {
	e := w.feed.engine
	rec, err := RecordOf(ctx, e.cfg.Store, e.allowed, row)
	switch {
	case isDamaged(err):
		e.cfg.Logger.Error("a run cannot be read and is not brought to search", "workflow_id", row.Workflow.WorkflowID, "run_id", row.RunID, "error", err)
		return nil
	case err != nil:
		return err
	}
	rec.Again = w.job.Again
	page.pending.Add(1)
	return w.feed.Indexer.Enqueue(ctx, rec, time.Time{}, page.finish)
}

// settle waits for a page and notes how far the rebuild is.
func (w *rebuildWork) settle(ctx context.Context, page *scannedPage) error {
	if page == nil {
		return nil
	}
	select {
	case <-page.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.job.After, w.job.Scanned = page.last, w.job.Scanned+int64(page.runs)
	metrics.VisibilityRebuilt.In(w.feed.engine.cfg.Metrics, metrics.Store{Store: w.feed.Label}).Add(float64(page.runs))
	w.feed.note(func(p *RebuildProgress) {
		p.Scanned = w.job.Scanned
		p.Rate = float64(w.job.Scanned-w.first) / time.Since(w.began).Seconds()
	})
	if time.Since(w.saved) < scanSaveInterval {
		return nil
	}
	version, err := w.feed.save(ctx, w.job, w.version)
	if err != nil {
		return err
	}
	w.version, w.saved = version, time.Now()
	return nil
}

// pace keeps to the rate that was asked for.
func (w *rebuildWork) pace(ctx context.Context) {
	if w.job.Rate <= 0 {
		return
	}
	due := w.began.Add(time.Duration(float64(w.job.Scanned-w.first+scanPage) / float64(w.job.Rate) * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
	case <-ctx.Done():
	}
}

// clean removes what the store has and what does not exist.
func (w *rebuildWork) clean(ctx context.Context) error {
	inventory, ok := w.feed.Store.(visibility.Inventory)
	if !ok {
		return nil
	}
	_, err := audit.Compare(ctx, audit.Config{
		Source: RunSource{w.feed.engine.cfg.Store, w.feed.engine.allowed}, Inventory: inventory, Store: w.feed.Store, NamespaceID: w.job.NamespaceID,
		Report: func(d audit.Difference) error {
			if d.Kind != audit.Orphan {
				return nil // the log tells of it
			}
			w.feed.note(func(p *RebuildProgress) { p.Removed++ })
			return w.feed.Indexer.Enqueue(ctx, d.Tombstone(), time.Time{}, nil)
		},
	})
	if err != nil {
		return err
	}
	return w.feed.Indexer.Flush(ctx)
}
