// Package versioning is the older worker versioning of a task queue: sets of
// compatible build ids (v0.1) and rules that assign and redirect build ids
// (v0.2). It is pure: an update takes what a queue has and returns what it
// will have, and a route follows from that, a run and a poll alone.
//
// Worker deployments are another matter and have nothing to do with it.
package versioning
