// Package deployment is the pure core of a worker deployment: its versions,
// which of them gets new work, and what may be done with them.
//
// [Decide] takes the state of one deployment, a command and an environment that
// is plain data, and returns the state afterwards and what to answer. What a
// command must know of the world, such as who polls, [Questions] tells
// beforehand. [NewTable] turns the deployments of a namespace into the question
// that task queues ask: which version gets a task.
//
// Read state.go, then decide.go; the stories in testdata show them at work.
package deployment
