package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// ending is how a client's workflow is to end.
type ending int

const (
	completes ending = iota
	isCanceled
	isTerminated
	repeats // by cron, until terminated
)

// client starts one workflow, does what it needs from outside, and remembers
// what was acknowledged.
type client struct {
	service workflowservice.WorkflowServiceClient
	random  *rand.Rand
	id      string
	plan    *plan
	ending  ending

	runID    string   // of the first run; empty: the start was not acknowledged
	signals  []string // request ids of acknowledged signals
	repeated map[string]bool
	updates  []string // ids of updates whose outcome came
	failed   error    // what should not have happened
}

func newClient(service workflowservice.WorkflowServiceClient, seed uint64, i int) *client {
	random := rand.New(rand.NewPCG(seed, uint64(i)))
	c := &client{service: service, random: random, id: fmt.Sprint("w", i), plan: randomPlan(random, 1), repeated: map[string]bool{}}
	switch i % 10 {
	case 7:
		c.ending, c.plan = isCanceled, &plan{Steps: []step{{Timer: 20 * time.Hour}}}
	case 8:
		c.ending = isTerminated
		c.plan.Steps = append(c.plan.Steps, step{Timer: 20 * time.Hour})
	case 9:
		c.ending, c.plan = repeats, &plan{Steps: []step{{Timer: time.Second}}}
	}
	return c
}

func (c *client) run(ctx context.Context) { c.failed = c.live(ctx) }

func (c *client) live(ctx context.Context) error {
	c.rest(20 * time.Second)
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	c.rest(20 * time.Second)
	switch c.ending {
	case isCanceled:
		return c.cancel(ctx)
	case isTerminated:
		return c.terminate(ctx)
	case repeats:
		<-time.After(5 * time.Hour)
		return c.terminate(ctx)
	}
	if c.plan.Signals > 0 { // until they come the workflow is open
		if err := c.update(ctx, c.id+" update"); err != nil {
			return fmt.Errorf("update: %w", err)
		}
	}
	for i := range c.plan.Signals {
		c.rest(10 * time.Second)
		if err := c.signal(ctx, fmt.Sprint(c.id, " signal ", i)); err != nil {
			return fmt.Errorf("signal: %w", err)
		}
	}
	return nil
}

func (c *client) rest(longest time.Duration) {
	<-time.After(time.Duration(c.random.Int64N(int64(longest))))
}

func (c *client) start(ctx context.Context) error {
	request := &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespaceName, WorkflowId: c.id, WorkflowType: workflowType(), TaskQueue: queue(), Input: encode(c.plan), RequestId: c.id + " start",
		CompletionCallbacks: []*commonpb.Callback{outsideCallback(c.id)},
	}
	if c.ending == repeats {
		request.CronSchedule = "@every 1h"
	}
	tries := 0
	err := try(ctx, func(ctx context.Context) error {
		tries++
		r, err := c.service.StartWorkflowExecution(ctx, request)
		if err == nil {
			c.runID = r.RunId
		}
		return err
	})
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &exists) && tries > 1 {
		c.runID, err = exists.FirstExecutionRunId, nil // an earlier try got through, and the run has gone on as another
	}
	return err
}

func (c *client) target() *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: c.id}
}

func (c *client) signal(ctx context.Context, id string) error {
	tries := 0
	err := try(ctx, func(ctx context.Context) error {
		tries++
		_, err := c.service.SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: namespaceName, WorkflowExecution: c.target(), SignalName: "news", RequestId: id, Input: encode(id),
		})
		return err
	})
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) && tries > 1 {
		err = nil // the workflow cannot have ended without it: an earlier try got through
	}
	if err == nil {
		c.signals = append(c.signals, id)
		c.repeated[id] = tries > 1
	}
	return err
}

func (c *client) update(ctx context.Context, id string) error {
	request := &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: namespaceName, WorkflowExecution: c.target(),
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		Request:    &updatepb.Request{Meta: &updatepb.Meta{UpdateId: id, Identity: "client"}, Input: &updatepb.Input{Name: "change"}},
	}
	for {
		tries := 0
		var outcome *updatepb.Outcome
		err := try(ctx, func(ctx context.Context) error {
			tries++
			r, err := c.service.UpdateWorkflowExecution(ctx, request)
			outcome = r.GetOutcome()
			return err
		})
		var aborted *serviceerror.Aborted
		if errors.As(err, &aborted) || (err == nil && outcome == nil) {
			continue // the run went on as another, or the wait was long
		}
		if err == nil {
			c.updates = append(c.updates, id)
			c.repeated[id] = tries > 1
		}
		return err
	}
}

func (c *client) cancel(ctx context.Context) error {
	return try(ctx, func(ctx context.Context) error {
		_, err := c.service.RequestCancelWorkflowExecution(ctx, &workflowservice.RequestCancelWorkflowExecutionRequest{
			Namespace: namespaceName, WorkflowExecution: c.target(), RequestId: c.id + " cancel",
		})
		return closedIsFine(err)
	})
}

func (c *client) terminate(ctx context.Context) error {
	return try(ctx, func(ctx context.Context) error {
		_, err := c.service.TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{
			Namespace: namespaceName, WorkflowExecution: c.target(),
		})
		return closedIsFine(err)
	})
}

// closedIsFine: an earlier try may have ended the workflow.
func closedIsFine(err error) error {
	var gone *serviceerror.NotFound
	if errors.As(serviceerror.FromStatus(serviceerror.ToStatus(err)), &gone) {
		return nil
	}
	return err
}
