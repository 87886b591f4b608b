package store

import "sync/atomic"

// Stats counts what a backend has sent to its database since it was opened.
type Stats struct {
	Commits    int64 // groups made durable
	Statements int64 // SQL statements of all methods
	Rows       int64 // rows written by commits
	Bytes      int64 // bytes of state, events and log written by commits
}

// Counters keeps Stats under concurrent use. The zero value is ready.
type Counters struct {
	commits, statements, rows, bytes atomic.Int64
}

// Commit counts one durable group.
func (c *Counters) Commit(group *Group) {
	rows, bytes := group.Size()
	c.commits.Add(1)
	c.rows.Add(rows)
	c.bytes.Add(bytes)
}

// Statement counts statements sent to the database.
func (c *Counters) Statement(count int) { c.statements.Add(int64(count)) }

// Stats returns the counts so far.
func (c *Counters) Stats() Stats {
	return Stats{
		Commits:    c.commits.Load(),
		Statements: c.statements.Load(),
		Rows:       c.rows.Load(),
		Bytes:      c.bytes.Load(),
	}
}

// Size tells how many rows a group writes and how many bytes of opaque data they carry.
func (g *Group) Size() (rows, bytes int64) {
	for i := range g.Shards {
		shard := &g.Shards[i]
		rows += int64(len(shard.Executions) + len(shard.History))
		for j := range shard.Executions {
			bytes += int64(len(shard.Executions[j].State))
		}
		for j := range shard.History {
			bytes += int64(len(shard.History[j].Data))
		}
		if shard.Log != nil {
			rows++
			bytes += int64(len(shard.Log.Data))
		}
	}
	return rows, bytes
}
