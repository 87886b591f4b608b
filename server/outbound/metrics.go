package outbound

import (
	"time"

	"perdure/server/cluster"
	"perdure/server/metrics"
)

// queueMetrics are handles resolved once.
type queueMetrics struct {
	registry *metrics.Registry
	waiting  metrics.Gauge
	underWay metrics.Gauge
	blocked  metrics.Gauge
}

func newQueueMetrics(r *metrics.Registry) queueMetrics {
	return queueMetrics{
		registry: r,
		waiting:  metrics.OutboundWaiting.In(r, metrics.None{}),
		underWay: metrics.OutboundUnderWay.In(r, metrics.None{}),
		blocked:  metrics.OutboundBlocked.In(r, metrics.None{}),
	}
}

var healthNames = map[cluster.OutboundHealth]string{
	cluster.HealthUnknown: "not_made", cluster.Healthy: "healthy", cluster.Failing: "failing",
}

func (m queueMetrics) made(kind string, health cluster.OutboundHealth, start time.Time) {
	labels := metrics.OutboundCall{Kind: kind, Outcome: healthNames[health]}
	metrics.OutboundCalls.In(m.registry, labels).Inc()
	metrics.OutboundDuration.In(m.registry, labels).Since(start)
}

// measure tells how full the queue is. The lock is held.
func (q *Queue) measure() {
	q.metrics.waiting.Set(float64(q.waiting))
	q.metrics.underWay.Set(float64(q.underWay))
	q.metrics.blocked.Set(float64(q.blocked))
}
