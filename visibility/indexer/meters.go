package indexer

import (
	"errors"
	"time"

	"perdure/server/metrics"
	"perdure/visibility"
)

// meters are the series of one indexer.
type meters struct {
	lag          metrics.Histogram
	findable     metrics.Histogram
	bulkDuration metrics.Histogram
	bulkDocs     metrics.Histogram
	indexed      metrics.Counter
	deleted      metrics.Counter
	coalesced    metrics.Counter
	retried      metrics.Counter
	degraded     metrics.Counter
	dropped      metrics.Counter
	failures     map[visibility.Class]metrics.Counter
}

func newMeters(config Config, i *Indexer) meters {
	store := metrics.Store{Store: config.Name}
	docs := func(kind, outcome string) metrics.Counter {
		return metrics.VisibilityDocs.In(config.Metrics, metrics.VisibilityDoc{Store: config.Name, Kind: kind, Outcome: outcome})
	}
	failures := map[visibility.Class]metrics.Counter{}
	for _, class := range []visibility.Class{visibility.Busy, visibility.Blocked, visibility.Refused} {
		failures[class] = metrics.VisibilityFailures.In(config.Metrics, metrics.VisibilityFailure{Store: config.Name, Class: class.String()})
	}
	scrape(config, i)
	return meters{
		lag:          metrics.VisibilityLag.In(config.Metrics, store),
		findable:     metrics.VisibilityFindable.In(config.Metrics, store),
		bulkDuration: metrics.VisibilityBulkDuration.In(config.Metrics, store),
		bulkDocs:     metrics.VisibilityBulkDocs.In(config.Metrics, store),
		indexed:      docs("index", "ok"),
		deleted:      docs("delete", "ok"),
		coalesced:    docs("index", "coalesced"),
		retried:      docs("index", "retry"),
		degraded:     docs("index", "error"),
		dropped:      docs("index", "dropped"),
		failures:     failures,
	}
}

// scrape fills the gauges when they are read.
func scrape(config Config, i *Indexer) {
	store := metrics.Store{Store: config.Name}
	pending := metrics.VisibilityPending.In(config.Metrics, store)
	bytes := metrics.VisibilityPendingBytes.In(config.Metrics, store)
	blocked := metrics.VisibilityBlocked.In(config.Metrics, store)
	config.Metrics.OnScrape(func() {
		pending.Set(float64(i.Pending()))
		bytes.Set(float64(i.pendingBytes()))
		blocked.Set(map[bool]float64{true: 1}[i.Blocked()])
	})
}

func (i *Indexer) pendingBytes() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.queue.bytes
}

// batch counts one statement. A store that tells of each record is counted by failed.
func (m meters) batch(records int, took time.Duration, err error) {
	m.bulkDuration.Observe(took.Seconds())
	m.bulkDocs.Observe(float64(records))
	var items *visibility.WriteError
	switch {
	case errors.As(err, &items):
		m.retried.Add(float64(len(items.Items)))
	case err != nil:
		m.retried.Add(float64(records))
	}
}

// failed counts one record that was not taken.
func (m meters) failed(class visibility.Class) { m.failures[class].Inc() }

// written counts one run that is durable now.
func (m meters) written(e *entry, now time.Time) {
	if !e.committed.IsZero() { // else no commit asked for it
		m.lag.Observe(now.Sub(e.committed).Seconds())
	}
	if e.rec.Deleted {
		m.deleted.Inc()
	} else {
		m.indexed.Inc()
	}
}
