package matching

import (
	"slices"
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
func (e *Engine) Busy(name cluster.TaskQueue) bool {
	return slices.ContainsFunc(e.family(name), (*queue).busy)
}

func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	added, _ := q.rates(time.Now())
	return added > 0 || q.lanes.waitingTasks() > 0
}
