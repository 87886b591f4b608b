// Package nexus is the pure part of calls that leave the cluster: the forms of
// the Nexus protocol on the wire, what an answer means, when a call is tried
// again, and which addresses may be called. Nothing here does I/O; package
// outbound makes the calls.
//
// Read progress.go first, then completion.go.
package nexus
