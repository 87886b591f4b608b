package matching

import (
	"time"

	"perdure/server/cluster"
	"perdure/server/match"
)

// Polled implements cluster.QueueFacts.
func (e *Engine) Polled(queue cluster.TaskQueue, v match.Version) bool {
	for _, p := range e.RecentPollers(queue) {
		if match.WorkerVersion(p.GetDeploymentOptions()) == v {
			return true
		}
	}
	return false
}

// Busy implements cluster.QueueFacts.
func (e *Engine) Busy(queue cluster.TaskQueue) bool {
	q := e.lookup(keyOf(queue))
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	added, _ := q.rates(time.Now())
	return added > 0 || q.lanes.waitingTasks() > 0
}
