package main

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Names by which customers reach workflows.
const (
	ledgerID    = "ledger"
	signalPaid  = "paid"
	signalBook  = "book"
	queryStatus = "status"
	updateLimit = "limit"
)

// fate is what happens to an order. It follows from the order's number, so that traffic is the same each time.
type fate string

const (
	fateFine       fate = "fine"
	fateDeclined   fate = "declined"   // the card is refused for good
	fateUnpaid     fate = "unpaid"     // no payment comes, the order gives up
	fateCancelled  fate = "cancelled"  // the customer thinks better of it
	fateSilent     fate = "silent"     // the warehouse goes silent once, another attempt succeeds
	fateTerminated fate = "terminated" // somebody pulls the plug
	fateLate       fate = "late"       // its time runs out
)

// fates of ten orders in turn.
var fates = [10]fate{fateFine, fateFine, fateFine, fateDeclined, fateFine, fateUnpaid, fateCancelled, fateSilent, fateTerminated, fateLate}

func fateOf(number int) fate { return fates[number%len(fates)] }

const (
	paymentPatience  = 3 * time.Second  // an order waits no longer for its payment
	packingTime      = 2 * time.Second  // of a parcel
	orderTimeout     = 4 * time.Second  // of an order that is to be late
	orderTimeoutMost = time.Minute      // of all others
	stepTimeout      = 10 * time.Second // of an activity
	heartbeatTimeout = time.Second
)

// Purchase is what a customer orders.
type Purchase struct {
	Number      int
	Customer    string
	AmountCents int
	Fate        fate
}

// retried is how activities are tried again.
var retried = temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumAttempts: 5}

func stepsOn(ctx workflow.Context, queue string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: stepTimeout, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: &retried,
	})
}

// Order reserves, charges, waits for the payment and has a child workflow ship. It returns the parcel's number.
func Order(ctx workflow.Context, p Purchase) (string, error) {
	status := "reserving"
	if err := workflow.SetQueryHandler(ctx, queryStatus, func() (string, error) { return status, nil }); err != nil {
		return "", err
	}
	if err := workflow.ExecuteActivity(stepsOn(ctx, queueWarehouse), Reserve, p).Get(ctx, nil); err != nil {
		return "", err
	}
	status = "charging"
	if err := workflow.ExecuteActivity(stepsOn(ctx, queueOrders), ChargeCard, p).Get(ctx, nil); err != nil {
		return "", err
	}
	status = "waiting for payment"
	if err := awaitPayment(ctx); err != nil {
		return "", err
	}
	status = "shipping"
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{TaskQueue: queueShipping, WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID + "-parcel"})
	var parcel string
	err := workflow.ExecuteChildWorkflow(child, Shipment, p).Get(ctx, &parcel)
	return parcel, err
}

// awaitPayment waits for the signal or for the end of patience, whichever comes first.
func awaitPayment(ctx workflow.Context) error {
	paid := workflow.GetSignalChannel(ctx, signalPaid)
	came, err := workflow.AwaitWithTimeout(ctx, paymentPatience, func() bool { return paid.Len() > 0 })
	switch {
	case err != nil:
		return err
	case !came:
		return temporal.NewApplicationError("not paid in time", "Unpaid")
	}
	paid.Receive(ctx, nil)
	return nil
}

// Shipment packs a parcel for a while and brings it.
func Shipment(ctx workflow.Context, p Purchase) (string, error) {
	if err := workflow.Sleep(ctx, packingTime); err != nil {
		return "", err
	}
	var parcel string
	err := workflow.ExecuteActivity(stepsOn(ctx, queueShipping), Deliver, p).Get(ctx, &parcel)
	return parcel, err
}

// bookingsPerRun is after how many bookings the ledger begins a new page, so that its history stays short.
const bookingsPerRun = 20

// Ledger never ends: it adds up what signals book and continues as new. Its limit is changed by an update.
func Ledger(ctx workflow.Context, balanceCents int) error {
	limitCents := 0
	err := errors.Join(
		workflow.SetQueryHandler(ctx, queryStatus, func() (string, error) { return fmt.Sprintf("%d of %d cents", balanceCents, limitCents), nil }),
		workflow.SetUpdateHandlerWithOptions(ctx, updateLimit, func(_ workflow.Context, cents int) error {
			limitCents = cents
			return nil
		}, workflow.UpdateHandlerOptions{Validator: positive}),
	)
	if err != nil {
		return err
	}
	bookings := workflow.GetSignalChannel(ctx, signalBook)
	for range bookingsPerRun {
		var cents int
		bookings.Receive(ctx, &cents)
		balanceCents += cents
	}
	for cents := 0; bookings.ReceiveAsync(&cents); balanceCents += cents {
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Ledger, balanceCents)
}

func positive(cents int) error {
	if cents <= 0 {
		return errors.New("a limit is above zero")
	}
	return nil
}

// Stocktaking counts the shelves.
func Stocktaking(ctx workflow.Context) error {
	return workflow.ExecuteActivity(stepsOn(ctx, queueWarehouse), CountShelves).Get(ctx, nil)
}

// Broken is code with a bug: its workflow task fails again and again, until the run's time is over.
func Broken(workflow.Context) error { panic("this code is broken on purpose") }
