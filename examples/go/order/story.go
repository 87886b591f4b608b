package order

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// approvalStatus is the state in which ProcessOrder waits for the signal.
const approvalStatus = "waiting for approval"

// pollInterval is how often the story asks again for something that becomes visible soon.
const pollInterval = 50 * time.Millisecond

// Tell drives one order from start to result through c and writes each step to out. A worker must serve TaskQueue.
// It returns the run, so that its history can be read afterwards.
func Tell(ctx context.Context, c client.Client, out io.Writer, order Order) (client.WorkflowRun, error) {
	say := func(format string, values ...any) { fmt.Fprintf(out, "  "+format+"\n", values...) }
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: order.ID, TaskQueue: TaskQueue}, ProcessOrder, order)
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	say("start    order %s, run %s", run.GetID(), run.GetRunID())
	if err := awaitStatus(ctx, c, run, approvalStatus); err != nil {
		return run, fmt.Errorf("query: %w", err)
	}
	say("query    status is %q", approvalStatus)
	if err := changeAddress(ctx, c, run, say); err != nil {
		return run, err
	}
	if err := c.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), SignalApprove, "Ada"); err != nil {
		return run, fmt.Errorf("signal: %w", err)
	}
	say("signal   approved by Ada")
	var receipt Receipt
	if err := run.Get(ctx, &receipt); err != nil {
		return run, fmt.Errorf("result: %w", err)
	}
	say("result   paid %s, parcel %s", receipt.PaymentID, receipt.Parcel)
	status, err := listedStatus(ctx, c, run)
	if err != nil {
		return run, fmt.Errorf("list: %w", err)
	}
	say("list     %s is %s", run.GetID(), status)
	return run, nil
}

func awaitStatus(ctx context.Context, c client.Client, run client.WorkflowRun, want string) error {
	return poll(ctx, func() (bool, error) {
		answer, err := c.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), QueryStatus)
		if err != nil {
			return false, err
		}
		var status string
		err = answer.Get(&status)
		return status == want, err
	})
}

// changeAddress sends one update that the workflow's validator refuses and one that it takes.
func changeAddress(ctx context.Context, c client.Client, run client.WorkflowRun, say func(string, ...any)) error {
	for _, address := range []string{"", "7 Harbour Road"} {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateName: UpdateChangeAddress,
			WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{address},
		})
		if err != nil {
			return fmt.Errorf("update: %w", err)
		}
		var previous string
		err = handle.Get(ctx, &previous)
		switch {
		case address == "" && err != nil:
			say("update   empty address refused: %v", err)
		case address == "":
			return fmt.Errorf("update: an empty address was taken")
		case err != nil:
			return fmt.Errorf("update: %w", err)
		default:
			say("update   address is now %q, was %q", address, previous)
		}
	}
	return nil
}

// listedStatus finds the run by a query as a search page would; lists follow writes a moment later.
func listedStatus(ctx context.Context, c client.Client, run client.WorkflowRun) (string, error) {
	query := fmt.Sprintf("WorkflowType = 'ProcessOrder' AND WorkflowId = '%s' AND ExecutionStatus = 'Completed'", run.GetID())
	status := ""
	err := poll(ctx, func() (bool, error) {
		page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		if err != nil || len(page.Executions) == 0 {
			return false, err
		}
		status = page.Executions[0].Status.String()
		return true, nil
	})
	return status, err
}

func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
