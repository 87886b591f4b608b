package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

// Task queues of a branch.
const (
	queueOrders    = "orders"
	queueWarehouse = "warehouse"
	queueShipping  = "shipping"
)

// openTimeout bounds how long the shop waits at its door for the server and its namespaces.
const openTimeout = time.Minute

// branch is the shop in one namespace.
type branch struct {
	namespace string
	client    client.Client
	workers   []worker.Worker
}

func openBranches(ctx context.Context, s settings, t *telemetry) ([]*branch, error) {
	worker.SetStickyWorkflowCacheSize(s.cachedRuns)
	var open []*branch
	for _, namespace := range s.namespaces {
		b, err := openBranch(ctx, s.address, namespace, t)
		if err != nil {
			closeBranches(open)
			return nil, fmt.Errorf("namespace %s: %w", namespace, err)
		}
		open = append(open, b)
	}
	return open, nil
}

func openBranch(ctx context.Context, address, namespace string, t *telemetry) (*branch, error) {
	options := client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	t.apply(&options)
	c, err := dial(ctx, options)
	if err != nil {
		return nil, err
	}
	b := &branch{namespace: namespace, client: c}
	for _, queue := range []string{queueOrders, queueWarehouse, queueShipping} {
		w := worker.New(c, queue, worker.Options{WorkerStopTimeout: time.Second})
		register(w, queue)
		if err := w.Start(); err != nil {
			closeBranches([]*branch{b})
			return nil, fmt.Errorf("worker of %s: %w", queue, err)
		}
		b.workers = append(b.workers, w)
	}
	return b, b.openBooks(ctx)
}

// dial waits for the server: in a stack all start at once.
func dial(ctx context.Context, options client.Options) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, options)
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", options.HostPort, err)
		case <-time.After(time.Second):
		}
	}
}

// openBooks starts what runs beside the orders: the ledger and stocktaking. Those of an earlier opening are kept.
func (b *branch) openBooks(ctx context.Context) error {
	keep := enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	_, ledger := b.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: ledgerID, TaskQueue: queueOrders, WorkflowIDConflictPolicy: keep}, Ledger, 0)
	_, stock := b.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "stocktaking", TaskQueue: queueWarehouse, CronSchedule: "@every 10s", WorkflowIDConflictPolicy: keep,
	}, Stocktaking)
	return errors.Join(unlessStarted(ledger), unlessStarted(stock))
}

func unlessStarted(err error) error {
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &started) {
		return nil
	}
	return err
}

// register tells a worker what its queue asks for.
func register(w worker.Registry, queue string) {
	switch queue {
	case queueOrders:
		w.RegisterWorkflow(Order)
		w.RegisterWorkflow(Ledger)
		w.RegisterWorkflow(Broken)
		w.RegisterActivity(ChargeCard)
	case queueWarehouse:
		w.RegisterWorkflow(Stocktaking)
		w.RegisterActivity(Reserve)
		w.RegisterActivity(CountShelves)
	case queueShipping:
		w.RegisterWorkflow(Shipment)
		w.RegisterActivity(Deliver)
	}
}

func closeBranches(branches []*branch) {
	for _, b := range branches {
		for _, w := range b.workers {
			w.Stop()
		}
		b.client.Close()
	}
}
