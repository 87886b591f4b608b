package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/store/fault"
)

func (n *node) logRows() int {
	n.t.Helper()
	rows := 0
	for _, s := range n.owned() {
		page, err := n.gate.Store.ReadLog(n.t.Context(), s.id, 0, 1000)
		require.NoError(n.t, err)
		rows += len(page)
	}
	return rows
}

func TestCheckpointTrimsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		for i := range 5 {
			n.begin(name("w", i))
		}
		require.Equal(t, 5, n.logRows())
		n.passes(time.Minute)
		require.Zero(t, n.logRows())
	})
}

func TestIdleShardIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), timer("t", 100*time.Hour))
		n.passes(time.Minute)
		synctest.Wait() // a renewal that is due at this very moment is over
		writes, renewals := n.fault.Writes(), n.gate.count("Renew")
		n.passes(24 * time.Hour)
		synctest.Wait()
		renewals = n.gate.count("Renew") - renewals
		require.EqualValues(t, renewals, n.fault.Writes()-writes, "the lease is all that is written")
		require.InDelta(t, 24*3600/5, renewals, 2)
	})
}

// The slowest reader holds the log; the wake-ups are parked all the same.
func TestSlowReaderHoldsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		records.setDeaf(true)
		n := startNode(t, data, records, Config{})
		n.begin("a")
		n.complete(n.take(), timer("t", time.Hour))
		n.passes(time.Minute)
		require.Equal(t, 2, n.logRows())
		checkpoints := n.gate.count("Checkpoint")
		n.passes(10 * time.Minute)
		require.Equal(t, checkpoints, n.gate.count("Checkpoint"), "nothing new is not written again")
		n.close()
		records.setDeaf(false)
		n = startNode(t, data, records, Config{})
		defer n.close()
		n.passes(time.Minute)
		require.Zero(t, n.logRows())
	})
}

// Timers beyond the look-ahead window are not in memory, and come in time.
func TestFarTimersAreParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), timer("t", 30*24*time.Hour))
		set := time.Now()
		n.passes(11 * time.Second) // the workflow task's own wake-up is over
		require.Zero(t, n.shardFor("a").wakes.len())
		n.passes(30*24*time.Hour - time.Since(set) - time.Second)
		require.Zero(t, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
		require.Equal(t, 1, n.shardFor("a").wakes.len(), "it has come into the window")
		n.passes(2 * time.Second)
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
		n.complete(n.take(), finish())
	})
}

// A checkpoint that fails is made again and loses nothing.
func TestCheckpointFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{LeaseDuration: time.Hour})
		n.begin("a")
		n.complete(n.take(), timer("t", 5*time.Hour))
		n.fault.Order(fault.Error, fault.Error)
		n.passes(5 * time.Minute)
		require.Zero(t, n.logRows())
		n.crash()
		n = startNode(t, data, records, Config{})
		defer n.close()
		n.passes(5 * time.Hour)
		n.complete(n.take(), finish())
	})
}
