package matching_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

// keptRig has stored tasks, and a history that does not tell when starts are remembered.
func keptRig(t *testing.T, count int) *rig {
	r := newRig(t)
	r.history.volatile = true
	r.offerMany(queue(), 0, count)
	time.Sleep(time.Second)
	require.EqualValues(t, count, r.stored())
	return r
}

func TestStartedTaskStaysUntilItIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keptRig(t, 3)
		defer r.stop()
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		require.Equal(t, "wf-0001", r.poll(t.Context(), queue()))
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 3, r.stored(), "a crash may still forget both starts")
		require.Zero(t, r.hintOf(queue()), "behind the third; what is kept is no backlog")

		started := r.history.tasks()
		started[0].Remembered()
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 2, r.stored())
		started[0].Remembered() // told twice
		started[1].Remembered()
		started[2].Remembered()
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 0, r.stored())
	})
}

// The execution was lost from memory with the start, and nobody told.
func TestKeptTaskIsOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keptRig(t, 1)
		defer r.stop()
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		began := time.Now()
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		require.Equal(t, 15*time.Second, time.Since(began))
		started := r.history.tasks()
		started[0].Remembered() // too late, but true: the task has started
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 0, r.stored())
	})
}

// A poll that gets a task whose start is not durable yet goes on waiting, and the task is kept.
func TestUnsettledTaskIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keptRig(t, 2)
		defer r.stop()
		r.history.set(func(_ context.Context, task *cluster.Task) error {
			if task.Execution.WorkflowID == "wf-0000" {
				return cluster.ErrUnsettledTask
			}
			return nil
		})
		require.Equal(t, "wf-0001", r.poll(t.Context(), queue()))
		require.EqualValues(t, 2, r.stored())
		r.history.set(nil)
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()), "after a while it is offered again")
	})
}

// With the shard goes what is kept: the next owner reads it from the store.
func TestKeptTaskSurvivesATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := keptRig(t, 1)
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		first := r.history.tasks()[0]
		r.acquire()
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		first.Remembered() // of the lease that is lost
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, r.stored())
		second := r.history.tasks()[1]
		second.Remembered()
		r.stop()
		require.EqualValues(t, 0, r.stored())
	})
}

// A queue with kept tasks stays in memory; after a clean stop they are there for the next owner.
func TestKeptTaskHoldsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{PollerAge: 5 * time.Second})
		r.history.volatile = true
		r.offerMany(queue(), 0, 1)
		time.Sleep(time.Second)
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		time.Sleep(12 * time.Second)
		require.EqualValues(t, 1, r.loaded())
		r.stop()
		require.EqualValues(t, 1, r.stored())
		next := rigOn(t, data, matching.Limits{})
		defer next.stop()
		require.Equal(t, "wf-0000", next.poll(t.Context(), queue()))
	})
}
