package frontend

import (
	"context"
	"strings"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/activity"
	"perdure/server/apierr"
	"perdure/server/match"
)

const (
	// reservedQueuePrefix begins the names of task queue partitions.
	reservedQueuePrefix = "/_sys/"
	// internalQueue is the name under which servers of this protocol run their
	// own workers; clients cannot use it.
	internalQueue = "temporal-sys-per-ns-tq"
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

const blobTooLarge = "Blob data size exceeds limit."

// checkBlob refuses payloads that are too large for one message and one commit.
func (f *Frontend) checkBlob(ctx context.Context, p *commonpb.Payloads) error {
	if f.oversized(ctx, p) {
		return apierr.InvalidArgument(blobTooLarge)
	}
	return nil
}

func (f *Frontend) oversized(ctx context.Context, m proto.Message) bool {
	return f.passes(ctx, m, "blob", f.limits.BlobBytesWarn, f.limits.BlobBytesMax)
}

// passes tells whether m is larger than max, and operators when it is larger than warn.
func (f *Frontend) passes(ctx context.Context, m proto.Message, limits string, warn, max int) bool {
	size := proto.Size(m)
	switch {
	case size > max:
		f.watch.Passed(namespaceOf(ctx).Name, limits+"_bytes_max", int64(size))
	case size > warn:
		f.watch.Passed(namespaceOf(ctx).Name, limits+"_bytes_warn", int64(size))
	}
	return size > max
}

// checkTaskQueue checks the name of a queue and makes an unset kind normal.
func (f *Frontend) checkTaskQueue(q *taskqueuepb.TaskQueue) error {
	if q == nil {
		return apierr.InvalidArgument("taskQueue is not set")
	}
	if err := f.checkQueueName(q.GetName()); err != nil {
		return err
	}
	if q.GetKind() != enumspb.TASK_QUEUE_KIND_STICKY {
		q.Kind = enumspb.TASK_QUEUE_KIND_NORMAL
	}
	return nil
}

func (f *Frontend) checkQueueName(name string) error {
	switch {
	case name == "":
		return apierr.InvalidArgument("missing task queue name")
	case f.tooLong(name):
		return apierr.InvalidArgument("taskQueue length exceeds limit")
	case strings.HasPrefix(name, reservedQueuePrefix):
		return apierr.InvalidArgument("task queue name cannot start with reserved prefix %s", reservedQueuePrefix)
	case name == internalQueue:
		return apierr.InvalidArgument("cannot use internal per-namespace task queue:%s", internalQueue)
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
	case d.AsDuration() > activity.MaxDuration:
		return durationpb.New(activity.MaxDuration), ""
	}
	if err := d.CheckValid(); err != nil {
		return nil, "invalid duration"
	}
	return d, ""
}

func (f *Frontend) checkPriority(p *commonpb.Priority) error {
	if reason := match.WrongPriority(p); reason != "" {
		return apierr.InvalidArgument("%s", reason)
	}
	return nil
}
