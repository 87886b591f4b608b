package load

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// sdkInflight is how many workflows the SDK's scenarios have under way.
const sdkInflight = 16

// sdkScenarios load with the official Go SDK's client and worker in one process, with their default options.
var sdkScenarios = []Scenario{
	sdkScenario("sdk-noop", "a workflow that completes at once", sdkNoop, nil),
	sdkScenario("sdk-one-activity", "a workflow with one activity", sdkActivities(1), nil),
	sdkScenario("sdk-ten-activities", "a workflow with ten activities, one after the other", sdkActivities(10), nil),
	sdkScenario("sdk-five-signals", "a workflow that gets five signals", sdkFiveSignals, sendFiveSignals),
	sdkScenario("sdk-update", "a workflow that gets one update and ends", sdkUpdate, sendUpdate),
	sdkScenario("sdk-children", "a workflow with three children at the same time", sdkChildren, nil),
	sdkScenario("sdk-timer", "a workflow with a timer of 1 ms", sdkTimer, nil),
}

const (
	sdkFiveSignalCount = 5
	sdkChildCount      = 3
	sdkMessage         = "bench"
)

// clientWork is what a client does for a run between its start and the wait for its result.
type clientWork func(context.Context, client.Client, client.WorkflowRun) error

// sdkScenario is a workflow function and what its client does for it; nil for nothing.
func sdkScenario(name, about string, function func(workflow.Context) error, meanwhile clientWork) Scenario {
	play := func(s *Session, ctx context.Context) error { return s.playSDK(ctx, function, meanwhile) }
	return Scenario{Name: name, About: about + ", Go SDK", Unit: "workflow", Inflight: sdkInflight, play: play}
}

func (s *Session) playSDK(ctx context.Context, function func(workflow.Context) error, meanwhile clientWork) error {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.Address, Namespace: s.Namespace, Identity: identity, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("SDK client: %w", err)
	}
	defer c.Close()
	w := sdkworker.New(c, s.queue.Name, sdkworker.Options{
		MaxConcurrentWorkflowTaskPollers: s.Pollers, MaxConcurrentActivityTaskPollers: s.Pollers,
	})
	w.RegisterWorkflowWithOptions(function, workflow.RegisterOptions{Name: sdkMessage})
	w.RegisterWorkflowWithOptions(sdkNoop, workflow.RegisterOptions{Name: noop.name})
	w.RegisterActivity(sdkActivity)
	if err := w.Start(); err != nil {
		return fmt.Errorf("SDK worker: %w", err)
	}
	defer w.Stop()
	return s.steadily(ctx, s.sdkWorkflows(c, meanwhile))
}

func (s *Session) sdkWorkflows(c client.Client, meanwhile clientWork) unit {
	var count atomic.Int64
	return func(ctx context.Context, _ turn) error {
		id := s.prefix + "sdk-" + strconv.FormatInt(count.Add(1), 10)
		run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: s.queue.Name}, sdkMessage)
		if err != nil {
			return err
		}
		if meanwhile != nil {
			if err := meanwhile(ctx, c, run); err != nil {
				return err
			}
		}
		return run.Get(ctx, nil)
	}
}

func sendFiveSignals(ctx context.Context, c client.Client, run client.WorkflowRun) error {
	for i := range sdkFiveSignalCount {
		if err := c.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), sdkMessage, i); err != nil {
			return err
		}
	}
	return nil
}

func sendUpdate(ctx context.Context, c client.Client, run client.WorkflowRun) error {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateName: sdkMessage, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

func sdkNoop(workflow.Context) error { return nil }

func sdkActivity(context.Context) error { return nil }

func sdkActivities(count int) func(workflow.Context) error {
	return func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: taskTimeout})
		for range count {
			if err := workflow.ExecuteActivity(ctx, sdkActivity).Get(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

func sdkFiveSignals(ctx workflow.Context) error {
	for range sdkFiveSignalCount {
		workflow.GetSignalChannel(ctx, sdkMessage).Receive(ctx, nil)
	}
	return nil
}

func sdkUpdate(ctx workflow.Context) error {
	updated := false
	err := workflow.SetUpdateHandler(ctx, sdkMessage, func(workflow.Context) error {
		updated = true
		return nil
	})
	if err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return updated })
}

func sdkChildren(ctx workflow.Context) error {
	children := make([]workflow.ChildWorkflowFuture, sdkChildCount)
	for i := range children {
		children[i] = workflow.ExecuteChildWorkflow(ctx, noop.name)
	}
	for _, child := range children {
		if err := child.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func sdkTimer(ctx workflow.Context) error { return workflow.Sleep(ctx, time.Millisecond) }
