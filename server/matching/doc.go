// Package matching owns task queues: it brings tasks and pollers together.
//
// A task that is offered while a poll waits is handed over in memory. Else it
// waits a moment and then goes to the queue's durable backlog, in batches, one
// batch of a shard under way at a time. Tasks come back from the backlog as
// polls come. What was delivered is deleted later, in batches, so a crash
// delivers some tasks again; history drops those as stale.
//
// Read in this order: engine.go (queues of one process), queue.go (what one
// queue keeps, and the one place where tasks, queries and polls meet),
// offer.go, poll.go, backlog.go and shard.go (the way to the store and back),
// query.go, worker.go, describe.go.
package matching
