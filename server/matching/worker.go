package matching

import (
	"context"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
)

// workerKey names one worker process.
type workerKey struct{ namespaceID, instance string }

// workerTable remembers workers that shut down, so that a poll which crosses
// the shutdown does not wait for a minute.
type workerTable struct {
	mu      sync.RWMutex
	stopped map[workerKey]time.Time
}

func (t *workerTable) isStopped(request *pollRequest, now time.Time) bool {
	if request.workerKey == "" {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	at, ok := t.stopped[workerKey{request.key.namespaceID, request.workerKey}]
	return ok && now.Sub(at) < stoppedWorkerAge
}

func (t *workerTable) stop(key workerKey, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for old, at := range t.stopped {
		if now.Sub(at) >= stoppedWorkerAge {
			delete(t.stopped, old)
		}
	}
	t.stopped[key] = now
}

// ShutdownWorker tells that a worker ends. See cluster.Matching.
func (e *Engine) ShutdownWorker(_ context.Context, ns *cluster.Namespace, req *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error) {
	instance := req.GetWorkerInstanceKey()
	if instance != "" && req.GetTaskQueue() != "" {
		e.workers.stop(workerKey{ns.ID, instance}, time.Now())
		for _, kind := range shutdownTypes(req.GetTaskQueueTypes()) {
			e.releaseWorker(queueKey{namespaceID: ns.ID, name: req.GetTaskQueue(), kind: kind}, instance)
		}
	}
	if name := req.GetStickyTaskQueue(); name != "" {
		key := queueKey{namespaceID: ns.ID, name: name, kind: enumspb.TASK_QUEUE_TYPE_WORKFLOW, sticky: true}
		if q := e.lookup(key); q != nil {
			q.refuseAll()
		}
	}
	return &workflowservice.ShutdownWorkerResponse{}, nil
}

// shutdownTypes are the types of queues whose polls end: all when none is named.
func shutdownTypes(named []enumspb.TaskQueueType) []enumspb.TaskQueueType {
	if len(named) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(named)))
	}
	return []enumspb.TaskQueueType{
		enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_NEXUS,
	}
}

// releaseWorker answers the polls of one worker empty.
func (e *Engine) releaseWorker(key queueKey, instance string) {
	q := e.lookup(key)
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for p := q.polls.first; p != nil; {
		next := p.next
		if p.request.workerKey == instance {
			q.polls.remove(p)
			p.hand(handover{})
		}
		p = next
	}
}

// refuseAll sends everything that waits in a sticky queue back to where it came
// from and ends its polls. The queue takes tasks again when somebody polls anew.
func (q *queue) refuseAll() {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pollers.shutDown()
	q.releasePolls()
	q.failQueries(cluster.ErrNoPoller)
	q.refuseWaiting(&reports)
}

func (q *queue) refuseWaiting(reports *outcomes) {
	for _, e := range q.inLine() {
		q.finish(e, cluster.Refused, reports)
	}
}
