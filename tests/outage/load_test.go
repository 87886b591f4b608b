package outage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"perdure/bench/load"
)

const (
	// ordersPerSecond are started, whether or not earlier ones have ended.
	ordersPerSecond = 40
	// orderTimeout is how long one may take on a busy machine.
	orderTimeout = 5 * time.Minute
	taskQueue    = "orders"
)

var (
	customerKey = temporal.NewSearchAttributeKeyKeyword(customer)
	noteKey     = temporal.NewSearchAttributeKeyString(note)
)

// order is found by its customer from the start, by a note once it is paid.
func order(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var receipt string
	if err := workflow.ExecuteActivity(ctx, pay).Get(ctx, &receipt); err != nil {
		return "", err
	}
	return receipt, workflow.UpsertTypedSearchAttributes(ctx, noteKey.ValueSet("paid with "+receipt))
}

func pay(context.Context) (string, error) { return "card", nil }

// orders are workflows that begin at a fixed rate, each awaited by its client.
type orders struct {
	*rig
	client  client.Client
	begun   atomic.Int64
	ended   atomic.Int64
	waiting sync.WaitGroup

	mutex sync.Mutex
	err   error           // the first
	took  *load.Histogram // of this phase, from start to result
}

// startOrders begins the load, which ends with the test.
func startOrders(r *rig) *orders {
	r.Helper()
	c, err := client.DialContext(r.Context(), client.Options{
		HostPort: r.ready.GRPC, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(r, err)
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflow(order)
	w.RegisterActivity(pay)
	require.NoError(r, w.Start())
	o := &orders{rig: r, client: c, took: &load.Histogram{}}
	ctx, cancel := context.WithCancel(context.Background())
	o.waiting.Go(func() { o.drive(ctx) })
	r.Cleanup(func() {
		cancel()
		o.waiting.Wait()
		w.Stop()
		c.Close()
		require.NoError(r, o.firstError())
	})
	return o
}

func (o *orders) drive(ctx context.Context) {
	ticker := time.NewTicker(time.Second / ordersPerSecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.waiting.Go(func() { o.note(o.one(context.Background(), o.begun.Add(1))) })
		case <-ctx.Done():
			return
		}
	}
}

// one runs an order to its end.
func (o *orders) one(ctx context.Context, number int64) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	o.mutex.Lock()
	took := o.took
	o.mutex.Unlock()
	began := time.Now()
	err := o.run(ctx, number)
	for err != nil && ctx.Err() == nil && passes(err) {
		err = o.run(ctx, number)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", orderID(number), err)
	}
	took.Add(time.Since(began))
	o.ended.Add(1)
	return nil
}

// passes tells of an error that says nothing but that the machine was busy for a while.
func passes(err error) bool {
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)
}

// run starts an order, or finds it started, and waits for its result.
func (o *orders) run(ctx context.Context, number int64) error {
	run, err := o.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: orderID(number), TaskQueue: taskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes: temporal.NewSearchAttributes(customerKey.ValueSet(fmt.Sprint("customer-", number%7))),
	}, order)
	if err != nil {
		return err
	}
	var receipt string
	return run.Get(ctx, &receipt)
}

func orderID(number int64) string { return fmt.Sprint("order-", number) }

func (o *orders) note(err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.err == nil {
		o.err = err
	}
}

func (o *orders) firstError() error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.err
}

// phase counts what begins now apart from what began before. The returned function tells what it saw.
func (o *orders) phase(name string) (end func()) {
	o.mutex.Lock()
	took := &load.Histogram{}
	o.took = took
	o.mutex.Unlock()
	began := time.Now()
	return func() {
		seen := took.Snapshot()
		o.Logf("%-28s %6.1f s, %5d orders, p50 %s, p99 %s, longest %s", name, time.Since(began).Seconds(), seen.Count(),
			seen.Quantile(0.5).Round(time.Millisecond), seen.Quantile(0.99).Round(time.Millisecond), seen.Max().Round(time.Millisecond))
	}
}

// flow demands that orders which begin from now on end, for a time, and that searches find them: whatever Elasticsearch does.
func (o *orders) flow(duration time.Duration) {
	o.Helper()
	for until := time.Now().Add(duration); ; {
		last := o.begun.Load() + 1
		require.True(o, poll(func() bool { return o.ended.Load() >= last || o.firstError() != nil }), "orders end")
		require.NoError(o, o.firstError())
		o.found(last)
		if time.Now().After(until) {
			return
		}
		<-time.After(lookEach)
	}
}

// found waits until an order is listed as completed, with what it told last.
func (o *orders) found(number int64) {
	o.Helper()
	query := fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = 'Completed' AND %s = 'card'", orderID(number), note)
	var last error
	require.True(o, poll(func() bool {
		ctx, cancel := context.WithTimeout(o.Context(), orderTimeout)
		defer cancel()
		answer, err := o.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: query})
		last = err
		return err == nil && answer.Count >= 1
	}), "%s is not found: %v", query, last)
}
