// Package spans makes the spans of a run from its history, after the fact: what
// waited for a worker and how long, what a worker did, retries and their
// back-off, timers, children, signals, updates, and how all of it ended.
//
// It is pure. The ids of spans follow from the run id and the event that a span
// begins with, so spans made twice, here or on another node, are the same
// spans; a store of traces keeps one of each.
//
// Read span.go first, then build.go; testdata shows what comes out.
package spans
