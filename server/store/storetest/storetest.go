// Package storetest is the specification of a store backend: whatever passes
// Run may be put under the services. A backend's own test is set-up only.
package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

// ShardCount is the number of shards that the data under test must have.
const ShardCount = 4

// Opener opens a further handle on one set of data. Handles are closed by the
// suite; closing one and opening again is what a restart looks like, and two
// open handles are two nodes.
type Opener func(t *testing.T) store.Store

// Run holds a backend to the contract of store.Store. fresh makes new, empty
// data with ShardCount shards.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	duties := []struct {
		name string
		test func(t *testing.T, f *fixture)
	}{
		{"new store has its shards", testNewStore},
		{"data outlives its handle", testReopen},
		{"a closed handle refuses", testClosedHandle},
		{"acquire, renew, release", testLeaseCycle},
		{"acquire needs the stored epoch", testAcquireStale},
		{"renew names the lost leases", testRenewLost},
		{"of two owners one wins", testTwoOwners},
		{"a deposed owner is refused after the log was trimmed", testDeposedAfterTrim},
		{"one lost lease refuses the whole group", testGroupFence},

		{"insert and update", testInsertUpdate},
		{"every column comes back", testColumns},
		{"a conflict leaves nothing", testConflictAtomic},
		{"a run twice", testDuplicateRun},
		{"a batch or log row twice", testDuplicateRows},
		{"an empty group", testEmptyGroup},
		{"arguments are not kept", testArgumentsNotKept},
		{"a group of thousands", testLargeGroup},

		{"current is the highest run", testCurrent},
		{"hash collisions", testHashCollision},
		{"ids are kept exactly", testExactIDs},
		{"run and load", testRunLoad},
		{"load all", testLoadAll},
		{"closed runs in pages", testClosedPages},
		{"all runs in pages", testExecutionPages},
		{"delete runs", testDeleteExecutions},

		{"history in order", testHistoryOrder},
		{"history from inside a batch", testHistoryFrom},
		{"history of ten thousand batches in pages", testHistoryPages},
		{"large blobs", testLargeBlobs},

		{"log in order", testLogOrder},
		{"log of ten thousand rows in pages", testLogPages},
		{"trimming keeps the last sequence", testTrim},
		{"checkpoint sets and clears wake-ups", testCheckpoint},
		{"wake-ups in pages", testWakePages},

		{"backlog", testBacklog},
		{"backlog of ten thousand tasks in pages", testBacklogPages},
		{"a task twice", testTaskTwice},
		{"queues with a backlog", testQueues},
		{"lanes of a backlog", testLanes},

		{"metadata versions", testMetaVersions},
		{"metadata lists", testMetaList},
		{"metadata has one winner", testMetaRace},

		{"concurrent commits are linearizable", testLinearizable},
		{"crash points", testCrashPoints},
		{"lost acknowledgements", testLostAcknowledgements},
	}
	for _, duty := range duties {
		t.Run(duty.name, func(t *testing.T) {
			duty.test(t, newFixture(t, fresh))
		})
	}
}

// fixture is one set of data with one open handle.
type fixture struct {
	fresh func(t *testing.T) Opener
	open  Opener
	store store.Store
}

func newFixture(t *testing.T, fresh func(t *testing.T) Opener) *fixture {
	f := &fixture{fresh: fresh, open: fresh(t)}
	f.store = f.handle(t)
	return f
}

// handle opens a further handle that is closed with the test.
func (f *fixture) handle(t *testing.T) store.Store {
	s := f.open(t)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// reopen is a restart: the handle is closed and another one opened.
func (f *fixture) reopen(t *testing.T) {
	require.NoError(t, f.store.Close())
	f.store = f.handle(t)
}

// shardRow reads one shard row.
func (f *fixture) shardRow(t *testing.T, id int32) store.Shard {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	for _, shard := range shards {
		if shard.ID == id {
			return shard
		}
	}
	require.Failf(t, "no such shard", "id %d", id)
	return store.Shard{}
}

// firstShard is the id of the first shard.
func (f *fixture) firstShard(t *testing.T) int32 {
	shards, err := f.store.Shards(t.Context())
	require.NoError(t, err)
	return shards[0].ID
}

// acquire takes a shard over, whatever its epoch.
func (f *fixture) acquire(t *testing.T, id int32, owner string) store.Acquired {
	return acquireOn(t, f.store, f.shardRow(t, id), owner)
}

func acquireOn(t *testing.T, s store.Store, shard store.Shard, owner string) store.Acquired {
	acquired, err := s.Acquire(t.Context(), shard.ID, shard.Epoch, owner)
	require.NoError(t, err)
	return acquired
}

// owned takes the first shard over.
func (f *fixture) owned(t *testing.T) store.Acquired {
	return f.acquire(t, f.firstShard(t), "owner")
}

// commit makes a group of one shard durable.
func (f *fixture) commit(t *testing.T, part store.ShardGroup) {
	require.NoError(t, f.store.Commit(t.Context(), group(part)))
}

func group(parts ...store.ShardGroup) store.Group { return store.Group{Shards: parts} }
