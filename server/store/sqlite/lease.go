package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"perdure/server/store"
)

// Shards returns every shard row.
func (s *Store) Shards(ctx context.Context) ([]store.Shard, error) {
	return collect(ctx, s, scanShard, "SELECT shard_id, first_slot, last_slot, epoch, owner, renewed_at FROM shard ORDER BY shard_id")
}

func scanShard(rows *sql.Rows, into *store.Shard) error {
	var renewed sql.NullInt64
	err := rows.Scan(&into.ID, &into.FirstSlot, &into.LastSlot, &into.Epoch, &into.Owner, &renewed)
	into.RenewedAt = timeOf(renewed)
	return err
}

func timeOf(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return time.UnixMicro(micros.Int64).UTC()
}

// Acquire raises a shard's epoch.
func (s *Store) Acquire(ctx context.Context, shard int32, epoch int64, owner string) (acquired store.Acquired, err error) {
	err = s.writer.fenced(ctx, store.Lease{Shard: shard, Epoch: epoch}, func(w *writer) error {
		_, err := w.exec("UPDATE shard SET epoch = epoch + 1, owner = ?, renewed_at = ? WHERE shard_id = ?", owner, micros(time.Now()), int64(shard))
		if err != nil {
			return err
		}
		row, err := w.row(4, `SELECT first_slot, last_slot, cursors,
			max(trimmed, coalesce((SELECT max(seq) FROM shard_log WHERE shard_log.shard_id = shard.shard_id), 0))
			FROM shard WHERE shard_id = ?`, int64(shard))
		if err != nil {
			return err
		}
		cursors, _ := row[2].([]byte)
		acquired = store.Acquired{
			Lease:     store.Lease{Shard: shard, Epoch: epoch + 1},
			FirstSlot: int32(row[0].(int64)),
			LastSlot:  int32(row[1].(int64)),
			Cursors:   cursors,
			LastSeq:   row[3].(int64),
		}
		return nil
	})
	if err != nil {
		return store.Acquired{}, err
	}
	return acquired, nil
}

// Renew stamps the leases that are still held.
func (s *Store) Renew(ctx context.Context, leases []store.Lease) (lost []store.Lease, err error) {
	now := micros(time.Now())
	err = s.writer.transact(ctx, func(w *writer) error {
		for _, lease := range leases {
			held, err := w.exec("UPDATE shard SET renewed_at = ? WHERE shard_id = ? AND epoch = ?", now, int64(lease.Shard), lease.Epoch)
			if err != nil {
				return err
			}
			if held == 0 {
				lost = append(lost, lease)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// Release empties the owner of the leases that are still held.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	return s.writer.transact(ctx, func(w *writer) error {
		for _, lease := range leases {
			if _, err := w.exec("UPDATE shard SET owner = '' WHERE shard_id = ? AND epoch = ?", int64(lease.Shard), lease.Epoch); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadLog reads a shard's log in order.
func (s *Store) ReadLog(ctx context.Context, shard int32, after int64, limit int) ([]store.LogRow, error) {
	return collect(ctx, s, func(rows *sql.Rows, into *store.LogRow) error { return rows.Scan(&into.Seq, &into.Data) },
		"SELECT seq, data FROM shard_log WHERE shard_id = ? AND seq > ? ORDER BY seq LIMIT ?", shard, after, limit)
}

// Checkpoint parks wake-ups, stores the cursors and trims the log.
func (s *Store) Checkpoint(ctx context.Context, lease store.Lease, c store.Checkpoint) error {
	return s.writer.fenced(ctx, lease, func(w *writer) error {
		if err := w.park(c); err != nil {
			return err
		}
		_, err := w.exec("UPDATE shard SET cursors = ?, trimmed = max(trimmed, ?) WHERE shard_id = ?", blob(c.Cursors), c.Trim, int64(lease.Shard))
		if err != nil {
			return err
		}
		_, err = w.exec("DELETE FROM shard_log WHERE shard_id = ? AND seq <= ?", int64(lease.Shard), c.Trim)
		return err
	})
}

func (w *writer) park(c store.Checkpoint) error {
	for _, key := range c.Clear {
		if _, err := w.exec("DELETE FROM wake WHERE slot = ? AND exec = ?", int64(key.Slot), key.Exec); err != nil {
			return fmt.Errorf("clear wake-up: %w", err)
		}
	}
	for _, wake := range c.Set {
		_, err := w.exec("INSERT INTO wake (slot, exec, wake_at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET wake_at = excluded.wake_at",
			int64(wake.Key.Slot), wake.Key.Exec, micros(wake.WakeAt))
		if err != nil {
			return fmt.Errorf("set wake-up: %w", err)
		}
	}
	return nil
}

// Wakes pages through the parked wake-ups of a shard.
func (s *Store) Wakes(ctx context.Context, shard int32, before time.Time, after store.Wake, limit int) ([]store.Wake, error) {
	return collect(ctx, s, scanWake, `SELECT wake_at, slot, exec FROM wake
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = ?1) AND (SELECT last_slot FROM shard WHERE shard_id = ?1)
		AND wake_at < ?2 AND (wake_at, slot, exec) > (?3, ?4, ?5) ORDER BY wake_at, slot, exec LIMIT ?6`,
		shard, micros(before), micros(after.WakeAt), after.Key.Slot, after.Key.Exec, limit)
}

func scanWake(rows *sql.Rows, into *store.Wake) error {
	var at int64
	err := rows.Scan(&at, &into.Key.Slot, &into.Key.Exec)
	into.WakeAt = time.UnixMicro(at).UTC()
	return err
}
