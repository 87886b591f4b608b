package outbound

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"perdure/server/cluster"
	"perdure/server/metrics"
	"perdure/server/nexus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() Config {
	return Config{
		Allowed: nexus.AddressRules{{Pattern: "*", AllowInsecure: true}}, RequestTimeout: 10 * time.Second,
		CallsMax: 4, DestinationCallsMax: 2, WaitingMax: 100, FailuresMax: 3, Pause: time.Minute,
	}
}

// caller submits calls and sees what becomes of them.
type caller struct {
	queue *Queue
	mu    sync.Mutex
	next  int64
	// under way and the most there were at a time, by destination and in all ("")
	now, most map[string]int
	ended     map[string]int
	postponed map[string]time.Time
}

func newCaller(c Config) *caller {
	return &caller{queue: New(c), now: map[string]int{}, most: map[string]int{}, ended: map[string]int{}, postponed: map[string]time.Time{}}
}

func (c *caller) count(destination string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{destination, ""} {
		c.now[name] += by
		c.most[name] = max(c.most[name], c.now[name])
		if by < 0 {
			c.ended[name]++
		}
	}
}

// submit makes a call that takes so long and then tells how the destination is.
func (c *caller) submit(destination string, takes time.Duration, health cluster.OutboundHealth) cluster.OutboundKey {
	c.next++
	key := cluster.OutboundKey{Kind: "test", Number: c.next}
	c.submitKey(key, destination, takes, health)
	return key
}

func (c *caller) submitKey(key cluster.OutboundKey, destination string, takes time.Duration, health cluster.OutboundHealth) {
	c.queue.Submit(cluster.OutboundCall{
		Key: key, Destination: destination,
		Make: func(ctx context.Context, _ cluster.OutboundClient) cluster.OutboundHealth {
			c.count(destination, 1)
			defer c.count(destination, -1)
			select {
			case <-time.After(takes):
				return health
			case <-ctx.Done():
				return cluster.HealthUnknown
			}
		},
		Postponed: func(until time.Time) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.postponed[destination] = until
		},
	})
}

// see reads one of the caller's maps.
func see[V any](c *caller, of map[string]V, destination string) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	return of[destination]
}

func (c *caller) stop() { c.queue.Stop(context.Background()) }

// passes lets the bubble's time pass, and what is due end.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		defer c.stop()
		for range 10 {
			for n := range 5 {
				c.submit(fmt.Sprint("d", n), time.Second, cluster.Healthy)
			}
		}
		passes(time.Hour)
		require.Equal(t, 50, see(c, c.ended, ""))
		require.Equal(t, 4, see(c, c.most, ""))
		for n := range 5 {
			require.LessOrEqual(t, see(c, c.most, fmt.Sprint("d", n)), 2)
		}
		require.Empty(t, c.queue.destinations, "what is idle is forgotten")
		require.Empty(t, c.queue.calls)
	})
}

// TestSlowDestinationHoldsNobodyUp: calls to others go on while many wait for a slow one.
func TestSlowDestinationHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		defer c.stop()
		for range 20 {
			c.submit("slow", time.Minute, cluster.Healthy)
		}
		for range 20 {
			c.submit("quick", time.Millisecond, cluster.Healthy)
		}
		passes(time.Second)
		require.Equal(t, 20, see(c, c.ended, "quick"))
		require.Equal(t, 2, see(c, c.now, "slow"))
	})
}

func TestSameCallIsNotTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		defer c.stop()
		key := c.submit("d", time.Second, cluster.Healthy)
		c.submitKey(key, "d", time.Second, cluster.Healthy)
		passes(time.Minute)
		require.Equal(t, 1, see(c, c.ended, "d"))
		c.submitKey(key, "d", time.Second, cluster.Healthy) // another time: it may be wanted again
		passes(time.Minute)
		require.Equal(t, 2, see(c, c.ended, "d"))
	})
}

func TestFailingDestinationIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := metrics.NewRegistry()
		config := testConfig()
		config.Metrics = registry
		c := newCaller(config)
		defer c.stop()
		for range 10 {
			c.submit("bad", time.Second, cluster.Failing)
		}
		c.submit("good", time.Second, cluster.Healthy)
		passes(10 * time.Second)
		require.Equal(t, 4, see(c, c.ended, "bad"), "two at a time until the third failed")
		require.NotEmpty(t, c.queue.Blocked("bad"))
		require.Empty(t, c.queue.Blocked("good"))
		require.Equal(t, 1.0, registry.Value("perdure_outbound_destinations_blocked"))
		require.WithinDuration(t, time.Now().Add(time.Minute), see(c, c.postponed, "bad"), 15*time.Second, "who waited is told when to come again")
		c.submit("bad", time.Second, cluster.Failing)
		require.Equal(t, 4, see(c, c.ended, "bad"))

		passes(time.Until(see(c, c.postponed, "bad")))
		c.submit("bad", time.Second, cluster.Failing) // tries again for all
		c.submit("bad", time.Second, cluster.Healthy) // and this one waits for what comes of it
		require.WithinDuration(t, time.Now().Add(probeWait), see(c, c.postponed, "bad"), 0)
		passes(2 * time.Second)
		require.Equal(t, 5, see(c, c.ended, "bad"))
		require.NotEmpty(t, c.queue.Blocked("bad"), "it failed: left alone for another while")

		passes(2 * time.Minute)
		c.submit("bad", time.Second, cluster.Healthy)
		passes(2 * time.Second)
		require.Empty(t, c.queue.Blocked("bad"))
		require.Equal(t, 0.0, registry.Value("perdure_outbound_destinations_blocked"))
		for range 5 {
			c.submit("bad", time.Second, cluster.Healthy)
		}
		passes(time.Minute)
		require.Equal(t, 11, see(c, c.ended, "bad"))
	})
}

// TestOneFailureIsForgiven: only failures in a row count, and calls that were not made do not.
func TestOneFailureIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		defer c.stop()
		for _, health := range []cluster.OutboundHealth{
			cluster.Failing, cluster.Failing, cluster.HealthUnknown, cluster.Healthy, cluster.Failing, cluster.Failing, cluster.HealthUnknown,
		} {
			c.submit("d", time.Second, health)
			passes(time.Minute)
			require.Empty(t, c.queue.Blocked("d"))
		}
		c.submit("d", time.Second, cluster.Failing)
		passes(time.Minute)
		require.NotEmpty(t, c.queue.Blocked("d"))
		c.submit("d", time.Second, cluster.HealthUnknown) // let through to try it, but no call was made
		passes(time.Minute)
		c.submit("d", time.Second, cluster.Healthy)
		passes(time.Minute)
		require.Empty(t, c.queue.Blocked("d"))
	})
}

func TestFullQueuePostpones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := testConfig()
		config.WaitingMax = 3
		c := newCaller(config)
		defer c.stop()
		for range 5 {
			c.submit("d", time.Second, cluster.Healthy)
		}
		require.Empty(t, c.postponed)
		c.submit("other", time.Second, cluster.Healthy)
		require.Equal(t, time.Now().Add(busyWait), see(c, c.postponed, "other"))
		passes(time.Minute)
		require.Equal(t, 5, see(c, c.ended, ""))
	})
}

func TestStopLetsCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		for range 5 {
			c.submit("d", time.Second, cluster.Healthy)
		}
		synctest.Wait()
		c.queue.Drain()
		c.submit("d", time.Second, cluster.Healthy)
		start := time.Now()
		c.stop()
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, 2, see(c, c.ended, "d"), "those under way; the others are made after the next start")
		require.Empty(t, c.postponed)
	})
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		c.submit("d", time.Hour, cluster.Healthy)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		c.queue.Stop(ctx)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestFailuresOfLongAgoAreForgotten when there are too many destinations.
func TestFailuresOfLongAgoAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller(testConfig())
		defer c.stop()
		for n := range failingMax {
			for range 3 {
				c.submit(fmt.Sprint("d", n), 0, cluster.Failing)
				synctest.Wait()
			}
			if n%50 == 0 {
				passes(time.Second)
			}
		}
		require.Len(t, c.queue.destinations, failingMax)
		passes(time.Hour)
		c.submit("one more", 0, cluster.Failing)
		passes(time.Second)
		require.Len(t, c.queue.destinations, 1)
		require.Zero(t, c.queue.blocked)
	})
}
