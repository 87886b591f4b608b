package history

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wait uses the time its caller gives, but for a moment in which to tell that it ended.
func TestEarly(t *testing.T) {
	for _, remaining := range []time.Duration{100 * time.Millisecond, 5 * time.Second, time.Hour} {
		deadline := time.Now().Add(remaining)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		shorter, stop := early(ctx)
		end, ok := shorter.Deadline()
		require.True(t, ok)
		require.True(t, end.Before(deadline))
		require.LessOrEqual(t, deadline.Sub(end), 50*time.Millisecond)
		stop()
		cancel()
	}
	unbounded, stop := early(context.Background())
	defer stop()
	_, ok := unbounded.Deadline()
	require.False(t, ok)
}
