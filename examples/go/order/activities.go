package order

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
)

// chargeAttemptsUntilSuccess: the card service of this shop is down for the first two attempts of each charge.
const chargeAttemptsUntilSuccess = 3

// Activities is the shop's outside world.
type Activities struct{}

// ReserveItem takes the item off the shelf.
func (*Activities) ReserveItem(_ context.Context, order Order) (string, error) {
	return "shelf 7, " + order.Item, nil
}

// ChargeCard fails twice, then gives a payment number. The attempt is the server's count, so a retry on another worker works too.
func (*Activities) ChargeCard(ctx context.Context, order Order) (string, error) {
	attempt := activity.GetInfo(ctx).Attempt
	if attempt < chargeAttemptsUntilSuccess {
		return "", fmt.Errorf("card service unavailable (attempt %d)", attempt)
	}
	return fmt.Sprintf("payment-%s-%d", order.ID, order.AmountCents), nil
}

// Register makes workflows and activities known to a worker.
func Register(w worker.Registry) {
	w.RegisterWorkflow(ProcessOrder)
	w.RegisterWorkflow(ShipParcel)
	w.RegisterActivity(&Activities{})
}
