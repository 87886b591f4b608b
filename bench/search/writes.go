package main

import (
	"context"
	"sync"
	"time"

	"perdure/visibility"
)

// batchRows is the size of a batch as an indexer under load writes it.
const batchRows = 1000

// roundBatches is how many batches are made, which is not measured, and then written.
const roundBatches = 24

// writes measures batches of new runs by several writers at the same time.
func (b *bench) writes(ctx context.Context) error {
	for _, index := range onDemand {
		if err := b.store.(visibility.IndexKeeper).DropIndex(ctx, index); err != nil {
			return err
		}
	}
	before, err := b.wal(ctx)
	if err != nil {
		return err
	}
	var took time.Duration
	written := 0
	for took < time.Duration(b.seconds)*time.Second {
		batches := make([][]*visibility.Record, roundBatches)
		for i := range batches {
			for range batchRows {
				batches[i] = append(batches[i], record(namespaceID, 2*b.rows+written))
				written++
			}
		}
		begun := time.Now()
		if err := b.writeAll(ctx, batches); err != nil {
			return err
		}
		took += time.Since(begun)
	}
	after, err := b.wal(ctx)
	b.result.WritePerSecond = float64(written) / took.Seconds()
	b.result.WriteWALBytes = float64(after-before) / float64(max(1, written))
	return err
}

// writeAll lets the writers take batch by batch.
func (b *bench) writeAll(ctx context.Context, batches [][]*visibility.Record) error {
	waiting := make(chan []*visibility.Record, len(batches))
	for _, batch := range batches {
		waiting <- batch
	}
	close(waiting)
	errs := make(chan error, b.writers)
	var writers sync.WaitGroup
	for range b.writers {
		writers.Go(func() {
			for batch := range waiting {
				if err := b.store.Write(ctx, batch); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	writers.Wait()
	close(errs)
	return <-errs
}

func (b *bench) wal(ctx context.Context) (position int64, err error) {
	err = b.conn.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&position)
	return position, err
}
