// Package match holds the arithmetic of task queues: the order in which tasks
// go out, the version of workers that they go to, the rates that are reported,
// and when a worker should poll more or less. It is pure: time is an argument.
package match
