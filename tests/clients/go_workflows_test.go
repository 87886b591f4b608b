package clients

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The workflows of the Go suite. Each does one thing; go_test.go says what must be seen from outside.

const (
	// quick is a time-out that must not be reached when all goes well.
	quick = 10 * time.Second
	// soon is a timer or backoff that a test waits for.
	soon = 100 * time.Millisecond
	// heartbeatTimeout is short, since a test lets it pass.
	heartbeatTimeout = time.Second
)

func registerSuite(w worker.Registry, activities *suiteActivities) {
	for _, function := range []any{
		echoWorkflow, activityWorkflow, signalWorkflow, counterWorkflow, blockedWorkflow, cleanupWorkflow, parentWorkflow,
		failedChildWorkflow, abandoningWorkflow, continuedWorkflow, cronWorkflow, flakyWorkflow, heartbeatWorkflow,
		heartbeatTimeoutWorkflow, asyncWorkflow, localActivityWorkflow, timerWorkflow, memoWorkflow, sideEffectWorkflow,
		failingWorkflow, timedOutActivityWorkflow, signallingWorkflow, cancellingWorkflow, parallelWorkflow,
		asyncPendingWorkflow, priorityWorkflow, ownPriorityWorkflow,
	} {
		w.RegisterWorkflow(function)
	}
	w.RegisterActivity(activities)
}

func withActivity(ctx workflow.Context, attempts int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: quick,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: soon, MaximumAttempts: attempts, BackoffCoefficient: 1},
	})
}

func echoWorkflow(_ workflow.Context, text string) (string, error) { return "echo " + text, nil }

// activityWorkflow runs an activity that fails until its attempt is succeedAt.
func activityWorkflow(ctx workflow.Context, succeedAt int) (string, error) {
	var result string
	err := workflow.ExecuteActivity(withActivity(ctx, 0), (*suiteActivities).SucceedAt, succeedAt).Get(ctx, &result)
	return result, err
}

// signalWorkflow collects count signals in order.
func signalWorkflow(ctx workflow.Context, count int) ([]string, error) {
	received := make([]string, 0, count)
	for len(received) < count {
		var text string
		workflow.GetSignalChannel(ctx, "text").Receive(ctx, &text)
		received = append(received, text)
	}
	return received, nil
}

// counterWorkflow has a query, an update with a validator, and ends by a signal.
func counterWorkflow(ctx workflow.Context, start int) (int, error) {
	value := start
	if err := workflow.SetQueryHandler(ctx, "value", func() (int, error) { return value, nil }); err != nil {
		return 0, err
	}
	add := func(ctx workflow.Context, delta int) (int, error) {
		var slow string
		if err := workflow.ExecuteActivity(withActivity(ctx, 1), (*suiteActivities).SucceedAt, 1).Get(ctx, &slow); err != nil {
			return 0, err
		}
		value += delta
		return value, nil
	}
	positive := func(delta int) error {
		if delta <= 0 {
			return errors.New("delta must be positive")
		}
		return nil
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, "add", add, workflow.UpdateHandlerOptions{Validator: positive}); err != nil {
		return 0, err
	}
	workflow.GetSignalChannel(ctx, "finish").Receive(ctx, nil)
	return value, nil
}

// blockedWorkflow never ends by itself.
func blockedWorkflow(ctx workflow.Context) error {
	workflow.GetSignalChannel(ctx, "never").Receive(ctx, nil)
	return nil
}

// cleanupWorkflow waits for its cancellation and then still runs an activity.
func cleanupWorkflow(ctx workflow.Context) (string, error) {
	if err := workflow.Sleep(ctx, time.Hour); !temporal.IsCanceledError(err) {
		return "", fmt.Errorf("not cancelled: %w", err)
	}
	clean, _ := workflow.NewDisconnectedContext(ctx)
	var result string
	if err := workflow.ExecuteActivity(withActivity(clean, 1), (*suiteActivities).SucceedAt, 1).Get(clean, &result); err != nil {
		return "", err
	}
	return result, ctx.Err()
}

func parentWorkflow(ctx workflow.Context, text string) (string, error) {
	var result string
	err := workflow.ExecuteChildWorkflow(ctx, echoWorkflow, text).Get(ctx, &result)
	return "parent of " + result, err
}

// failedChildWorkflow tells what its child failed with.
func failedChildWorkflow(ctx workflow.Context) (string, error) {
	err := workflow.ExecuteChildWorkflow(ctx, failingWorkflow, "Broken").Get(ctx, nil)
	var application *temporal.ApplicationError
	if !errors.As(err, &application) {
		return "", fmt.Errorf("unexpected child error: %w", err)
	}
	return application.Type(), nil
}

// abandoningWorkflow starts one child for each parent close policy and ends.
func abandoningWorkflow(ctx workflow.Context, children map[string]int32) error {
	for _, id := range workflow.DeterministicKeys(children) {
		options := workflow.ChildWorkflowOptions{WorkflowID: id, ParentClosePolicy: enumspb.ParentClosePolicy(children[id])}
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), blockedWorkflow)
		if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// continuedWorkflow runs once for each of the remaining rounds.
func continuedWorkflow(ctx workflow.Context, remaining, done int) (int, error) {
	if remaining == 0 {
		return done, nil
	}
	return 0, workflow.NewContinueAsNewError(ctx, continuedWorkflow, remaining-1, done+1)
}

// cronWorkflow counts its runs by the last result.
func cronWorkflow(ctx workflow.Context) (int, error) {
	previous := 0
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &previous); err != nil {
			return 0, err
		}
	}
	return previous + 1, nil
}

// flakyWorkflow fails until its attempt is succeedAt: the server retries the whole run.
func flakyWorkflow(ctx workflow.Context, succeedAt int) (int, error) {
	attempt := int(workflow.GetInfo(ctx).Attempt)
	if attempt < succeedAt {
		return 0, fmt.Errorf("attempt %d fails", attempt)
	}
	return attempt, nil
}

func heartbeatWorkflow(ctx workflow.Context) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: quick, HeartbeatTimeout: quick, RetryPolicy: &temporal.RetryPolicy{InitialInterval: soon},
	})
	var resumedAt int
	err := workflow.ExecuteActivity(ctx, (*suiteActivities).ResumeFromHeartbeat).Get(ctx, &resumedAt)
	return resumedAt, err
}

// heartbeatTimeoutWorkflow tells the kind of the time-out and the last heartbeat's details.
func heartbeatTimeoutWorkflow(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	err := workflow.ExecuteActivity(ctx, (*suiteActivities).BeatOnceThenHang).Get(ctx, nil)
	var timeout *temporal.TimeoutError
	if !errors.As(err, &timeout) {
		return "", fmt.Errorf("no time-out: %w", err)
	}
	var details string
	if err := timeout.LastHeartbeatDetails(&details); err != nil {
		return "", err
	}
	return timeout.TimeoutType().String() + " after " + details, nil
}

func asyncWorkflow(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{ActivityID: "outside", StartToCloseTimeout: time.Minute})
	var result string
	err := workflow.ExecuteActivity(ctx, (*suiteActivities).CompleteOutside).Get(ctx, &result)
	return result, err
}

func localActivityWorkflow(ctx workflow.Context) (string, error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: quick, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond, BackoffCoefficient: 1},
	})
	var result string
	err := workflow.ExecuteLocalActivity(ctx, (*suiteActivities).SucceedAt, 2).Get(ctx, &result)
	return result, err
}

// timerWorkflow lets one timer fire and cancels another.
func timerWorkflow(ctx workflow.Context) (string, error) {
	cancelled, cancel := workflow.WithCancel(ctx)
	long := workflow.NewTimer(cancelled, time.Hour)
	start := workflow.Now(ctx)
	if err := workflow.NewTimer(ctx, soon).Get(ctx, nil); err != nil {
		return "", err
	}
	if waited := workflow.Now(ctx).Sub(start); waited < soon {
		return "", fmt.Errorf("the timer fired after %s", waited)
	}
	cancel()
	if err := long.Get(ctx, nil); !temporal.IsCanceledError(err) {
		return "", fmt.Errorf("the long timer was not cancelled: %w", err)
	}
	return "fired and cancelled", nil
}

func memoWorkflow(ctx workflow.Context) error {
	return workflow.UpsertMemo(ctx, map[string]any{"added": "later"})
}

// sideEffectWorkflow uses a marker and a version, and blocks in between so that a query replays both.
func sideEffectWorkflow(ctx workflow.Context) (string, error) {
	var chosen string
	pick := workflow.SideEffect(ctx, func(workflow.Context) any { return time.Now().String() })
	if err := pick.Get(&chosen); err != nil {
		return "", err
	}
	version := workflow.GetVersion(ctx, "change", workflow.DefaultVersion, 2)
	if err := workflow.SetQueryHandler(ctx, "chosen", func() (string, error) { return chosen, nil }); err != nil {
		return "", err
	}
	workflow.GetSignalChannel(ctx, "finish").Receive(ctx, nil)
	return fmt.Sprintf("%s at version %d", chosen, version), nil
}

// asyncPendingWorkflow has an activity that is retried for an hour.
func asyncPendingWorkflow(ctx workflow.Context) error {
	return workflow.ExecuteActivity(withActivity(ctx, 0), (*suiteActivities).SucceedAt, 1000).Get(ctx, nil)
}

// priorityWorkflow returns the priorities that an activity and a child of it had.
func priorityWorkflow(ctx workflow.Context) ([]temporal.Priority, error) {
	seen := make([]temporal.Priority, 2)
	options := workflow.ActivityOptions{StartToCloseTimeout: time.Minute, Priority: temporal.Priority{FairnessKey: "own"}}
	if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), (*suiteActivities).TellPriority).Get(ctx, &seen[0]); err != nil {
		return nil, err
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{Priority: temporal.Priority{PriorityKey: 4}})
	err := workflow.ExecuteChildWorkflow(ctx, ownPriorityWorkflow).Get(ctx, &seen[1])
	return seen, err
}

func ownPriorityWorkflow(ctx workflow.Context) (temporal.Priority, error) {
	return workflow.GetInfo(ctx).Priority, nil
}

func failingWorkflow(_ workflow.Context, kind string) error {
	return temporal.NewApplicationError("it broke", kind, "a detail")
}

func timedOutActivityWorkflow(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	err := workflow.ExecuteActivity(ctx, (*suiteActivities).Hang).Get(ctx, nil)
	var timeout *temporal.TimeoutError
	if !errors.As(err, &timeout) {
		return "", fmt.Errorf("no time-out: %w", err)
	}
	return timeout.TimeoutType().String(), nil
}

func signallingWorkflow(ctx workflow.Context, workflowID string) (string, error) {
	if err := workflow.SignalExternalWorkflow(ctx, workflowID, "", "text", "from outside").Get(ctx, nil); err != nil {
		return "", err
	}
	err := workflow.SignalExternalWorkflow(ctx, workflowID+"-missing", "", "text", "").Get(ctx, nil)
	return fmt.Sprint(err), nil
}

func cancellingWorkflow(ctx workflow.Context, workflowID string) error {
	return workflow.RequestCancelExternalWorkflow(ctx, workflowID, "").Get(ctx, nil)
}

// parallelWorkflow runs count activities at once.
func parallelWorkflow(ctx workflow.Context, count int) (int, error) {
	futures := make([]workflow.Future, count)
	for i := range futures {
		futures[i] = workflow.ExecuteActivity(withActivity(ctx, 1), (*suiteActivities).SucceedAt, 1)
	}
	done := 0
	for _, future := range futures {
		if err := future.Get(ctx, nil); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// suiteActivities are the suite's activities. Started receives the info of each async or hanging activity that began.
type suiteActivities struct {
	started chan activity.Info
}

// SucceedAt fails until its attempt is the given one.
func (*suiteActivities) SucceedAt(ctx context.Context, attempt int) (string, error) {
	if now := int(activity.GetInfo(ctx).Attempt); now < attempt {
		return "", fmt.Errorf("attempt %d fails", now)
	}
	return fmt.Sprintf("succeeded at attempt %d", attempt), nil
}

// ResumeFromHeartbeat beats 7 and fails; its retry tells what it finds.
func (*suiteActivities) ResumeFromHeartbeat(ctx context.Context) (int, error) {
	if !activity.HasHeartbeatDetails(ctx) {
		activity.RecordHeartbeat(ctx, 7)
		return 0, errors.New("fails after its heartbeat")
	}
	var details int
	err := activity.GetHeartbeatDetails(ctx, &details)
	return details, err
}

// BeatOnceThenHang is lost to the server after one heartbeat.
func (*suiteActivities) BeatOnceThenHang(ctx context.Context) error {
	activity.RecordHeartbeat(ctx, "one beat")
	<-ctx.Done()
	return ctx.Err()
}

func (*suiteActivities) TellPriority(ctx context.Context) (temporal.Priority, error) {
	return activity.GetInfo(ctx).Priority, nil
}

// Hang ends only with its own deadline.
func (*suiteActivities) Hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// CompleteOutside leaves its completion to the test.
func (a *suiteActivities) CompleteOutside(ctx context.Context) (string, error) {
	a.started <- activity.GetInfo(ctx)
	return "", activity.ErrResultPending
}
