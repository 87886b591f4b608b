// Package buildids keeps what task queues know of build ids: the sets and the
// rules of the older worker versioning, one metadata record a task queue.
//
// What they mean is decided in server/versioning. All are in memory, since tasks
// go by them. A change made on a node counts on that node at once, on others
// within the time of RefreshAfter.
package buildids
