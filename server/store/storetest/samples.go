package storetest

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/store"
)

const (
	namespaceID = "0b5f7a34-95a5-4a2e-8f57-3a1f3b0c8a11"
	running     = int16(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	completed   = int16(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
)

// sampleTime has a microsecond part, which must survive.
var sampleTime = time.Date(2026, 11, 22, 10, 20, 30, 123456000, time.UTC)

func workflow(slot int32, id string) store.WorkflowKey {
	hash := int64(slot)*1_000_003 + 17
	for _, b := range []byte(id) {
		hash = hash*31 + int64(b)
	}
	return store.WorkflowKey{Slot: slot, Hash: hash, NamespaceID: namespaceID, WorkflowID: id}
}

// runID is a distinct UUID for each run.
func runID(key store.ExecutionKey) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", key.Slot, key.Exec)
}

// start inserts an open run of a workflow, in version 1.
func start(id string, slot int32, exec int64) store.ExecutionWrite {
	key := store.ExecutionKey{Slot: slot, Exec: exec}
	return store.ExecutionWrite{Execution: store.Execution{
		Key:       key,
		Workflow:  workflow(slot, id),
		RunID:     runID(key),
		RequestID: "request-" + id,
		Status:    running,
		NextEvent: 3,
		Version:   1,
		State:     []byte("state 1 of " + id),
	}}
}

// next updates a run from its version to the following one.
func next(old store.Execution) store.ExecutionWrite {
	write := store.ExecutionWrite{Execution: old, PrevVersion: old.Version}
	write.Version++
	write.NextEvent += 2
	write.State = fmt.Appendf(nil, "state %d of %s", write.Version, old.Workflow.WorkflowID)
	return write
}

// finish updates a run to closed.
func finish(old store.Execution, at time.Time) store.ExecutionWrite {
	write := next(old)
	write.Status = completed
	write.ClosedAt = at
	return write
}

func batch(key store.ExecutionKey, first, behind int64) store.Batch {
	return store.Batch{Key: key, FirstEvent: first, NextEvent: behind, Data: fmt.Appendf(nil, "events %d to %d", first, behind-1)}
}

func logRow(seq int64) *store.LogRow {
	return &store.LogRow{Seq: seq, Data: fmt.Appendf(nil, "tasks of group %d", seq)}
}

func queue(slot int32, name string) store.QueueKey {
	return store.QueueKey{
		Slot: slot, NamespaceID: namespaceID, Name: name,
		Type: int16(enumspb.TASK_QUEUE_TYPE_ACTIVITY), Partition: 2, Lane: -1 << 60,
	}
}

func task(key store.QueueKey, id int64) store.QueueTask {
	return store.QueueTask{Queue: key, ID: id, Data: fmt.Appendf(nil, "task %d", id)}
}

// readLane asks for one lane's tasks behind after.
func readLane(key store.QueueKey, after int64, limit int) []store.QueueRead {
	return []store.QueueRead{{Queue: key, After: after, Limit: limit}}
}

func taskKeys(key store.QueueKey, ids ...int64) []store.QueueTaskKey {
	var keys []store.QueueTaskKey
	for _, id := range ids {
		keys = append(keys, store.QueueTaskKey{Queue: key, ID: id})
	}
	return keys
}
