// Package sim holds tests of a whole node in virtual time: the real gRPC
// services over connections in memory, on a store that fails by seed, with
// processes that die without a word. A day of timers takes milliseconds.
//
// A test starts random workflows, lets clients and workers do their part while
// the node crashes again and again, and then audits what was promised: what was
// acknowledged is in a history exactly once, every workflow reached its result,
// its end was told outside, and what may run once ran at most once. Seeds drive the inputs and the faults;
// the order of goroutines is Go's.
//
// More seeds: PERDURE_SIM_SEEDS=200 go test ./server/sim, or one of them:
// PERDURE_SIM_SEED=17.
package sim
