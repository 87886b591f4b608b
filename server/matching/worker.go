package matching

import (
	"context"
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
	if instance := req.GetWorkerInstanceKey(); instance != "" && req.GetTaskQueue() != "" {
		e.stopWorker(workerKey{ns.ID, instance})
	}
	if name := req.GetStickyTaskQueue(); name != "" {
		key := queueKey{namespaceID: ns.ID, name: name, kind: enumspb.TASK_QUEUE_TYPE_WORKFLOW, sticky: true}
		if q := e.lookup(key); q != nil {
			q.refuseAll()
		}
	}
	return &workflowservice.ShutdownWorkerResponse{}, nil
}

// stopWorker answers all polls of a worker empty, those to come too. The queue and the types that its call names do not
// narrow it, as on the public server: a worker polls other queues as well, sticky ones and those of sessions.
func (e *Engine) stopWorker(worker workerKey) {
	e.workers.stop(worker, time.Now())
	for _, q := range e.loaded() {
		if q.key.namespaceID == worker.namespaceID {
			q.releaseWorker(worker.instance)
		}
	}
}

// releaseWorker answers the polls of one worker empty.
func (q *queue) releaseWorker(instance string) {
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
