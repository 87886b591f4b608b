package nexus

import (
	"fmt"
	"net/url"
	"strings"

	failurepb "go.temporal.io/api/failure/v1"
)

// Answer is what came of one attempt of a call.
type Answer struct {
	Taken     bool   // by the receiver: the call has succeeded
	Message   string // why not
	Retryable bool   // whether another attempt may succeed
}

// Taken is the answer of a receiver that has what it was sent.
func Taken() Answer { return Answer{Taken: true} }

// Unreachable is the answer to an attempt that got none.
func Unreachable(reason string) Answer { return Answer{Message: reason, Retryable: true} }

// handlerErrors are the statuses that the protocol gives a meaning.
var handlerErrors = map[int]struct {
	name      string
	retryable bool
}{
	400: {"BAD_REQUEST", false},
	401: {"UNAUTHENTICATED", false},
	403: {"UNAUTHORIZED", false},
	404: {"NOT_FOUND", false},
	408: {"REQUEST_TIMEOUT", true},
	409: {"CONFLICT", false},
	429: {"RESOURCE_EXHAUSTED", true},
	500: {"INTERNAL", true},
	501: {"NOT_IMPLEMENTED", false},
	503: {"UNAVAILABLE", true},
	520: {"UPSTREAM_TIMEOUT", true},
}

// Response is what a receiver answered.
type Response struct {
	StatusCode int
	Status     string // as sent, such as "404 Not Found"
	// Retryable is "true" or "false" when the receiver says whether to try again, whatever the status.
	Retryable string
}

// HeaderRetryable is the header of Response.Retryable.
const HeaderRetryable = "nexus-request-retryable"

// AnswerOf tells what a response means. A status that the protocol does not
// know may come from something on the way, so the call is tried again.
func AnswerOf(r Response) Answer {
	if r.StatusCode >= 200 && r.StatusCode < 300 {
		return Taken()
	}
	known, is := handlerErrors[r.StatusCode]
	if !is {
		return Unreachable(fmt.Sprintf("unexpected response status: %q", r.Status))
	}
	a := Answer{Message: "handler error (" + known.name + ")", Retryable: known.retryable}
	switch r.Retryable {
	case "true":
		a.Retryable = true
	case "false":
		a.Retryable = false
	}
	return a
}

// failureBytesMax bounds the text that is kept of a failed attempt: it is stored with the run.
const failureBytesMax = 2000

func (a Answer) failure() *failurepb.Failure {
	if a.Taken {
		return nil
	}
	// A receiver may have sent anything.
	text := strings.ToValidUTF8(a.Message[:min(len(a.Message), failureBytesMax)], "\uFFFD")
	return &failurepb.Failure{
		Message: text,
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{NonRetryable: !a.Retryable},
		},
	}
}

// NoToken is the answer inside the cluster to a callback that names no operation.
func NoToken() Answer { return Answer{Message: "handler error (BAD_REQUEST): invalid callback token"} }

// SystemURL is the address by which the protocol's own operations are called back inside the cluster.
const SystemURL = "temporal://system"

// Destination is what an address shares with others that the same receiver
// serves: its scheme, host and port.
func Destination(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}
