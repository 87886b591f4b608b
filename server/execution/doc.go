// Package execution is the pure core of a workflow execution: one run with its
// history and what follows from it.
//
// [Decide] takes the state of a run, a command and an environment that is
// plain data, and returns what is to become of it: the events to append, the
// state after them, what to answer. It never changes the state it was given,
// reads no clock, draws no random number and does no I/O, so every rule here
// can be tested, fuzzed and replayed alone. [Apply] is the other half: the
// state that a history event leads to, which makes [Rebuild] the proof that
// history tells everything that must not be lost.
//
// [State.Work] tells what the state asks the outside world to do: tasks to
// offer, messages to send to other runs, the time of the next wake-up. It is a
// function of the state alone, so recovery after a crash is the same code as
// normal operation.
//
// Read state.go first, then decide.go, then one decide_*.go file; the stories
// in testdata show them at work.
package execution
