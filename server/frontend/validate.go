package frontend

import (
	"strings"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/apierr"
)

const (
	// reservedQueuePrefix begins the names of task queue partitions.
	reservedQueuePrefix = "/_sys/"
	// internalQueue is the name under which servers of this protocol run their
	// own workers; clients cannot use it.
	internalQueue = "temporal-sys-per-ns-tq"
	// durationMax caps every duration a client gives: longer ones overflow when added to a time.
	durationMax = 100 * 365 * 24 * time.Hour
)

// tooLong tells whether an id, name or type is longer than any store takes.
func (f *Frontend) tooLong(text string) bool { return len(text) > f.limits.IDBytesMax }

func (f *Frontend) checkIdentity(identity string) error {
	if f.tooLong(identity) {
		return apierr.InvalidArgument("Identity length exceeds limit.")
	}
	return nil
}

func (f *Frontend) checkRequestID(id string) error {
	if f.tooLong(id) {
		return apierr.InvalidArgument("RequestId length exceeds limit.")
	}
	return nil
}

// checkExecution checks the reference to an execution. A long workflow id is
// no mistake of form: there is just no such execution.
func checkExecution(e *commonpb.WorkflowExecution) error {
	switch {
	case e == nil:
		return apierr.InvalidArgument("Execution is not set on request.")
	case e.GetWorkflowId() == "":
		return apierr.InvalidArgument("WorkflowId is not set on request.")
	case e.GetRunId() != "" && !isUUID(e.GetRunId()):
		return apierr.InvalidArgument("Invalid RunId.")
	}
	return nil
}

func isUUID(text string) bool {
	_, err := uuid.Parse(text)
	return err == nil
}

// checkBlob refuses payloads that are too large for one message and one commit.
func (f *Frontend) checkBlob(p *commonpb.Payloads) error {
	if f.oversized(p) {
		return apierr.InvalidArgument("Blob data size exceeds limit.")
	}
	return nil
}

func (f *Frontend) oversized(m proto.Message) bool { return proto.Size(m) > f.limits.BlobBytesMax }

// checkTaskQueue checks the name of a queue and makes an unset kind normal.
func (f *Frontend) checkTaskQueue(q *taskqueuepb.TaskQueue) error {
	switch {
	case q == nil:
		return apierr.InvalidArgument("taskQueue is not set")
	case q.GetName() == "":
		return apierr.InvalidArgument("missing task queue name")
	case f.tooLong(q.GetName()):
		return apierr.InvalidArgument("taskQueue length exceeds limit")
	case strings.HasPrefix(q.GetName(), reservedQueuePrefix):
		return apierr.InvalidArgument("task queue name cannot start with reserved prefix %s", reservedQueuePrefix)
	case q.GetName() == internalQueue:
		return apierr.InvalidArgument("cannot use internal per-namespace task queue:%s", internalQueue)
	}
	if q.GetKind() != enumspb.TASK_QUEUE_KIND_STICKY {
		q.Kind = enumspb.TASK_QUEUE_KIND_NORMAL
	}
	return nil
}

// checkDuration refuses negative durations and returns d capped; nil stays nil.
// The error says what is wrong, not where.
func checkDuration(d *durationpb.Duration) (*durationpb.Duration, string) {
	switch {
	case d == nil:
		return nil, ""
	case d.AsDuration() < 0:
		return nil, "negative duration"
	case d.AsDuration() > durationMax:
		return durationpb.New(durationMax), ""
	}
	if err := d.CheckValid(); err != nil {
		return nil, "invalid duration"
	}
	return d, ""
}

func (f *Frontend) checkPriority(p *commonpb.Priority) error {
	switch {
	case p.GetPriorityKey() < 0:
		return apierr.InvalidArgument("priority key can't be negative")
	case len(p.GetFairnessKey()) > fairnessKeyBytesMax:
		return apierr.InvalidArgument("fairness key length exceeds limit")
	case p.GetFairnessWeight() < 0:
		return apierr.InvalidArgument("must be greater than zero")
	}
	return nil
}

// fairnessKeyBytesMax keeps fairness keys short enough to count tasks by them in memory.
const fairnessKeyBytesMax = 64
