// Package search guards a visibility store for those who ask it: each query has
// an end, is counted and timed by its shape, and a slow one is told in the log
// with its plan, never with its values.
package search
