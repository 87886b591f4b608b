package cluster

import (
	"context"

	"perdure/server/diagnosis"
)

// RunExaminer tells what a diagnosis has to know of runs; history implements it.
type RunExaminer interface {
	// ExamineRun looks at a run, the current one without a run id. What is not in
	// memory is read and not kept: who looks at many runs takes no room from those
	// that are at work. NotFound when there is none.
	ExamineRun(ctx context.Context, ns *Namespace, workflowID, runID string) (diagnosis.Run, error)
	// ExamineOwner tells how the shard of a workflow id does.
	ExamineOwner(namespaceID, workflowID string) diagnosis.Owner
	// Activity counts what runs have done; the same number twice: nothing between.
	Activity() int64
}

// QueueExaminer tells what a diagnosis has to know of task queues; matching implements it.
type QueueExaminer interface {
	// ExamineQueue looks at a queue, over all versions of workers. It brings none into memory.
	ExamineQueue(ctx context.Context, queue TaskQueue) diagnosis.Queue
	// ExamineQueries tells of queries of a run that go to workers without a task.
	ExamineQueries(namespaceID, workflowID, runID string) []diagnosis.Query
}

// FleetRequest bounds a look at a namespace.
type FleetRequest struct {
	RunsMax   int // runs that are looked at; 0: all that have waited
	PerSecond int // runs looked at in a second; 0: as many as can be
	Examples  int // reports kept of each cause
}

// Doctor says why runs do not come on.
type Doctor interface {
	// Diagnose looks at one run, the current one without a run id, and at the
	// children that it waits for. NotFound when there is none.
	Diagnose(ctx context.Context, ns *Namespace, workflowID, runID string) (*diagnosis.Report, error)
	// Fleet looks at the open runs of a namespace that have waited for long.
	Fleet(ctx context.Context, ns *Namespace, req FleetRequest) (*diagnosis.Fleet, error)
}
