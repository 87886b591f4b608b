package indexer

import (
	"time"

	"perdure/server/metrics"
)

// meters are the series of one indexer.
type meters struct {
	lag          metrics.Histogram
	bulkDuration metrics.Histogram
	bulkDocs     metrics.Histogram
	indexed      metrics.Counter
	deleted      metrics.Counter
	coalesced    metrics.Counter
	retried      metrics.Counter
	degraded     metrics.Counter
}

func newMeters(config Config, i *Indexer) meters {
	name := config.Store.Name()
	store := metrics.Store{Store: name}
	docs := func(kind, outcome string) metrics.Counter {
		return metrics.VisibilityDocs.In(config.Metrics, metrics.VisibilityDoc{Store: name, Kind: kind, Outcome: outcome})
	}
	pending := metrics.VisibilityPending.In(config.Metrics, store)
	oldest := metrics.VisibilityOldest.In(config.Metrics, store)
	config.Metrics.OnScrape(func() {
		pending.Set(float64(i.Pending()))
		age := time.Duration(0)
		if since := i.Oldest(); !since.IsZero() {
			age = config.Clock.Now().Sub(since)
		}
		oldest.Set(age.Seconds())
	})
	return meters{
		lag:          metrics.VisibilityLag.In(config.Metrics, store),
		bulkDuration: metrics.VisibilityBulkDuration.In(config.Metrics, store),
		bulkDocs:     metrics.VisibilityBulkDocs.In(config.Metrics, store),
		indexed:      docs("index", "ok"),
		deleted:      docs("delete", "ok"),
		coalesced:    docs("index", "coalesced"),
		retried:      docs("index", "retry"),
		degraded:     docs("index", "error"),
	}
}

// batch counts one statement.
func (m meters) batch(records int, took time.Duration, err error) {
	m.bulkDuration.Observe(took.Seconds())
	m.bulkDocs.Observe(float64(records))
	if err != nil {
		m.retried.Add(float64(records))
	}
}

// written counts one run that is durable now.
func (m meters) written(e *entry, now time.Time) {
	m.lag.Observe(now.Sub(e.since).Seconds())
	if e.rec.Deleted {
		m.deleted.Inc()
	} else {
		m.indexed.Inc()
	}
}
