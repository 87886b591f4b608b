package cluster

import (
	"context"
	"errors"
	"time"

	"perdure/server/nexus"
)

// Outbound makes calls to addresses outside the cluster, within the bounds of
// the node and of each destination. What is to be called, and what came of it,
// is the caller's to remember: a call that a crash cuts off is made again.
type Outbound interface {
	// Submit takes a call and never blocks. A call that waits or is under way already is not taken twice.
	Submit(call OutboundCall)
	// Blocked says why no calls are made to a destination for now; empty: they are.
	Blocked(destination string) string
}

// OutboundKey tells calls apart.
type OutboundKey struct {
	Kind    string // what it is for: "callback"
	Slot    int32
	Exec    int64
	Number  int64 // within the run
	Attempt int32
}

// OutboundCall is one attempt of a call.
type OutboundCall struct {
	Key         OutboundKey
	Destination string // of nexus.Destination
	// Make makes the call with the client and records what came of it. It may
	// block; ctx ends when the node stops.
	Make func(ctx context.Context, client OutboundClient) OutboundHealth
	// Postponed is called instead when the call cannot be made now: submit it
	// again at that time. It must not block.
	Postponed func(until time.Time)
}

// OutboundHealth is what an attempt tells about its destination.
type OutboundHealth int

const (
	// HealthUnknown: no call was made.
	HealthUnknown OutboundHealth = iota
	// Healthy: the destination does its work, whether it took this call or not.
	Healthy
	// Failing: the destination did not answer, or said that it cannot work now.
	Failing
)

// OutboundClient makes HTTP requests.
type OutboundClient interface {
	// Post sends the request and waits for the answer. ErrNotAllowed when the operator does not allow the address.
	Post(ctx context.Context, r nexus.Request) (nexus.Response, error)
}

// ErrNotAllowed tells that the operator's rules forbid an address.
var ErrNotAllowed = errors.New("address is not allowed")
