package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/server/store"
)

// Shards returns every shard row.
func (s *Store) Shards(ctx context.Context) ([]store.Shard, error) {
	return collect(ctx, s, scanShard, `SELECT shard_id, first_slot, last_slot, epoch, owner, renewed_at
		FROM shard JOIN shard_progress USING (shard_id) ORDER BY shard_id`)
}

func scanShard(row pgx.CollectableRow) (shard store.Shard, err error) {
	var renewed *time.Time
	err = row.Scan(&shard.ID, &shard.FirstSlot, &shard.LastSlot, &shard.Epoch, &shard.Owner, &renewed)
	shard.Owner = unescape(shard.Owner)
	shard.RenewedAt = timeOf(renewed)
	return shard, err
}

func timeOf(stored *time.Time) time.Time {
	if stored == nil {
		return time.Time{}
	}
	return stored.UTC()
}

// Acquire raises a shard's epoch. The update waits for commits that hold the
// row FOR SHARE; what follows sees all that they wrote.
func (s *Store) Acquire(ctx context.Context, shard int32, epoch int64, owner string) (acquired store.Acquired, err error) {
	err = onConnection(ctx, s.others, func(conn *connection) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			acquired, err = s.takeOver(ctx, tx, store.Lease{Shard: shard, Epoch: epoch}, owner)
			return err
		})
	})
	if err != nil {
		return store.Acquired{}, fmt.Errorf("acquire shard %d, epoch %d: %w", shard, epoch, err)
	}
	return acquired, nil
}

func (s *Store) takeOver(ctx context.Context, tx pgx.Tx, old store.Lease, owner string) (store.Acquired, error) {
	s.counters.Statement(4)
	a := store.Acquired{Lease: store.Lease{Shard: old.Shard, Epoch: old.Epoch + 1}}
	err := tx.QueryRow(ctx, "UPDATE shard SET epoch = epoch + 1, owner = $3 WHERE shard_id = $1 AND epoch = $2 RETURNING first_slot, last_slot",
		old.Shard, old.Epoch, escape(owner)).Scan(&a.FirstSlot, &a.LastSlot)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, store.ErrLeaseLost
	}
	if err != nil {
		return a, err
	}
	err = tx.QueryRow(ctx, `UPDATE shard_progress SET renewed_at = clock_timestamp() WHERE shard_id = $1 RETURNING cursors,
		greatest(trimmed, (SELECT max(seq) FROM shard_log WHERE shard_log.shard_id = $1))`, old.Shard).Scan(&a.Cursors, &a.LastSeq)
	return a, err
}

// Renew stamps the leases that are still held. It takes no lock on the fence: a
// lease lost at this very moment is found by the next commit.
func (s *Store) Renew(ctx context.Context, leases []store.Lease) (lost []store.Lease, err error) {
	if len(leases) == 0 {
		return nil, nil
	}
	shards, epochs := columns(leases)
	var held []int32
	err = onConnection(ctx, s.others, func(conn *connection) error {
		s.counters.Statement(1)
		rows, err := conn.Query(ctx, `UPDATE shard_progress SET renewed_at = clock_timestamp()
			FROM unnest($1::int[], $2::bigint[]) AS lease (shard_id, epoch) JOIN shard USING (shard_id, epoch)
			WHERE shard_progress.shard_id = lease.shard_id RETURNING shard_progress.shard_id`, shards, epochs)
		if err != nil {
			return err
		}
		held, err = pgx.CollectRows(rows, pgx.RowTo[int32])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	for _, lease := range leases {
		if !slices.Contains(held, lease.Shard) {
			lost = append(lost, lease)
		}
	}
	return lost, nil
}

func columns(leases []store.Lease) (shards []int32, epochs []int64) {
	for _, lease := range leases {
		shards = append(shards, lease.Shard)
		epochs = append(epochs, lease.Epoch)
	}
	return shards, epochs
}

// Release empties the owner of the leases that are still held.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	ordered := slices.SortedFunc(slices.Values(leases), compareLeases) // as commits lock them
	batch := &pgx.Batch{}
	for _, lease := range ordered {
		batch.Queue("UPDATE shard SET owner = '' WHERE shard_id = $1 AND epoch = $2", lease.Shard, lease.Epoch)
	}
	return s.send(ctx, batch)
}

// ReadLog reads a shard's log in order.
func (s *Store) ReadLog(ctx context.Context, shard int32, after int64, limit int) ([]store.LogRow, error) {
	return collect(ctx, s, pgx.RowToStructByPos[store.LogRow],
		"SELECT seq, data FROM shard_log WHERE shard_id = $1 AND seq > $2 ORDER BY seq LIMIT $3", shard, after, limit)
}

// Checkpoint parks wake-ups, stores the cursors and trims the log.
func (s *Store) Checkpoint(ctx context.Context, lease store.Lease, c store.Checkpoint) error {
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) {
		if len(c.Clear) > 0 {
			slots, execs := keyColumns(c.Clear)
			batch.Queue("DELETE FROM wake USING unnest($1::int[], $2::bigint[]) AS gone (slot, exec) WHERE wake.slot = gone.slot AND wake.exec = gone.exec", slots, execs)
		}
		if len(c.Set) > 0 {
			keys, times := wakeColumns(c.Set)
			slots, execs := keyColumns(keys)
			batch.Queue(`INSERT INTO wake (slot, exec, wake_at) SELECT * FROM unnest($1::int[], $2::bigint[], $3::timestamptz[])
				ON CONFLICT (slot, exec) DO UPDATE SET wake_at = excluded.wake_at`, slots, execs, times)
		}
		batch.Queue("UPDATE shard_progress SET cursors = $2, trimmed = greatest(trimmed, $3) WHERE shard_id = $1", lease.Shard, notNil(c.Cursors), c.Trim)
		if c.Trim > 0 {
			batch.Queue("DELETE FROM shard_log WHERE shard_id = $1 AND seq <= $2", lease.Shard, c.Trim)
		}
	})
	if err != nil {
		return fmt.Errorf("checkpoint of shard %d: %w", lease.Shard, err)
	}
	return nil
}

func keyColumns(keys []store.ExecutionKey) (slots []int32, execs []int64) {
	slots, execs = make([]int32, len(keys)), make([]int64, len(keys))
	for i, key := range keys {
		slots[i], execs[i] = key.Slot, key.Exec
	}
	return slots, execs
}

func wakeColumns(wakes []store.Wake) (keys []store.ExecutionKey, times []time.Time) {
	keys, times = make([]store.ExecutionKey, len(wakes)), make([]time.Time, len(wakes))
	for i, wake := range wakes {
		keys[i], times[i] = wake.Key, wake.WakeAt
	}
	return keys, times
}

// notNil keeps nil from becoming null.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// Wakes pages through the parked wake-ups of a shard.
func (s *Store) Wakes(ctx context.Context, shard int32, before time.Time, after store.Wake, limit int) ([]store.Wake, error) {
	return collect(ctx, s, scanWake, `SELECT wake_at, slot, exec FROM wake
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = $1) AND (SELECT last_slot FROM shard WHERE shard_id = $1)
		AND wake_at < $2 AND (wake_at, slot, exec) > ($3::timestamptz, $4::int, $5::bigint) ORDER BY wake_at, slot, exec LIMIT $6`,
		shard, before, after.WakeAt, after.Key.Slot, after.Key.Exec, limit)
}

func scanWake(row pgx.CollectableRow) (wake store.Wake, err error) {
	err = row.Scan(&wake.WakeAt, &wake.Key.Slot, &wake.Key.Exec)
	wake.WakeAt = wake.WakeAt.UTC()
	return wake, err
}
