package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
	"perdure/server/store/postgres"
)

func acquire(t *testing.T, s store.Store) store.Acquired {
	shards, err := s.Shards(t.Context())
	require.NoError(t, err)
	a, err := s.Acquire(t.Context(), shards[0].ID, shards[0].Epoch, "owner")
	require.NoError(t, err)
	return a
}

// groupOf has a row for each table of a commit.
func groupOf(lease store.Lease, number int64) store.Group {
	key := store.ExecutionKey{Slot: 1, Exec: number}
	run := store.Execution{Key: key, Workflow: store.WorkflowKey{Slot: 1, Hash: number, WorkflowID: fmt.Sprint(number)}, Version: 1, State: []byte("state")}
	part := store.ShardGroup{
		Lease:      lease,
		Executions: []store.ExecutionWrite{{Execution: run}},
		History:    []store.Batch{{Key: key, FirstEvent: 1, NextEvent: 2, Data: []byte("events")}},
		Log:        &store.LogRow{Seq: number, Data: []byte("tasks")},
	}
	if number > 1 {
		old := run
		old.Key.Exec, old.Version = number-1, 2
		part.Executions = append(part.Executions, store.ExecutionWrite{Execution: old, PrevVersion: 1})
	}
	return store.Group{Shards: []store.ShardGroup{part}}
}

func TestCommitIsOneRoundTripWithoutParsing(t *testing.T) {
	w := newWire(t, pgtest.Database(t))
	s := open(t, w.address)
	a := acquire(t, s)
	number := int64(0)
	commit := func() {
		number++
		require.NoError(t, s.Commit(t.Context(), groupOf(a.Lease, number)))
	}
	commit()
	commit() // by now the connection has met all five statements
	before := s.Stats()
	w.take()
	commit()
	require.Equal(t, map[byte]int{'B': 5, 'E': 5, 'D': 5, 'S': 1}, w.take(), "Bind, Describe portal, Execute for five statements, one Sync")
	after := s.Stats()
	require.EqualValues(t, 1, after.Commits-before.Commits)
	require.EqualValues(t, 5, after.Statements-before.Statements)
	require.EqualValues(t, 4, after.Rows-before.Rows)
	require.NoError(t, s.Close())
}

func TestLostAnswerIsUnknown(t *testing.T) {
	w := newWire(t, pgtest.Database(t))
	s := open(t, w.address)
	a := warm(t, s)
	w.loseAnswer.Store(true)
	require.ErrorIs(t, s.Commit(t.Context(), groupOf(a.Lease, 3)), store.ErrUnknownOutcome)
	a = acquire(t, s)
	require.EqualValues(t, 3, a.LastSeq, "it was done")
	require.NoError(t, s.Commit(t.Context(), groupOf(a.Lease, 4)), "a new connection goes on")

	w.loseAnswer.Store(true)
	require.ErrorIs(t, s.AppendTasks(t.Context(), a.Lease, []store.QueueTask{{ID: 1}}), store.ErrUnknownOutcome)
	require.NoError(t, s.Close())
}

// admin is a session beside the store.
func admin(t *testing.T, address string) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

// awaitBlocked waits until another session waits for a lock, and returns its process.
func awaitBlocked(t *testing.T, conn *pgx.Conn) (process int32) {
	require.Eventually(t, func() bool {
		err := conn.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&process)
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	return process
}

// warm commits group 1, so that the connection has parsed the statements: a new
// one would wait for a locked table before it sends anything that writes.
func warm(t *testing.T, s store.Store) store.Acquired {
	a := acquire(t, s)
	require.NoError(t, s.Commit(t.Context(), groupOf(a.Lease, 1)))
	require.NoError(t, s.Commit(t.Context(), groupOf(a.Lease, 2)))
	return a
}

func TestTerminatedCommitIsUnknown(t *testing.T) {
	address := pgtest.Database(t)
	s := open(t, address)
	a := warm(t, s)
	blocker, watcher := admin(t, address), admin(t, address)
	tx, err := blocker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE history")
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(t.Context(), groupOf(a.Lease, 3)) }()
	_, err = watcher.Exec(t.Context(), "SELECT pg_terminate_backend($1)", awaitBlocked(t, watcher))
	require.NoError(t, err)
	require.ErrorIs(t, <-answer, store.ErrUnknownOutcome)
	require.NoError(t, tx.Rollback(t.Context()))
	require.EqualValues(t, 2, acquire(t, s).LastSeq, "it was not done")
	require.NoError(t, s.Close())
}

func TestCancelledCommit(t *testing.T) {
	address := pgtest.Database(t)
	s := open(t, address)
	a := warm(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	blocker, watcher := admin(t, address), admin(t, address)
	tx, err := blocker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE history")
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(ctx, groupOf(a.Lease, 3)) }()
	awaitBlocked(t, watcher)
	cancel()
	require.ErrorIs(t, <-answer, store.ErrUnknownOutcome, "cancelled in mid-flight")
	require.NoError(t, tx.Rollback(t.Context()))
	err = s.Commit(ctx, groupOf(a.Lease, 4))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, store.ErrUnknownOutcome, "nothing was sent")
	require.NoError(t, s.Close())
}

func TestTakeOverWaitsForCommit(t *testing.T) {
	address := pgtest.Database(t)
	s := open(t, address)
	a := warm(t, s)
	blocker, watcher := admin(t, address), admin(t, address)
	tx, err := blocker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE history")
	require.NoError(t, err)
	committed := make(chan error, 1)
	go func() { committed <- s.Commit(t.Context(), groupOf(a.Lease, 3)) }()
	awaitBlocked(t, watcher) // the commit holds the fence and waits behind it

	type answer struct {
		acquired store.Acquired
		err      error
	}
	taken := make(chan answer, 1)
	other := open(t, address)
	go func() {
		acquired, err := other.Acquire(t.Context(), a.Lease.Shard, a.Lease.Epoch, "other")
		taken <- answer{acquired, err}
	}()
	require.Eventually(t, func() bool {
		var waiting int
		err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		return err == nil && waiting == 2
	}, time.Minute, 5*time.Millisecond)

	// What does not write to the shard does not wait.
	lost, err := s.Renew(t.Context(), []store.Lease{a.Lease})
	require.NoError(t, err)
	require.Empty(t, lost)

	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-committed)
	got := <-taken
	require.NoError(t, got.err)
	require.EqualValues(t, 3, got.acquired.LastSeq, "the new owner sees the commit it waited for")
	require.NoError(t, s.Close())
	require.NoError(t, other.Close())
}

func TestCommitBehindTakeOverIsRefused(t *testing.T) {
	address := pgtest.Database(t)
	s := open(t, address)
	a := acquire(t, s)
	taker, watcher := admin(t, address), admin(t, address)
	tx, err := taker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE shard SET epoch = epoch + 1 WHERE shard_id = $1", a.Lease.Shard)
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(t.Context(), groupOf(a.Lease, 1)) }()
	awaitBlocked(t, watcher)
	require.NoError(t, tx.Commit(t.Context()))
	require.ErrorIs(t, <-answer, store.ErrLeaseLost)
	require.NoError(t, s.Close())
}

// TestServerCrash kills the database under a committing owner, three times:
// nothing acknowledged is lost, and what is there is whole.
func TestServerCrash(t *testing.T) {
	server := pgtest.Start(t)
	acknowledged := int64(0)
	for round := range 3 {
		s := open(t, server.URL())
		a := acquire(t, s)
		require.GreaterOrEqual(t, a.LastSeq, acknowledged, "nothing acknowledged is lost")
		require.LessOrEqual(t, a.LastSeq, acknowledged+1, "at most the one under way")
		acknowledged = a.LastSeq
		for number := int64(1); number <= acknowledged; number++ {
			_, err := s.Load(t.Context(), store.ExecutionKey{Slot: 1, Exec: number})
			require.NoError(t, err, "all of a group or nothing")
		}
		progress := make(chan int64)
		failure := make(chan error, 1)
		go commitUntilFailure(t.Context(), s, a, progress, failure)
		for range 30 + 20*round {
			acknowledged = <-progress
		}
		server.Crash()
		for number := range progress {
			acknowledged = number
		}
		err := <-failure
		require.NotErrorIs(t, err, store.ErrLeaseLost)
		require.NotErrorIs(t, err, store.ErrConflict)
		require.NoError(t, s.Close())
		_, err = postgres.Open(t.Context(), server.URL(), quiet)
		require.ErrorContains(t, err, "open store in database postgres")
		server.Restart()
	}
}

func commitUntilFailure(ctx context.Context, s store.Store, a store.Acquired, progress chan<- int64, failure chan<- error) {
	defer close(progress)
	for number := a.LastSeq + 1; ; number++ {
		group := groupOf(a.Lease, number)
		group.Shards[0].Executions = group.Shards[0].Executions[:1]
		if err := s.Commit(ctx, group); err != nil {
			failure <- errors.Join(errors.New("commit"), err)
			return
		}
		progress <- number
	}
}
