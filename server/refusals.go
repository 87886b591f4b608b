package server

import (
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/frontend"
)

// refusalsAge is how long after the last one refused calls are remembered.
const refusalsAge = time.Minute

// refusals remembers calls of workers that were refused since there were too many.
type refusals struct {
	mu          sync.Mutex
	byNamespace map[string]refused
}

type refused struct {
	calls int64
	last  time.Time
}

func newRefusals() *refusals { return &refusals{byNamespace: map[string]refused{}} }

// isWorkers tells the calls that workers come on by.
func isWorkers(method string) bool {
	return strings.HasPrefix(method, "Poll") || strings.HasPrefix(method, "Respond") || strings.HasPrefix(method, "RecordActivity")
}

// note counts a call that was refused for its rate.
func (r *refusals) note(f frontend.Finished, now time.Time) {
	if f.Refusal.GetCause() != enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT || !isWorkers(f.Method) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.byNamespace[f.Namespace] // of namespaces that exist, so there are few
	if now.Sub(known.last) > refusalsAge {
		known.calls = 0
	}
	r.byNamespace[f.Namespace] = refused{known.calls + 1, now}
}

// lately is how many calls were refused in a row of minutes, and when the last was.
func (r *refusals) lately(namespace string) (calls int64, last time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.byNamespace[namespace]
	return known.calls, known.last
}
