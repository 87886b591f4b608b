// Package history is the kernel around the pure core: it owns executions.
//
// A command on an execution takes its lock, is decided by package execution,
// changes the state in memory, is queued for the committer and lets go of the
// lock. The committer takes all that waits, of all shards, into one group; only
// when the group is durable are callers answered, tasks offered, long polls
// woken (publish.go). What a crash could forget is in the rows of executions
// and in the shards' logs (log.go, checkpoint.go, recovery.go).
//
// Read entry.go, committer.go and publish.go in this order.
package history
