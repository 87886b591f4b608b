// Package rollout keeps the worker deployments of all namespaces: in the store
// as one metadata record each, whose version is the lock of optimistic
// changes, and in memory as the tables by which task queues and runs find
// versions. What a change means is decided by package deployment.
//
// Read service.go, then change.go; look.go tells when a version is drained.
package rollout
