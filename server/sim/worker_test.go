package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

const queueName = "goods"

// workers carry out plans until they are told to go. They outlive nodes.
type workers struct {
	service workflowservice.WorkflowServiceClient
	seed    uint64
	ctx     context.Context
	leave   context.CancelFunc
	all     sync.WaitGroup

	mu       sync.Mutex
	attempts map[string]int // of activities that began, by run and id
}

func startWorkers(connection *grpc.ClientConn, w *world, seed uint64) *workers {
	ws := &workers{service: w.service(connection), seed: seed, attempts: map[string]int{}}
	ws.ctx, ws.leave = context.WithCancel(context.Background())
	for i := range 2 {
		ws.all.Go(ws.pollWorkflows)
		ws.all.Go(func() { ws.pollActivities(rand.New(rand.NewPCG(seed, uint64(100+i)))) })
	}
	return ws
}

func (ws *workers) stop() {
	ws.leave()
	ws.all.Wait()
}

// try makes a call until it is answered for good: what may be transient is tried again.
func try(ctx context.Context, call func(context.Context) error) error {
	for {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := serviceerror.FromStatus(serviceerror.ToStatus(call(limited)))
		cancel()
		if err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
		<-time.After(200 * time.Millisecond)
	}
}

func transient(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var canceled *serviceerror.Canceled
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &canceled) || errors.As(err, &busy)
}

func (ws *workers) pollWorkflows() {
	for ws.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(ws.ctx, time.Minute)
		task, err := ws.service.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: namespaceName, TaskQueue: queue(), Identity: "worker",
		})
		cancel()
		if err != nil {
			<-time.After(100 * time.Millisecond)
			continue
		}
		if len(task.TaskToken) == 0 { // a node that drains answers at once
			<-time.After(10 * time.Millisecond)
			continue
		}
		r := decideTask(task)
		// What is refused was meant for a task that is gone: it comes again.
		_ = try(ws.ctx, func(ctx context.Context) error {
			_, err := ws.service.RespondWorkflowTaskCompleted(ctx, r)
			return err
		})
	}
}

func queue() *taskqueuepb.TaskQueue { return &taskqueuepb.TaskQueue{Name: queueName} }

func (ws *workers) pollActivities(random *rand.Rand) {
	for ws.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(ws.ctx, time.Minute)
		task, err := ws.service.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: namespaceName, TaskQueue: queue(), Identity: "worker",
		})
		cancel()
		if err != nil {
			<-time.After(100 * time.Millisecond)
			continue
		}
		if len(task.TaskToken) == 0 { // a node that drains answers at once
			<-time.After(10 * time.Millisecond)
			continue
		}
		ws.run(random, task)
	}
}

// run is one attempt of an activity.
func (ws *workers) run(random *rand.Rand, task *workflowservice.PollActivityTaskQueueResponse) {
	var a activityStep
	decode(task.Input, &a)
	ws.mu.Lock()
	ws.attempts[task.WorkflowExecution.RunId+" "+task.ActivityId]++
	ws.mu.Unlock()
	<-time.After(time.Duration(random.IntN(2000)) * time.Millisecond)
	_ = try(ws.ctx, func(ctx context.Context) error { // what is refused is an attempt that counts no more
		if int(task.Attempt) <= a.Failures {
			_, err := ws.service.RespondActivityTaskFailed(ctx, &workflowservice.RespondActivityTaskFailedRequest{
				Namespace: namespaceName, TaskToken: task.TaskToken, Failure: tryAgain(),
			})
			return err
		}
		_, err := ws.service.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{
			Namespace: namespaceName, TaskToken: task.TaskToken, Result: encode("ok"),
		})
		return err
	})
}

func tryAgain() *failurepb.Failure {
	return &failurepb.Failure{Message: "not yet", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "Again"},
	}}
}

func (ws *workers) attemptsOf(runID, activityID string) int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.attempts[runID+" "+activityID]
}

func index(id string) int {
	i, err := strconv.Atoi(id)
	if err != nil {
		panic("a step's id came back changed: " + id)
	}
	return i
}

func workflowType() *commonpb.WorkflowType { return &commonpb.WorkflowType{Name: "plan"} }
