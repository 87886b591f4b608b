package order

import (
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// New is a sample order with a fresh id.
func New() Order {
	return Order{
		ID: "order-" + uuid.NewString()[:8], Item: "lamp", AmountCents: 4200,
		Address: "1 Old Lane", PackingTime: time.Second,
	}
}

// QuietLogger drops the SDK's own notes: what failed and was retried is in the history.
func QuietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
