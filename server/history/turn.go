package history

import "context"

// turn is a lock that may be held while the store is asked, so who waits for it
// gives up with its context.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn. It fails when the caller's time is over.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (t turn) end() { <-t }
