package load

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// pollTimeout is longer than servers hold a poll.
	pollTimeout = 70 * time.Second
	// stickyTimeout is how long a task waits on a sticky queue before any worker may have it, as with SDKs.
	stickyTimeout = 5 * time.Second
	// retryPause is the rest after a call that failed.
	retryPause = 10 * time.Millisecond
)

// worker answers the tasks of one queue with raw calls, as a worker of an SDK would: it remembers runs, says in each answer on
// which sticky queue it wants their next tasks, and polls that queue beside the normal one. Without sticky each task
// carries its whole history.
type worker struct {
	session  *Session
	queue    *taskqueuepb.TaskQueue
	sticky   *taskqueuepb.StickyExecutionAttributes // nil: none
	programs map[string]*program
	cache    *cache
	pollers  int           // of each kind
	pace     time.Duration // that a workflow task takes on average, as if the worker had to work
	// seen is told of each workflow task as it arrives; nil for nobody.
	seen func(task *workflowservice.PollWorkflowTaskQueueResponse, at *progress)
	// completed is told of each workflow task that was answered; nil for nobody.
	completed func()

	stopPolls context.CancelFunc
	polling   sync.WaitGroup
}

// newWorker makes a worker for programs on a queue. Its activities' queue is the same one.
func (s *Session) newWorker(queue *taskqueuepb.TaskQueue, programs ...*program) *worker {
	w := &worker{session: s, queue: queue, cache: newCache(), pollers: s.pollerCount(), programs: map[string]*program{}}
	for _, p := range programs {
		w.programs[p.name] = p
	}
	if s.Sticky {
		w.sticky = &taskqueuepb.StickyExecutionAttributes{
			WorkerTaskQueue: &taskqueuepb.TaskQueue{
				Name: queue.Name + ":sticky", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: queue.Name,
			},
			ScheduleToStartTimeout: durationpb.New(stickyTimeout),
		}
	}
	return w
}

// start begins to poll. The returned function ends it and waits.
func (w *worker) start(ctx context.Context) (stop func()) {
	ctx, w.stopPolls = context.WithCancel(ctx)
	activities := slices.ContainsFunc(slices.Collect(maps.Values(w.programs)), func(p *program) bool { return p.activities > 0 })
	for number := range w.pollers {
		w.polling.Go(func() { w.repeat(ctx, w.workflowTasks(number, w.queue)) })
		if w.sticky != nil {
			w.polling.Go(func() { w.repeat(ctx, w.workflowTasks(number, w.sticky.WorkerTaskQueue)) })
		}
		if activities {
			w.polling.Go(func() { w.repeat(ctx, w.activityTasks(number)) })
		}
	}
	return w.stop
}

func (w *worker) stop() {
	w.stopPolls()
	w.polling.Wait()
}

func (w *worker) repeat(ctx context.Context, task func(context.Context) error) {
	for ctx.Err() == nil {
		err := once(ctx, task)
		// A task may be gone by the time of its answer; what matters is that workflows end, which those who wait see.
		if err != nil && ctx.Err() == nil && status.Code(err) != codes.NotFound {
			w.session.fail(err)
			_ = pause(ctx, retryPause)
		}
	}
}

// once gives a poll the time-out that servers demand.
func once(ctx context.Context, task func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return task(ctx)
}

// workflowTasks polls for one workflow task and answers it.
func (w *worker) workflowTasks(number int, queue *taskqueuepb.TaskQueue) func(context.Context) error {
	service := w.session.service(number)
	request := &workflowservice.PollWorkflowTaskQueueRequest{Namespace: w.session.Namespace, TaskQueue: queue, Identity: identity}
	return func(ctx context.Context) error {
		task, err := service.PollWorkflowTaskQueue(ctx, request)
		if err != nil {
			return err
		}
		return w.answerAll(ctx, service, task)
	}
}

// answerAll answers a task and those that come back with the answers.
func (w *worker) answerAll(ctx context.Context, service workflowservice.WorkflowServiceClient, task *workflowservice.PollWorkflowTaskQueueResponse) error {
	for len(task.GetTaskToken()) > 0 {
		reply, err := w.answer(ctx, service, task)
		if err != nil {
			return err
		}
		response, err := service.RespondWorkflowTaskCompleted(ctx, reply)
		if err != nil {
			w.cache.take(task.WorkflowExecution.RunId) // what it remembers may not have happened
			return err
		}
		if w.completed != nil {
			w.completed()
		}
		task = response.GetWorkflowTask()
	}
	return nil
}

func (w *worker) answer(ctx context.Context, service workflowservice.WorkflowServiceClient, task *workflowservice.PollWorkflowTaskQueueResponse) (*workflowservice.RespondWorkflowTaskCompletedRequest, error) {
	program := w.programs[task.GetWorkflowType().GetName()]
	if program == nil {
		return nil, fmt.Errorf("a task of workflow type %q came, which nobody started here", task.GetWorkflowType().GetName())
	}
	at, err := w.remember(ctx, service, task)
	if err != nil {
		return nil, err
	}
	if w.seen != nil {
		w.seen(task, at)
	}
	if w.pace > 0 {
		// Were it always the same, workers whose tasks end in one commit would come back at the same time for ever.
		_ = pause(ctx, time.Duration(rand.Int64N(int64(2*w.pace)))) // an end meanwhile shows in the next call
	}
	reply := &workflowservice.RespondWorkflowTaskCompletedRequest{
		Namespace: w.session.Namespace, Identity: identity, TaskToken: task.TaskToken, StickyAttributes: w.sticky, ReturnNewWorkflowTask: true,
	}
	reply.Messages, reply.Commands = answerUpdates(task.Messages, task.WorkflowExecution.WorkflowId)
	reply.Commands = append(reply.Commands, program.decide(at, task.WorkflowExecution.WorkflowId, w.queue)...)
	if w.sticky != nil && !ends(reply) {
		w.cache.put(task.WorkflowExecution.RunId, at)
	}
	return reply, nil
}

func ends(reply *workflowservice.RespondWorkflowTaskCompletedRequest) bool {
	count := len(reply.Commands)
	return count > 0 && reply.Commands[count-1].CommandType == enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
}

// remember brings what is known of the task's run up to date. A task that carries only the newest events of a forgotten run makes
// the worker read all of them.
func (w *worker) remember(ctx context.Context, service workflowservice.WorkflowServiceClient, task *workflowservice.PollWorkflowTaskQueueResponse) (*progress, error) {
	at := w.cache.take(task.WorkflowExecution.RunId)
	events, next := task.History.GetEvents(), task.NextPageToken
	switch {
	case len(events) > 0 && events[0].EventId == 1:
		at = &progress{}
	case at == nil:
		at = &progress{}
		return at, w.readHistory(ctx, service, task.WorkflowExecution, at, nil)
	}
	at.apply(events)
	if len(next) == 0 {
		return at, nil
	}
	return at, w.readHistory(ctx, service, task.WorkflowExecution, at, next)
}

func (w *worker) readHistory(ctx context.Context, service workflowservice.WorkflowServiceClient, run *commonpb.WorkflowExecution, at *progress, next []byte) error {
	request := &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: w.session.Namespace, Execution: run, NextPageToken: next}
	for {
		page, err := service.GetWorkflowExecutionHistory(ctx, request)
		if err != nil {
			return fmt.Errorf("read the history of a task: %w", err)
		}
		at.apply(page.GetHistory().GetEvents())
		if request.NextPageToken = page.NextPageToken; len(page.NextPageToken) == 0 {
			return nil
		}
	}
}

// activityTasks polls for one activity and completes it.
func (w *worker) activityTasks(number int) func(context.Context) error {
	service := w.session.service(number)
	request := &workflowservice.PollActivityTaskQueueRequest{Namespace: w.session.Namespace, TaskQueue: w.queue, Identity: identity}
	reply := &workflowservice.RespondActivityTaskCompletedRequest{Namespace: w.session.Namespace, Identity: identity}
	return func(ctx context.Context) error {
		task, err := service.PollActivityTaskQueue(ctx, request)
		if err != nil || len(task.TaskToken) == 0 {
			return err
		}
		reply.TaskToken = task.TaskToken
		_, err = service.RespondActivityTaskCompleted(ctx, reply)
		return err
	}
}
