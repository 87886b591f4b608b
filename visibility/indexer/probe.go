package indexer

import (
	"context"
	"sync"
	"time"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

const (
	// probeEvery is the least time between two records that are waited for.
	probeEvery = 5 * time.Second
	// probeLook is the time between two looks for one, and so what the measure is exact to.
	probeLook = 20 * time.Millisecond
	// probeMax is how long one is looked for.
	probeMax = 30 * time.Second
)

// probe measures when written records can be found, by looking for one of them from time to time.
type probe struct {
	running sync.WaitGroup
	last    time.Time // when the last look began
}

// watchFor looks for one of the records that were just written, where the store shows them later than it takes them.
func (i *Indexer) watchFor(written []*entry) {
	if _, later := i.config.Store.(visibility.Refresher); !later {
		return
	}
	for _, e := range written {
		if e.rec.Deleted || e.committed.IsZero() {
			continue
		}
		if i.probeDue() {
			i.probe.running.Go(func() { i.lookFor(e.rec, e.committed) })
		}
		return
	}
}

func (i *Indexer) probeDue() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.config.Clock.Now()
	if now.Sub(i.probe.last) < probeEvery {
		return false
	}
	i.probe.last = now
	return true
}

// lookFor looks for a record until it is found.
func (i *Indexer) lookFor(rec *visibility.Record, committed time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), probeMax)
	defer cancel()
	for ctx.Err() == nil {
		if i.finds(ctx, rec) {
			i.metrics.findable.Observe(i.config.Clock.Now().Sub(committed).Seconds())
			return
		}
		timer := i.config.Clock.NewTimer(probeLook)
		select {
		case <-timer.C():
		case <-i.stopped:
			timer.Stop()
			return
		}
	}
}

// finds tells whether the store shows this version of the run or a newer one.
func (i *Indexer) finds(ctx context.Context, rec *visibility.Record) bool {
	q := &query.Query{Where: &query.Compare{
		Field: query.Field{Name: attr.RunID}, Op: query.Equal, Value: query.Value{Kind: query.String, String: rec.RunID},
	}}
	if err := query.CheckList(q, nil); err != nil {
		return false
	}
	found, _, err := i.config.Store.List(ctx, visibility.ListRequest{NamespaceID: rec.NamespaceID, Query: q, PageSize: 1})
	return err == nil && len(found) == 1 && found[0].Version >= rec.Version
}
