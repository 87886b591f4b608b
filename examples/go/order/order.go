// Package order is a small shop: one workflow takes an order from payment to delivery.
//
// It uses each thing a first workflow meets: two activities, one of which fails twice and is retried, a signal, a query,
// an update with a validator, a timer and a child workflow. Read ProcessOrder first, then story.go, which drives it as a
// client would.
package order

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Names by which clients reach a running order.
const (
	TaskQueue           = "orders"
	SignalApprove       = "approve"
	QueryStatus         = "status"
	UpdateChangeAddress = "change-address"
)

// Order is what a customer sends. PackingTime is how long the parcel takes to pack: a durable timer.
type Order struct {
	ID          string
	Item        string
	AmountCents int
	Address     string
	PackingTime time.Duration
}

// Receipt is the workflow's result.
type Receipt struct {
	OrderID   string
	PaymentID string
	Approver  string
	Address   string
	Parcel    string
}

// ProcessOrder reserves the item, charges the card, waits for an approval, packs, and has a child workflow ship.
func ProcessOrder(ctx workflow.Context, order Order) (Receipt, error) {
	receipt := Receipt{OrderID: order.ID, Address: order.Address}
	status := "reserving"
	if err := answerClients(ctx, &receipt, &status); err != nil {
		return receipt, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2},
	})
	var shop *Activities
	if err := workflow.ExecuteActivity(ctx, shop.ReserveItem, order).Get(ctx, nil); err != nil {
		return receipt, fmt.Errorf("reserve item: %w", err)
	}
	status = "charging"
	if err := workflow.ExecuteActivity(ctx, shop.ChargeCard, order).Get(ctx, &receipt.PaymentID); err != nil {
		return receipt, fmt.Errorf("charge card: %w", err)
	}
	status = "waiting for approval"
	workflow.GetSignalChannel(ctx, SignalApprove).Receive(ctx, &receipt.Approver)
	status = "packing"
	if err := workflow.Sleep(ctx, order.PackingTime); err != nil {
		return receipt, err
	}
	status = "shipping"
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: order.ID + "-parcel"})
	if err := workflow.ExecuteChildWorkflow(child, ShipParcel, order.Item, receipt.Address).Get(ctx, &receipt.Parcel); err != nil {
		return receipt, fmt.Errorf("ship parcel: %w", err)
	}
	status = "delivered"
	return receipt, nil
}

// answerClients sets the handlers of the query and of the update.
func answerClients(ctx workflow.Context, receipt *Receipt, status *string) error {
	err := workflow.SetQueryHandler(ctx, QueryStatus, func() (string, error) { return *status, nil })
	if err != nil {
		return err
	}
	change := func(_ workflow.Context, address string) (string, error) {
		previous := receipt.Address
		receipt.Address = address
		return previous, nil
	}
	validate := func(address string) error {
		if address == "" {
			return errors.New("an address must not be empty")
		}
		return nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateChangeAddress, change, workflow.UpdateHandlerOptions{Validator: validate})
}

// ShipParcel is the child workflow: it labels the parcel and tells its number.
func ShipParcel(ctx workflow.Context, item, address string) (string, error) {
	info := workflow.GetInfo(ctx)
	workflow.GetLogger(ctx).Debug("parcel shipped", "item", item, "address", address)
	return fmt.Sprintf("%s to %s as %s", item, address, info.WorkflowExecution.ID), nil
}
