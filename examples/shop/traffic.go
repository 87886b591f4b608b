package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Search attributes of an order. The ledger and stocktaking have none.
var (
	attributeCustomer = temporal.NewSearchAttributeKeyKeyword("Customer")
	attributeAmount   = temporal.NewSearchAttributeKeyInt64("AmountCents")
)

const (
	customers     = 25 // different ones
	thinkingTime  = 300 * time.Millisecond
	callTimeout   = 10 * time.Second
	brokenEvery   = 20 // orders
	brokenTimeout = 20 * time.Second
)

// trade lets customers in at the chosen rate until ctx is over, one branch after the other. When as many orders are
// under way as may be, customers stay at home.
func trade(ctx context.Context, s settings, branches []*branch) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer ticker.Stop()
	room := make(chan struct{}, s.open)
	var busy sync.WaitGroup
	defer busy.Wait()
	opening := uuid.NewString()[:8] // a shop that opens again does not meet its old orders
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case room <- struct{}{}:
		default:
			continue
		}
		b := branches[number/len(fates)%len(branches)] // ten in turn, so that each branch sees every fate
		busy.Go(func() {
			defer func() { <-room }()
			b.serve(ctx, opening, number)
		})
		if s.faults && number%brokenEvery == 0 {
			b.startBroken(ctx, opening, number)
		}
	}
}

// serve is the life of one order as its customer sees it. Errors are part of it.
func (b *branch) serve(ctx context.Context, opening string, number int) {
	p := Purchase{Number: number, Customer: fmt.Sprintf("customer-%02d", number%customers), AmountCents: 100 + number*37%9900, Fate: fateOf(number)}
	run, err := b.client.ExecuteWorkflow(ctx, startOptions(opening, p), Order, p)
	if err != nil {
		return
	}
	select {
	case <-time.After(thinkingTime):
	case <-ctx.Done():
		return
	}
	b.decide(ctx, run, p)
	var parcel string
	if run.Get(ctx, &parcel) == nil {
		b.book(ctx, p)
	}
}

func startOptions(opening string, p Purchase) client.StartWorkflowOptions {
	timeout := orderTimeoutMost
	if p.Fate == fateLate {
		timeout = orderTimeout
	}
	return client.StartWorkflowOptions{
		ID: fmt.Sprintf("order-%s-%d", opening, p.Number), TaskQueue: queueOrders, WorkflowExecutionTimeout: timeout,
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCustomer.ValueSet(p.Customer), attributeAmount.ValueSet(int64(p.AmountCents))),
		Memo:                  map[string]any{"channel": "web"},
	}
}

// decide is what the customer does with an order under way.
func (b *branch) decide(ctx context.Context, run client.WorkflowRun, p Purchase) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, _ = b.client.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), queryStatus)
	switch p.Fate {
	case fateCancelled:
		_ = b.client.CancelWorkflow(ctx, run.GetID(), run.GetRunID())
	case fateTerminated:
		_ = b.client.TerminateWorkflow(ctx, run.GetID(), run.GetRunID(), "the customer rang")
	case fateUnpaid:
	default:
		_ = b.client.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), signalPaid, nil)
	}
	_, _ = b.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 5, Query: "Customer = '" + p.Customer + "'"})
}

// book tells the ledger. Every fifth customer asks for another limit, every tenth for one that is refused.
func (b *branch) book(ctx context.Context, p Purchase) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_ = b.client.SignalWorkflow(ctx, ledgerID, "", signalBook, p.AmountCents)
	if p.Number%5 != 0 {
		return
	}
	_, _ = b.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: ledgerID, UpdateName: updateLimit, Args: []any{p.Number % 10 * 1000}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
}

func (b *branch) startBroken(ctx context.Context, opening string, number int) {
	options := client.StartWorkflowOptions{ID: fmt.Sprintf("broken-%s-%d", opening, number), TaskQueue: queueOrders, WorkflowExecutionTimeout: brokenTimeout}
	_, _ = b.client.ExecuteWorkflow(ctx, options, Broken)
}
