// Package limitwatch tells operators what ran into a limit: a metric counts
// each time, and now and then a line of the log names one.
package limitwatch

import (
	"log/slog"
	"sync"
	"time"

	"perdure/server/metrics"
)

// quiet is how long a limit is not logged again: clients may run into one with every call.
const quiet = 10 * time.Second

// Watch counts and logs. The nil watch does nothing.
type Watch struct {
	logger  *slog.Logger
	metrics *metrics.Registry

	mu     sync.Mutex
	logged map[string]logged // by limit
}

// logged is the last line about a limit.
type logged struct {
	at      time.Time
	skipped int // times since then that had no line
}

// New makes a watch that logs to logger and counts in reg, which may be nil.
func New(logger *slog.Logger, reg *metrics.Registry) *Watch {
	return &Watch{logger: logger, metrics: reg, logged: map[string]logged{}}
}

// Passed tells that something in the namespace was larger than a limit, by
// its name in docs/limits.md. attrs say what it was, as for slog.
func (w *Watch) Passed(namespace, limit string, size int64, attrs ...any) {
	if w == nil {
		return
	}
	metrics.LimitsPassed.In(w.metrics, metrics.LimitName{Namespace: namespace, Limit: limit}).Inc()
	skipped, due := w.due(limit, time.Now())
	if !due {
		return
	}
	attrs = append([]any{"limit", limit, "namespace", namespace, "size", size}, attrs...)
	if skipped > 0 {
		attrs = append(attrs, "not_logged", skipped)
	}
	w.logger.Warn("a limit was passed", attrs...)
}

// due tells whether the limit may be logged now, and how often it was passed without a line.
func (w *Watch) due(limit string, now time.Time) (skipped int, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.logged[limit]
	if known && now.Sub(last.at) < quiet {
		last.skipped++
		w.logged[limit] = last
		return 0, false
	}
	w.logged[limit] = logged{at: now}
	return last.skipped, true
}
