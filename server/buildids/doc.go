// Package buildids keeps what task queues know of build ids: the sets and the
// rules of the older worker versioning, one metadata record a task queue.
//
// What they mean is decided in server/versioning. A change made on a node
// shows on that node at once, on others within the time of RefreshAfter. A
// queue is read only when somebody asks for it.
package buildids
