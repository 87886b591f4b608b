package frontend

import (
	"context"
	"errors"

	"perdure/server/apierr"
)

// errDraining is the cause by which waiting calls end at a stop.
var errDraining = errors.New("the server is stopping")

// waitUntilDrain runs a call that waits, and ends the wait when the server
// stops: the client then retries, with another node or after the restart.
func waitUntilDrain[T any](f *Frontend, ctx context.Context, wait func(context.Context) (T, error)) (T, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(f.draining, func() { end(errDraining) })
	defer stop()
	resp, err := wait(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errDraining) {
		var none T
		return none, apierr.Unavailable("%v", errDraining)
	}
	return resp, err
}
