package history

import (
	"perdure/server/metrics"
)

// engineMetrics are handles resolved once.
type engineMetrics struct {
	registry          *metrics.Registry
	commitsOK         metrics.Counter
	commitsFailed     metrics.Counter
	commitDuration    metrics.Histogram
	commitWait        metrics.Histogram
	commitTransitions metrics.Histogram
	commitQueued      metrics.Gauge
	transitions       metrics.Counter
	cacheHits         metrics.Counter
	cacheMisses       metrics.Counter
	cacheEntries      metrics.Gauge
	cacheEvicted      metrics.Counter
	shardsOwned       metrics.Gauge
	timersPending     metrics.Gauge
	timerLag          metrics.Histogram
	checkpointsOK     metrics.Counter
	checkpointsFailed metrics.Counter
	logPending        metrics.Gauge
	longPolls         metrics.Gauge
	historyEvents     metrics.Histogram
	historyBytes      metrics.Histogram
}

func newEngineMetrics(r *metrics.Registry) engineMetrics {
	execution := metrics.CacheName{Cache: "execution"}
	return engineMetrics{
		registry:          r,
		commitsOK:         metrics.Commits.In(r, metrics.Outcome{Outcome: "ok"}),
		commitsFailed:     metrics.Commits.In(r, metrics.Outcome{Outcome: "error"}),
		commitDuration:    metrics.CommitDuration.In(r, metrics.Outcome{Outcome: "ok"}),
		commitWait:        metrics.CommitWait.In(r, metrics.None{}),
		commitTransitions: metrics.CommitTransitions.In(r, metrics.None{}),
		commitQueued:      metrics.CommitQueued.In(r, metrics.None{}),
		transitions:       metrics.Transitions.In(r, metrics.None{}),
		cacheHits:         metrics.CacheRequests.In(r, metrics.CacheResult{Cache: "execution", Result: "hit"}),
		cacheMisses:       metrics.CacheRequests.In(r, metrics.CacheResult{Cache: "execution", Result: "miss"}),
		cacheEntries:      metrics.CacheEntries.In(r, execution),
		cacheEvicted:      metrics.CacheEvicted.In(r, execution),
		shardsOwned:       metrics.ShardsOwned.In(r, metrics.None{}),
		timersPending:     metrics.TimersPending.In(r, metrics.None{}),
		timerLag:          metrics.TimerFireLag.In(r, metrics.None{}),
		checkpointsOK:     metrics.Checkpoints.In(r, metrics.Outcome{Outcome: "ok"}),
		checkpointsFailed: metrics.Checkpoints.In(r, metrics.Outcome{Outcome: "error"}),
		logPending:        metrics.LogPending.In(r, metrics.None{}),
		longPolls:         metrics.LongPolls.In(r, metrics.None{}),
		historyEvents:     metrics.HistoryEvents.In(r, metrics.None{}),
		historyBytes:      metrics.HistoryBytes.In(r, metrics.None{}),
	}
}
