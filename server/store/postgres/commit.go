package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"perdure/server/store"
)

// The statements of a commit, in the order in which they run. Each takes arrays
// only, and each is parsed once a connection.
const (
	fenceSQL = `SELECT store_require(count(*) = cardinality($1::int[]), '` + codeLeaseLost + `', 'shard lease lost') FROM (
		SELECT FROM shard JOIN unnest($1::int[], $2::bigint[]) AS lease (shard_id, epoch)
		ON shard.shard_id = lease.shard_id AND shard.epoch = lease.epoch FOR SHARE OF shard) AS held`

	insertSQL = `INSERT INTO execution (slot, exec, wf_hash, namespace_id, workflow_id, run_id, request_id, status, next_event, version, closed_at, state)
		SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
		$8::smallint[], $9::bigint[], $10::bigint[], $11::timestamptz[], $12::bytea[])`

	updateSQL = `WITH changed AS (
		UPDATE execution SET status = new.status, next_event = new.next_event, version = new.version, closed_at = new.closed_at, state = new.state
		FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::bytea[])
		AS new (slot, exec, previous, status, next_event, version, closed_at, state)
		WHERE execution.slot = new.slot AND execution.exec = new.exec AND execution.version = new.previous RETURNING 1)
		SELECT store_require(count(*) = cardinality($1::int[]), '` + codeConflict + `', 'conflicting version') FROM changed`

	historySQL = `INSERT INTO history (slot, exec, first_event, next_event, data)
		SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])`

	logSQL = `INSERT INTO shard_log (shard_id, seq, data) SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])`
)

var binaryFormat = []int16{1}

// commit gathers the rows of a group by table and encodes them. It is kept for
// the next commit with its buffers.
type commit struct {
	leases  []store.Lease
	inserts []*store.ExecutionWrite
	updates []*store.ExecutionWrite
	batches []*store.Batch
	logs    []shardLog

	arrays     arrays
	parameters [][]byte
	statements int
}

type shardLog struct {
	shard int32
	row   *store.LogRow
}

var commits = sync.Pool{New: func() any { return &commit{} }}

// Commit sends a group as one batch: one implicit transaction, one round trip.
func (s *Store) Commit(ctx context.Context, group store.Group) error {
	if len(group.Shards) == 0 {
		return nil
	}
	c := commits.Get().(*commit)
	defer commits.Put(c)
	c.gather(&group)
	err := onConnection(ctx, s.committers, func(conn *connection) error {
		batch := &pgconn.Batch{}
		if err := c.queue(ctx, conn.Conn(), batch); err != nil {
			return err
		}
		s.counters.Statement(c.statements)
		return conn.Conn().PgConn().ExecBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.counters.Commit(&group)
	return nil
}

func (c *commit) gather(group *store.Group) {
	clear(c.inserts) // no stale pointers past the new length
	clear(c.updates)
	clear(c.batches)
	clear(c.logs)
	c.leases, c.inserts, c.updates, c.batches, c.logs = c.leases[:0], c.inserts[:0], c.updates[:0], c.batches[:0], c.logs[:0]
	c.statements = 0
	for i := range group.Shards {
		part := &group.Shards[i]
		c.leases = append(c.leases, part.Lease)
		for j := range part.Executions {
			if write := &part.Executions[j]; write.PrevVersion == 0 {
				c.inserts = append(c.inserts, write)
			} else {
				c.updates = append(c.updates, write)
			}
		}
		for j := range part.History {
			c.batches = append(c.batches, &part.History[j])
		}
		if part.Log != nil {
			c.logs = append(c.logs, shardLog{part.Lease.Shard, part.Log})
		}
	}
	c.order()
}

// order makes all commits lock rows in one order, so that two of them never
// wait for each other. It also is the order of the indexes.
func (c *commit) order() {
	slices.SortFunc(c.leases, compareLeases)
	slices.SortFunc(c.inserts, func(a, b *store.ExecutionWrite) int { return compareKeys(a.Key, b.Key) })
	slices.SortFunc(c.updates, func(a, b *store.ExecutionWrite) int { return compareKeys(a.Key, b.Key) })
	slices.SortFunc(c.batches, func(a, b *store.Batch) int {
		return cmp.Or(compareKeys(a.Key, b.Key), cmp.Compare(a.FirstEvent, b.FirstEvent))
	})
	slices.SortFunc(c.logs, func(a, b shardLog) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.row.Seq, b.row.Seq))
	})
}

func compareLeases(a, b store.Lease) int { return cmp.Compare(a.Shard, b.Shard) }

func compareKeys(a, b store.ExecutionKey) int {
	return cmp.Or(cmp.Compare(a.Exec, b.Exec), cmp.Compare(a.Slot, b.Slot))
}

func (c *commit) queue(ctx context.Context, conn *pgx.Conn, batch *pgconn.Batch) error {
	for _, step := range []struct {
		name, sql string
		rows      int
		encode    func(a *arrays)
	}{
		{"commit_fence", fenceSQL, len(c.leases), c.encodeLeases},
		{"commit_insert", insertSQL, len(c.inserts), c.encodeInserts},
		{"commit_update", updateSQL, len(c.updates), c.encodeUpdates},
		{"commit_history", historySQL, len(c.batches), c.encodeHistory},
		{"commit_log", logSQL, len(c.logs), c.encodeLogs},
	} {
		if step.rows == 0 {
			continue
		}
		// Known statements cost a map look-up; a new connection parses them once.
		if _, err := conn.Prepare(ctx, step.name, step.sql); err != nil {
			return notSent{err}
		}
		c.arrays.reset()
		step.encode(&c.arrays)
		c.parameters = c.arrays.parameters(c.parameters[:0])
		batch.ExecPrepared(step.name, c.parameters, binaryFormat, nil) // copies the parameters
		c.statements++
	}
	return nil
}

func (c *commit) encodeLeases(a *arrays) {
	a.int32s(len(c.leases), func(i int) int32 { return c.leases[i].Shard })
	a.int64s(len(c.leases), func(i int) int64 { return c.leases[i].Epoch })
}

func (c *commit) encodeInserts(a *arrays) {
	rows := c.inserts
	a.int32s(len(rows), func(i int) int32 { return rows[i].Key.Slot })
	a.int64s(len(rows), func(i int) int64 { return rows[i].Key.Exec })
	a.int64s(len(rows), func(i int) int64 { return rows[i].Workflow.Hash })
	a.texts(len(rows), func(i int) string { return rows[i].Workflow.NamespaceID })
	a.texts(len(rows), func(i int) string { return rows[i].Workflow.WorkflowID })
	a.texts(len(rows), func(i int) string { return rows[i].RunID })
	a.texts(len(rows), func(i int) string { return rows[i].RequestID })
	encodeMutable(a, rows)
}

func (c *commit) encodeUpdates(a *arrays) {
	rows := c.updates
	a.int32s(len(rows), func(i int) int32 { return rows[i].Key.Slot })
	a.int64s(len(rows), func(i int) int64 { return rows[i].Key.Exec })
	a.int64s(len(rows), func(i int) int64 { return rows[i].PrevVersion })
	encodeMutable(a, rows)
}

func encodeMutable(a *arrays, rows []*store.ExecutionWrite) {
	a.int16s(len(rows), func(i int) int16 { return rows[i].Status })
	a.int64s(len(rows), func(i int) int64 { return rows[i].NextEvent })
	a.int64s(len(rows), func(i int) int64 { return rows[i].Version })
	a.times(len(rows), func(i int) time.Time { return rows[i].ClosedAt })
	a.blobs(len(rows), func(i int) []byte { return rows[i].State })
}

func (c *commit) encodeHistory(a *arrays) {
	rows := c.batches
	a.int32s(len(rows), func(i int) int32 { return rows[i].Key.Slot })
	a.int64s(len(rows), func(i int) int64 { return rows[i].Key.Exec })
	a.int64s(len(rows), func(i int) int64 { return rows[i].FirstEvent })
	a.int64s(len(rows), func(i int) int64 { return rows[i].NextEvent })
	a.blobs(len(rows), func(i int) []byte { return rows[i].Data })
}

func (c *commit) encodeLogs(a *arrays) {
	rows := c.logs
	a.int32s(len(rows), func(i int) int32 { return rows[i].shard })
	a.int64s(len(rows), func(i int) int64 { return rows[i].row.Seq })
	a.blobs(len(rows), func(i int) []byte { return rows[i].row.Data })
}
