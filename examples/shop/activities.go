package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Reserve takes goods off the shelf. For a silent order the first worker that tries is not heard of again, and for every
// other of them no worker is, so that the activity ends by its time-out.
func Reserve(ctx context.Context, p Purchase) error {
	if p.Fate == fateSilent && (activity.GetInfo(ctx).Attempt == 1 || p.Number/len(fates)%2 == 1) {
		<-ctx.Done()
		return ctx.Err()
	}
	activity.RecordHeartbeat(ctx, "shelf 7")
	return nil
}

// ChargeCard fails for good when the card is refused; every fourth card is taken at the third attempt only.
func ChargeCard(ctx context.Context, p Purchase) error {
	if p.Fate == fateDeclined {
		return temporal.NewNonRetryableApplicationError("card declined", "Declined", nil)
	}
	if attempt := activity.GetInfo(ctx).Attempt; p.Number%4 == 0 && attempt < 3 {
		return fmt.Errorf("card service unavailable (attempt %d)", attempt)
	}
	return nil
}

// Deliver names the parcel.
func Deliver(_ context.Context, p Purchase) (string, error) {
	return fmt.Sprintf("parcel-%d", p.Number), nil
}

// countingTime is how long stocktaking walks along the shelves.
const countingTime = 200 * time.Millisecond

// CountShelves takes a moment.
func CountShelves(ctx context.Context) error {
	select {
	case <-time.After(countingTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
