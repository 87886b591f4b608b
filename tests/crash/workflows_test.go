package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const (
	// steps is how many activities, timers, signals, updates, children or rounds a workflow has.
	steps = 5
	// stepTimeout bounds an activity: one that a crash took away is lost or retried after it.
	stepTimeout = 3 * time.Second
	// retryInterval is the pause before an activity's next attempt.
	retryInterval = 100 * time.Millisecond
)

// input is the same for every shape: an id for its keys and the pause between its steps.
type input struct {
	ID   string
	Pace time.Duration
}

// shape is one kind of workflow with what a client must do for it.
type shape struct {
	name string
	// run is the workflow's function.
	run any
	// result is what it must return for an id.
	result func(id string) []string
	// signals and updates tell whether a client sends steps of them.
	signals, updates bool
}

var shapes = []shape{
	{name: "no-op", run: noOperation, result: func(id string) []string { return []string{id} }},
	{name: "activities", run: activityChain, result: stepKeys},
	{name: "timers", run: timerChain, result: stepKeys},
	{name: "signals", run: signalLoop, result: stepKeys, signals: true},
	{name: "children", run: children, result: stepKeys},
	{name: "updates", run: updateLoop, result: stepKeys, updates: true},
	{name: "rounds", run: rounds, result: stepKeys},
}

// onceShape runs one activity that may be attempted at most once; verifyOnce looks at its result.
var onceShape = shape{name: "once", run: once, result: func(string) []string { return nil }}

func key(id string, step int) string { return fmt.Sprintf("%s/%d", id, step) }

func stepKeys(id string) []string {
	keys := make([]string, steps)
	for i := range keys {
		keys[i] = key(id, i)
	}
	return keys
}

func noOperation(_ workflow.Context, in input) ([]string, error) { return []string{in.ID}, nil }

func activityChain(ctx workflow.Context, in input) ([]string, error) {
	var done []string
	for i := range steps {
		result, err := runStep(ctx, key(in.ID, i), 0)
		if err != nil {
			return done, err
		}
		done = append(done, result)
		if err := workflow.Sleep(ctx, in.Pace); err != nil {
			return done, err
		}
	}
	return done, nil
}

func runStep(ctx workflow.Context, key string, attempts int32) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: stepTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: retryInterval, BackoffCoefficient: 1, MaximumAttempts: attempts,
		},
	})
	var result string
	err := workflow.ExecuteActivity(ctx, (*counter).Step, key).Get(ctx, &result)
	return result, err
}

func timerChain(ctx workflow.Context, in input) ([]string, error) {
	var done []string
	for i := range steps {
		if err := workflow.Sleep(ctx, in.Pace); err != nil {
			return done, err
		}
		done = append(done, key(in.ID, i))
	}
	return done, nil
}

// signalLoop returns what the signals said, in the order they came: one lost or doubled shows in the result.
func signalLoop(ctx workflow.Context, _ input) ([]string, error) {
	var done []string
	for range steps {
		var said string
		workflow.GetSignalChannel(ctx, signalName).Receive(ctx, &said)
		done = append(done, said)
	}
	return done, nil
}

func children(ctx workflow.Context, in input) ([]string, error) {
	var done []string
	for i := range steps {
		id := key(in.ID, i)
		options := workflow.ChildWorkflowOptions{WorkflowID: id, WorkflowTaskTimeout: workflowTaskTimeout}
		var result []string
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), noOperation, input{ID: id})
		if err := child.Get(ctx, &result); err != nil {
			return done, err
		}
		done = append(done, result...)
		if err := workflow.Sleep(ctx, in.Pace); err != nil {
			return done, err
		}
	}
	return done, nil
}

// updateLoop takes steps updates, answers each with what it was given, and returns all of them in order.
func updateLoop(ctx workflow.Context, _ input) ([]string, error) {
	var done []string
	err := workflow.SetUpdateHandler(ctx, updateName, func(ctx workflow.Context, said string) (string, error) {
		result, err := runStep(ctx, said, 0)
		if err == nil {
			done = append(done, result)
		}
		return result, err
	})
	if err != nil {
		return nil, err
	}
	err = workflow.Await(ctx, func() bool { return len(done) == steps && workflow.AllHandlersFinished(ctx) })
	return done, err
}

// rounds continues as new after each step.
func rounds(ctx workflow.Context, in input, done []string) ([]string, error) {
	if len(done) == steps {
		return done, nil
	}
	result, err := runStep(ctx, key(in.ID, len(done)), 0)
	if err != nil {
		return done, err
	}
	if err := workflow.Sleep(ctx, in.Pace); err != nil {
		return done, err
	}
	return nil, workflow.NewContinueAsNewError(ctx, rounds, in, append(done, result))
}

// once returns its key when the activity's only attempt came back, and nothing when a crash took it.
func once(ctx workflow.Context, in input) ([]string, error) {
	var done []string
	for i := range steps {
		result, err := runStep(ctx, key(in.ID, i), 1)
		var timeout *temporal.TimeoutError
		switch {
		case err == nil:
			done = append(done, result)
		case !errors.As(err, &timeout):
			return done, err
		}
		if err := workflow.Sleep(ctx, in.Pace); err != nil {
			return done, err
		}
	}
	return done, nil
}

// counter counts how often each activity key ran in this process, which no crash of the server touches.
type counter struct {
	mutex sync.Mutex
	runs  map[string]int
}

// Step returns its key.
func (c *counter) Step(_ context.Context, key string) (string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.runs[key]++
	return key, nil
}

func (c *counter) count(key string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.runs[key]
}

func register(w worker.Registry, c *counter) {
	for _, s := range append(shapes, onceShape) {
		w.RegisterWorkflow(s.run)
	}
	w.RegisterActivity(c)
}
