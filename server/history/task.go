package history

import (
	"cmp"
	"context"
	"errors"

	"github.com/google/uuid"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
	"perdure/server/tasktoken"
)

func (e *Engine) StartWorkflowTask(ctx context.Context, task *cluster.Task, poll *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	d, en, err := e.onTask(ctx, task, execution.StartTask{
		ScheduledEventID: task.ScheduledEventID, Stamp: task.Stamp, Identity: poll.Identity, RequestID: uuid.NewString(),
		Worker: workerOf(poll),
	})
	if err != nil {
		return nil, err
	}
	ns, err := e.cfg.Namespaces.ByID(ctx, task.Execution.NamespaceID)
	if err != nil {
		return nil, err
	}
	started := d.Reply.(*execution.TaskStarted)
	from := int64(1)
	if task.Queue.Kind == enumspb.TASK_QUEUE_KIND_STICKY {
		from = started.PreviousStartedID + 1
	}
	r, err := e.taskResponse(ctx, ns, en, d.State, started, from)
	if err != nil {
		return nil, err
	}
	r.Queries = en.attachQueries(started.Stamp)
	return r, nil
}

// taskResponse is what a worker gets with a started task: the events from the
// given one to the end of what the task may see.
func (e *Engine) taskResponse(ctx context.Context, ns *cluster.Namespace, en *entry, s *execution.State, t *execution.TaskStarted, from int64) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	events, token, err := e.firstPage(ctx, en, s, from)
	if err != nil {
		return nil, err
	}
	if token == nil {
		events = append(events[:len(events):len(events)], t.Provisional...)
	}
	return &workflowservice.PollWorkflowTaskQueueResponse{
		TaskToken: e.taskToken(ns, en, s, t), WorkflowExecution: s.Execution(), WorkflowType: s.StartedAttributes().GetWorkflowType(),
		PreviousStartedEventId: t.PreviousStartedID, StartedEventId: t.StartedEventID, Attempt: t.Attempt,
		History: &historypb.History{Events: events}, NextPageToken: token, WorkflowExecutionTaskQueue: normalQueue(s),
		ScheduledTime: timestamppb.New(t.ScheduledTime), StartedTime: timestamppb.New(t.StartedTime), Messages: t.Messages,
	}, nil
}

func normalQueue(s *execution.State) *taskqueuepb.TaskQueue {
	return &taskqueuepb.TaskQueue{Name: s.StartedAttributes().GetTaskQueue().GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}

func (e *Engine) taskToken(ns *cluster.Namespace, en *entry, s *execution.State, t *execution.TaskStarted) []byte {
	return tasktoken.Token{
		NamespaceID: ns.ID, WorkflowID: s.WorkflowID, RunID: s.RunID, Slot: en.key.Slot, Exec: en.key.Exec,
		ScheduledEventID: t.ScheduledEventID, StartedEventID: t.StartedEventID, Stamp: t.Stamp, Attempt: t.Attempt,
	}.Encode()
}

// taskPageBytes and taskPageEvents bound the history that goes with a task; the rest is paged.
const (
	taskPageBytes  = 2 << 20
	taskPageEvents = 1000
)

// firstPage reads history from an event to the state's end; a token when that is more than one page.
func (e *Engine) firstPage(ctx context.Context, en *entry, s *execution.State, from int64) ([]*historypb.HistoryEvent, []byte, error) {
	events, err := e.events(ctx, en, from, s.NextEventID, taskPageEvents)
	if err != nil {
		return nil, nil, err
	}
	events = cutBytes(events, taskPageBytes)
	next := from + int64(len(events))
	if next >= s.NextEventID {
		return events, nil, nil
	}
	return events, pageToken{RunID: s.RunID, Next: next}.encode(), nil
}

// cutBytes keeps as many events as fit, at least one.
func cutBytes(events []*historypb.HistoryEvent, limit int) []*historypb.HistoryEvent {
	size := 0
	for i, event := range events {
		size += proto.Size(event)
		if size > limit && i > 0 {
			return events[:i]
		}
	}
	return events
}

// onTaskToken decides a command on the run that a task token names.
func (e *Engine) onTaskToken(ctx context.Context, token tasktoken.Token, c execution.Command) (execution.Decision, *entry, error) {
	s, err := e.shardOf(token.Slot)
	if err != nil {
		return execution.Decision{}, nil, err
	}
	var d execution.Decision
	var found *entry
	err = e.onEntry(ctx, s, store.ExecutionKey{Slot: token.Slot, Exec: token.Exec}, func(en *entry) error {
		found = en
		if en.runID != token.RunID {
			return serviceerror.NewNotFound("Workflow task not found.")
		}
		d, err = e.do(ctx, en, c)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = serviceerror.NewNotFound("Workflow task not found.")
	}
	return d, found, err
}

func decodeToken(raw []byte) (tasktoken.Token, error) {
	token, err := tasktoken.Decode(raw)
	if err != nil {
		return token, serviceerror.NewInvalidArgument("Error deserializing task token.")
	}
	return token, nil
}

func (e *Engine) RespondWorkflowTaskCompleted(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	token, err := decodeToken(req.TaskToken)
	if err != nil {
		return nil, err
	}
	d, en, err := e.onTaskToken(ctx, token, execution.CompleteTask{
		ScheduledEventID: token.ScheduledEventID, StartedEventID: token.StartedEventID, Stamp: token.Stamp, Request: req,
		KnownNamespaces: e.namedNamespaces(ctx, ns, req.Commands),
	})
	if d.State == nil {
		return nil, err
	}
	en.answerQueries(token.Stamp, req.QueryResults, d)
	if err != nil {
		return nil, err
	}
	return e.completedResponse(ctx, ns, en, d)
}

// namedNamespaces tells which of the other namespaces that commands name exist.
func (e *Engine) namedNamespaces(ctx context.Context, own *cluster.Namespace, commands []*commandpb.Command) map[string]bool {
	var known map[string]bool
	for _, c := range commands {
		name := cmp.Or(c.GetStartChildWorkflowExecutionCommandAttributes().GetNamespace(),
			c.GetSignalExternalWorkflowExecutionCommandAttributes().GetNamespace(),
			c.GetRequestCancelExternalWorkflowExecutionCommandAttributes().GetNamespace())
		if name == "" || name == own.Name {
			continue
		}
		if _, err := e.cfg.Namespaces.ByName(ctx, name); err == nil {
			if known == nil {
				known = make(map[string]bool)
			}
			known[name] = true
		}
	}
	return known
}

func (e *Engine) completedResponse(ctx context.Context, ns *cluster.Namespace, en *entry, d execution.Decision) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	completed := d.Reply.(*execution.TaskCompleted)
	r := &workflowservice.RespondWorkflowTaskCompletedResponse{ResetHistoryEventId: completed.ResetHistoryEventID}
	if d.State.Open() {
		for _, task := range completed.Eager {
			r.ActivityTasks = append(r.ActivityTasks, activityResponse(ns, en, d.State, task))
		}
	}
	if completed.NewTask != nil {
		task, err := e.taskResponse(ctx, ns, en, d.State, completed.NewTask, completed.NewTask.PreviousStartedID+1)
		if err != nil {
			return nil, err
		}
		task.Queries = en.attachQueries(completed.NewTask.Stamp)
		r.WorkflowTask = task
	}
	return r, nil
}

func (e *Engine) RespondWorkflowTaskFailed(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	token, err := decodeToken(req.TaskToken)
	if err != nil {
		return nil, err
	}
	_, en, err := e.onTaskToken(ctx, token, execution.FailTask{
		ScheduledEventID: token.ScheduledEventID, StartedEventID: token.StartedEventID, Stamp: token.Stamp,
		Cause: req.Cause, Failure: req.Failure, Identity: req.Identity, BinaryChecksum: req.BinaryChecksum, Messages: req.Messages,
	})
	if err != nil {
		return nil, err
	}
	en.detachQueries(token.Stamp)
	return &workflowservice.RespondWorkflowTaskFailedResponse{}, nil
}
