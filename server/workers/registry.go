package workers

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/metrics"
)

// Limits of a registry; all are required.
type Limits struct {
	Age            time.Duration // a worker is forgotten so long after its last heartbeat
	Workers        int           // remembered at most
	Bytes          int           // of all of them, roughly
	HeartbeatBytes int           // of one heartbeat
	Page           int           // workers of one page of a list
}

// Config is what a registry is made of.
type Config struct {
	Limits  Limits
	Clock   clock.Clock       // nil: the wall clock
	Metrics *metrics.Registry // nil: none
}

// Registry is a cluster.Workers.
type Registry struct {
	limits Limits
	clock  clock.Clock
	meter  *meter
	seed   maphash.Seed
	shards []*shard
}

var _ cluster.Workers = (*Registry)(nil)

const (
	// shardsMax spreads the locks.
	shardsMax = 64
	// shardWorkersMin keeps shards large enough to fill evenly: each has its part of the limits.
	shardWorkersMin = 256
)

// New makes an empty registry.
func New(c Config) *Registry {
	r := &Registry{limits: c.Limits, clock: c.Clock, seed: maphash.MakeSeed()}
	if r.clock == nil {
		r.clock = clock.Wall()
	}
	count := min(max(c.Limits.Workers/shardWorkersMin, 1), shardsMax)
	for range count {
		r.shards = append(r.shards, newShard(c.Limits.Workers/count, c.Limits.Bytes/count))
	}
	r.meter = newMeter(r, c.Metrics)
	return r
}

// workerKey names one worker process.
type workerKey struct{ namespaceID, instance string }

func (r *Registry) shardOf(key workerKey) *shard {
	return r.shards[maphash.Comparable(r.seed, key)%uint64(len(r.shards))]
}

// RecordWorkerHeartbeat remembers each heartbeat as the latest of its worker.
// A worker that says it has shut down is forgotten. See cluster.Workers.
func (r *Registry) RecordWorkerHeartbeat(_ context.Context, ns *cluster.Namespace, req *workflowservice.RecordWorkerHeartbeatRequest) (*workflowservice.RecordWorkerHeartbeatResponse, error) {
	for _, beat := range req.GetWorkerHeartbeat() {
		if size := proto.Size(beat); size > r.limits.HeartbeatBytes {
			return nil, apierr.InvalidArgument("Heartbeat of worker %.100s has %d bytes, the limit is %d.",
				beat.GetWorkerInstanceKey(), size, r.limits.HeartbeatBytes)
		}
	}
	now := r.clock.Now()
	for _, beat := range req.GetWorkerHeartbeat() {
		if err := r.record(now, ns.ID, beat); err != nil {
			return nil, err
		}
	}
	return &workflowservice.RecordWorkerHeartbeatResponse{}, nil
}

func (r *Registry) record(now time.Time, namespaceID string, beat *workerpb.WorkerHeartbeat) error {
	key := workerKey{namespaceID, beat.GetWorkerInstanceKey()}
	s := r.shardOf(key)
	if beat.GetStatus() == enumspb.WORKER_STATUS_SHUTDOWN {
		s.forget(key)
		return nil
	}
	w, err := newWorker(key, beat)
	if err != nil {
		return err
	}
	r.meter.evicted.Add(float64(s.put(w, now, r.limits.Age)))
	return nil
}

// DescribeWorker tells what a worker said last. See cluster.Workers.
func (r *Registry) DescribeWorker(_ context.Context, ns *cluster.Namespace, req *workflowservice.DescribeWorkerRequest) (*workflowservice.DescribeWorkerResponse, error) {
	key := workerKey{ns.ID, req.GetWorkerInstanceKey()}
	w := r.shardOf(key).get(key, r.clock.Now().Add(-r.limits.Age))
	if w == nil {
		return nil, notFound(key.instance)
	}
	beat, err := w.heartbeat()
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkerResponse{WorkerInfo: &workerpb.WorkerInfo{WorkerHeartbeat: beat}}, nil
}

var errUnreadable = errors.New("a heartbeat in memory cannot be read")
