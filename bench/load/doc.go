// Package load drives a server that speaks the public API and counts what comes back.
//
// A [Scenario] says what one unit of load is. A [Session] plays a scenario: workers answer tasks (worker.go for raw gRPC, sdk.go
// for the official Go SDK), and loops (loop.go) make units, closed (each of N callers makes the next unit when its last is done)
// or open (units are due at fixed times, and their latency counts from then, however late they could begin).
// Nothing is kept per unit: counts and histograms have a fixed size.
package load
