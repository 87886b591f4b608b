// Package worker is the worker service: what a node does on its own, without a
// caller. It removes closed runs whose retention is over, and the runs and
// records of deleted namespaces, and it counts the runs in trouble by cause.
package worker
