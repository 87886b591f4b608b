package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/server/store/fault"
)

// story is a short life of two runs and a queue, one write a step.
func story(a store.Acquired) []func(ctx context.Context, s store.Store) error {
	one, two := start("one", a.FirstSlot, 1), start("two", a.FirstSlot, 2)
	q := queue(a.FirstSlot, "q")
	commit := func(part store.ShardGroup) func(ctx context.Context, s store.Store) error {
		part.Lease = a.Lease
		return func(ctx context.Context, s store.Store) error { return s.Commit(ctx, group(part)) }
	}
	return []func(ctx context.Context, s store.Store) error{
		commit(store.ShardGroup{
			Executions: []store.ExecutionWrite{one, two},
			History:    []store.Batch{batch(one.Key, 1, 3), batch(two.Key, 1, 3)},
			Log:        logRow(1),
		}),
		func(ctx context.Context, s store.Store) error {
			return s.AppendTasks(ctx, a.Lease, []store.QueueTask{task(q, 1), task(q, 2)})
		},
		commit(store.ShardGroup{
			Executions: []store.ExecutionWrite{next(one.Execution), finish(two.Execution, sampleTime)},
			History:    []store.Batch{batch(one.Key, 3, 5), batch(two.Key, 3, 5)},
			Log:        logRow(2),
		}),
		func(ctx context.Context, s store.Store) error {
			return s.Checkpoint(ctx, a.Lease, store.Checkpoint{
				Set: []store.Wake{{WakeAt: sampleTime, Key: one.Key}}, Cursors: []byte("at 1"), Trim: 1,
			})
		},
		func(ctx context.Context, s store.Store) error { return s.DeleteTasks(ctx, a.Lease, taskKeys(q, 1)) },
		func(ctx context.Context, s store.Store) error {
			return s.PutMeta(ctx, store.Meta{Kind: "k", Key: "k", Version: 1, Data: []byte("m")})
		},
		func(ctx context.Context, s store.Store) error {
			return s.DeleteExecutions(ctx, a.Lease, []store.ExecutionKey{two.Key})
		},
	}
}

// digest is all that a story can have written, as text.
func digest(t *testing.T, s store.Store, a store.Acquired) string {
	ctx := t.Context()
	text := ""
	note := func(value any, err error) {
		if err != nil {
			require.ErrorIs(t, err, store.ErrNotFound)
			value = "none"
		}
		text += fmt.Sprintf("%v\n", value)
	}
	for exec := int64(1); exec <= 2; exec++ {
		key := store.ExecutionKey{Slot: a.FirstSlot, Exec: exec}
		if run, err := s.Load(ctx, key); err != nil {
			note(nil, err)
		} else {
			note([]any{run.Version, run.Status, run.ClosedAt.UnixMicro(), string(run.State)}, nil)
		}
		note(s.History(ctx, key, 1, 100, 100))
	}
	note(s.ReadLog(ctx, a.Lease.Shard, 0, 100))
	wakes, err := s.Wakes(ctx, a.Lease.Shard, sampleTime.Add(time.Hour), store.Wake{}, 100)
	note(len(wakes), err)
	note(s.ReadTasks(ctx, readLane(queue(a.FirstSlot, "q"), 0, 100)))
	note(s.Queues(ctx, a.Lease.Shard))
	note(s.ListMeta(ctx, "k"))
	return text
}

func testCrashPoints(t *testing.T, f *fixture) {
	a := f.owned(t)
	digests := []string{digest(t, f.store, a)}
	for i, step := range story(a) {
		require.NoError(t, step(t.Context(), f.store))
		digests = append(digests, digest(t, f.store, a))
		require.NotEqual(t, digests[i], digests[i+1], "step %d must leave a trace", i)
	}
	for step := range story(a) {
		for _, kind := range []fault.Kind{fault.CrashBefore, fault.CrashAfter} {
			want := digests[step]
			if kind == fault.CrashAfter {
				want = digests[step+1]
			}
			crashAt(t, newFixture(t, f.fresh), step, kind, want)
		}
	}
}

// crashAt lets the owner die in one step and checks what its successor finds.
func crashAt(t *testing.T, f *fixture, at int, kind fault.Kind, want string) {
	ctx := t.Context()
	faulty := fault.New(f.store, fault.Plan{})
	a := f.owned(t)
	for i, step := range story(a) {
		if i == at {
			faulty.Order(kind)
		}
		err := step(ctx, faulty)
		switch {
		case i < at:
			require.NoError(t, err)
		case i == at && kind == fault.CrashAfter:
			require.ErrorIs(t, err, store.ErrUnknownOutcome)
		default:
			require.ErrorIs(t, err, fault.ErrCrashed)
		}
	}
	f.reopen(t)
	successor := f.owned(t)
	require.Equal(t, want, digest(t, f.store, a), "crash in step %d, kind %d", at, kind)
	require.Equal(t, a.Lease.Epoch+1, successor.Lease.Epoch)
	late := f.store.Commit(ctx, group(store.ShardGroup{Lease: a.Lease, Log: logRow(successor.LastSeq + 1)}))
	require.ErrorIs(t, late, store.ErrLeaseLost)
}

// testLostAcknowledgements is an owner that follows the rule for unknown
// outcomes: take the own shard over, reload, go on from what is there.
func testLostAcknowledgements(t *testing.T, f *fixture) {
	const transitions = 60
	ctx := t.Context()
	a := f.owned(t)
	run := start("w", a.FirstSlot, 1)
	f.commit(t, store.ShardGroup{Lease: a.Lease, Executions: []store.ExecutionWrite{run}, History: []store.Batch{batch(run.Key, 1, 3)}, Log: logRow(1)})
	faulty := fault.New(f.store, fault.Plan{Seed: 7, ErrorShare: 0.2, LostShare: 0.3, DelayShare: 0.2, DelayMax: time.Millisecond})
	lease, current, seq, unknown := a.Lease, run.Execution, int64(1), 0
	for current.Version < transitions {
		write := next(current)
		err := faulty.Commit(ctx, group(store.ShardGroup{
			Lease: lease, Executions: []store.ExecutionWrite{write},
			History: []store.Batch{batch(run.Key, current.NextEvent, write.NextEvent)}, Log: logRow(seq + 1),
		}))
		switch {
		case err == nil:
			current = write.Execution
			seq++
		case errors.Is(err, store.ErrUnknownOutcome):
			unknown++
			taken := f.owned(t)
			lease, seq = taken.Lease, taken.LastSeq
			found, err := f.store.Load(ctx, run.Key)
			require.NoError(t, err)
			require.GreaterOrEqual(t, found.Version, current.Version, "nothing acknowledged is lost")
			current = *found
		default:
			require.ErrorIs(t, err, fault.ErrInjected)
		}
	}
	require.NotZero(t, unknown)
	batches, err := f.store.History(ctx, run.Key, 1, 1<<40, 1000)
	require.NoError(t, err)
	require.Len(t, batches, transitions)
	for i, b := range batches[1:] {
		require.Equal(t, batches[i].NextEvent, b.FirstEvent, "each transition once")
	}
	rows, err := f.store.ReadLog(ctx, a.Lease.Shard, 0, 1000)
	require.NoError(t, err)
	require.Len(t, rows, transitions)
}
