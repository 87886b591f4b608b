package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// identity is what the generator's calls say they come from.
	identity = "bench"
	// connections carry all calls: few, since each costs goroutines and system calls on both sides.
	connections = 4
	// leastPollers and mostPollers bound the pollers of each kind; between them there is one for each driver.
	leastPollers, mostPollers = 4, 32
	// windowBytes is the flow control window; a fixed one spares the estimation.
	windowBytes = 1 << 20
	// messageBytesMax takes histories with large payloads.
	messageBytesMax = 64 << 20
	// pollTimeout is longer than servers hold a poll.
	pollTimeout = 70 * time.Second
	// drainTimeout bounds the wait for what is in flight at the end.
	drainTimeout = 15 * time.Second
	// errorsMax ends a run that does not work.
	errorsMax = 1000
)

// load is one scenario against one server.
type load struct {
	scenario
	namespace string
	prefix    string
	queue     *taskqueuepb.TaskQueue
	input     *commonpb.Payloads
	channels  []*grpc.ClientConn
	services  []workflowservice.WorkflowServiceClient
	target    signalTarget

	measuring atomic.Bool
	failures  atomic.Int64
	mutex     sync.Mutex
	latencies []time.Duration
	firstErr  error
}

func newLoad(s scenario, address, namespace string) (*load, error) {
	prefix := "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
	l := &load{scenario: s, namespace: namespace, prefix: prefix, queue: &taskqueuepb.TaskQueue{Name: prefix + s.name}, input: s.payload()}
	l.target.lock = make(chan struct{}, 1)
	for range connections {
		channel, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(4*windowBytes),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)))
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.channels = append(l.channels, channel)
		l.services = append(l.services, workflowservice.NewWorkflowServiceClient(channel))
	}
	return l, nil
}

func (l *load) close() error {
	var errs []error
	for _, channel := range l.channels {
		errs = append(errs, channel.Close())
	}
	return errors.Join(errs...)
}

func (l *load) service(number int) workflowservice.WorkflowServiceClient {
	return l.services[number%connections]
}

func (l *load) startRequest() *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: l.namespace, WorkflowType: &commonpb.WorkflowType{Name: l.name}, TaskQueue: l.queue, Input: l.input,
		WorkflowTaskTimeout: durationpb.New(taskTimeout), Identity: identity,
	}
}

// run drives inflight closed loops, measures for duration after the warm-up, and waits until what is in flight is done.
// Before and after are called at the two ends of the measured time.
func (l *load) run(ctx context.Context, inflight int, warmup, duration time.Duration, before, after func() error) (time.Duration, error) {
	workers, stopWorkers := context.WithCancel(ctx)
	var polling sync.WaitGroup
	l.poll(workers, &polling, min(max(inflight, leastPollers), mostPollers))
	defer func() {
		stopWorkers()
		polling.Wait()
	}()
	calls, cancelCalls := context.WithCancel(ctx)
	defer cancelCalls()
	loop, stopLoop := context.WithCancel(ctx)
	defer stopLoop()
	var driving sync.WaitGroup
	for number := range inflight {
		driving.Go(func() { l.drive(loop, calls, newDriver(l, number)) })
	}
	elapsed, err := l.window(ctx, warmup, duration, before, after)
	stopLoop()
	drained := time.AfterFunc(drainTimeout, cancelCalls)
	driving.Wait()
	drained.Stop()
	return elapsed, errors.Join(err, l.trouble())
}

func (l *load) window(ctx context.Context, warmup, duration time.Duration, before, after func() error) (time.Duration, error) {
	if err := pause(ctx, warmup); err != nil {
		return 0, err
	}
	if err := before(); err != nil {
		return 0, err
	}
	begun := time.Now()
	l.measuring.Store(true)
	err := pause(ctx, duration)
	l.measuring.Store(false)
	elapsed := time.Since(begun)
	return elapsed, errors.Join(err, after())
}

// drive repeats units until loop ends; a unit under way is finished.
func (l *load) drive(loop, calls context.Context, d *driver) {
	latencies := make([]time.Duration, 0, 1024)
	for loop.Err() == nil && l.failures.Load() < errorsMax {
		begun := time.Now()
		if err := l.one(d, calls); err != nil {
			l.fail(err)
			continue
		}
		if l.measuring.Load() {
			latencies = append(latencies, time.Since(begun))
		}
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.latencies = append(l.latencies, latencies...)
}

func (l *load) fail(err error) {
	l.failures.Add(1)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.firstErr == nil {
		l.firstErr = err
	}
}

// trouble is an error when nothing or hardly anything worked.
func (l *load) trouble() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.failures.Load() >= errorsMax || (l.firstErr != nil && len(l.latencies) == 0) {
		return fmt.Errorf("%s: %d calls failed, the first with: %w", l.name, l.failures.Load(), l.firstErr)
	}
	return nil
}

// poll starts pollers of each kind that the scenario needs.
func (l *load) poll(ctx context.Context, group *sync.WaitGroup, pollers int) {
	for number := range pollers {
		group.Go(func() { l.repeat(ctx, l.workflowTasks(number)) })
		if l.activities > 0 {
			group.Go(func() { l.repeat(ctx, l.activityTasks(number)) })
		}
	}
}

func (l *load) repeat(ctx context.Context, task func(context.Context) error) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, pollTimeout)
		err := task(attempt)
		cancel()
		// A task may be gone by the time of its answer; what matters is that workflows end, which drivers see.
		if err != nil && ctx.Err() == nil && status.Code(err) != codes.NotFound {
			l.fail(err)
			_ = pause(ctx, 10*time.Millisecond)
		}
	}
}

// workflowTasks polls for one workflow task and answers it.
func (l *load) workflowTasks(number int) func(context.Context) error {
	service := l.service(number)
	request := &workflowservice.PollWorkflowTaskQueueRequest{Namespace: l.namespace, TaskQueue: l.queue, Identity: identity}
	reply := &workflowservice.RespondWorkflowTaskCompletedRequest{Namespace: l.namespace, Identity: identity}
	return func(ctx context.Context) error {
		task, err := service.PollWorkflowTaskQueue(ctx, request)
		if err != nil || len(task.TaskToken) == 0 {
			return err
		}
		reply.TaskToken = task.TaskToken
		reply.Commands = l.decide(l.queue, task.History.GetEvents(), l.input)
		_, err = service.RespondWorkflowTaskCompleted(ctx, reply)
		return err
	}
}

// activityTasks polls for one activity and completes it.
func (l *load) activityTasks(number int) func(context.Context) error {
	service := l.service(number)
	request := &workflowservice.PollActivityTaskQueueRequest{Namespace: l.namespace, TaskQueue: l.queue, Identity: identity}
	reply := &workflowservice.RespondActivityTaskCompletedRequest{Namespace: l.namespace, Identity: identity}
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

// percentile is the smallest latency that the given share of all does not exceed; latencies are sorted.
func percentile(latencies []time.Duration, share float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	return latencies[min(len(latencies)-1, int(share*float64(len(latencies))))]
}

func (l *load) sorted() []time.Duration {
	slices.Sort(l.latencies)
	return l.latencies
}

func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
