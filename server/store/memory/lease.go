package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"perdure/server/store"
)

func (d *Data) shard(id int32) (*shard, error) {
	if id < 1 || int(id) > len(d.shards) {
		return nil, fmt.Errorf("shard %d: %w", id, store.ErrNotFound)
	}
	return d.shards[id-1], nil
}

func (d *Data) held(lease store.Lease) (*shard, error) {
	row, err := d.shard(lease.Shard)
	if err != nil || row.Epoch != lease.Epoch {
		return nil, fmt.Errorf("shard %d, epoch %d: %w", lease.Shard, lease.Epoch, store.ErrLeaseLost)
	}
	return row, nil
}

// Shards returns every shard row.
func (s *Store) Shards(ctx context.Context) (shards []store.Shard, err error) {
	err = s.read(ctx, func(d *Data) error {
		for _, row := range d.shards {
			shards = append(shards, row.Shard)
		}
		return nil
	})
	return shards, err
}

// Acquire raises a shard's epoch.
func (s *Store) Acquire(ctx context.Context, id int32, epoch int64, owner string) (acquired store.Acquired, err error) {
	err = s.fenced(ctx, store.Lease{Shard: id, Epoch: epoch}, func(_ *Data, row *shard) error {
		row.Epoch++
		row.Owner = owner
		row.RenewedAt = time.Now()
		acquired = store.Acquired{
			Lease:     store.Lease{Shard: id, Epoch: row.Epoch},
			FirstSlot: row.FirstSlot,
			LastSlot:  row.LastSlot,
			Cursors:   row.cursors,
			LastSeq:   row.lastSeq(),
		}
		return nil
	})
	return acquired, err
}

func (s *shard) lastSeq() int64 {
	if len(s.log) == 0 {
		return s.trimmed
	}
	return max(s.trimmed, s.log[len(s.log)-1].Seq)
}

// Renew stamps the leases that are still held.
func (s *Store) Renew(ctx context.Context, leases []store.Lease) (lost []store.Lease, err error) {
	err = s.write(ctx, func(d *Data) error {
		for _, lease := range leases {
			row, err := d.held(lease)
			if err != nil {
				lost = append(lost, lease)
				continue
			}
			row.RenewedAt = time.Now()
		}
		return nil
	})
	return lost, err
}

// Release empties the owner of the leases that are still held.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	return s.write(ctx, func(d *Data) error {
		for _, lease := range leases {
			if row, err := d.held(lease); err == nil {
				row.Owner = ""
			}
		}
		return nil
	})
}

// ReadLog reads a shard's log in order.
func (s *Store) ReadLog(ctx context.Context, id int32, after int64, limit int) (rows []store.LogRow, err error) {
	err = s.read(ctx, func(d *Data) error {
		row, err := d.shard(id)
		if err != nil {
			return nil
		}
		rows = head(row.log[behind(row.log, seqOf, after):], limit)
		return nil
	})
	return rows, err
}

// Checkpoint parks wake-ups, stores the cursors and trims the log.
func (s *Store) Checkpoint(ctx context.Context, lease store.Lease, c store.Checkpoint) error {
	return s.fenced(ctx, lease, func(d *Data, row *shard) error {
		for _, key := range c.Clear {
			delete(d.wakes, key)
		}
		for _, wake := range c.Set {
			d.wakes[wake.Key] = wake.WakeAt.Truncate(time.Microsecond).UTC()
		}
		row.cursors = bytes.Clone(c.Cursors)
		row.trimmed = max(row.trimmed, c.Trim)
		kept := row.log[behind(row.log, seqOf, c.Trim):]
		row.log = append([]store.LogRow(nil), kept...) // a copy, so that trimmed rows are freed
		return nil
	})
}

func seqOf(row store.LogRow) int64 { return row.Seq }
