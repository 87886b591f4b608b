// Package doctor gathers what a diagnosis has to know, of runs, task queues,
// search stores and namespaces, and has server/diagnosis judge it.
package doctor
