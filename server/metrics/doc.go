// Package metrics holds every metric of Perdure as a value: name, help, unit,
// kind, typed labels and buckets. A definition is the only way to make a
// metric, and the only thing a dashboard may refer to, so that neither can
// drift from the other.
//
// Use:
//
//	reg := metrics.NewRegistry()                     // nil works too: every handle does nothing
//	hits := metrics.CacheRequests.In(reg, metrics.CacheResult{Cache: "execution", Result: "hit"})
//	hits.Inc()                                       // resolved once: no look-up on the hot path
//	metrics.CommitDuration.In(reg, metrics.Outcome{Outcome: "ok"}).Since(start)
//	http.Handle("/metrics", reg.Handler())
//
// Label values are bounded sets or names that the operator knows (method,
// namespace, task queue): never ids, addresses, error texts or query texts. A
// metric that reaches [SeriesMax] label sets puts further ones under "_other_".
package metrics
