package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// outside is what workflows tell of their end. It is slow, refuses some calls for
// the time being, and sometimes breaks off after it has heard.
type outside struct {
	mu     sync.Mutex
	random *rand.Rand
	heard  map[string]int // calls by workflow that were taken
}

func newOutside(seed uint64) *outside {
	return &outside{random: rand.New(rand.NewPCG(seed, 1<<21)), heard: map[string]int{}}
}

func outsideCallback(id string) *commonpb.Callback {
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: "https://outside.test/" + id}}}
}

var errBrokenOff = errors.New("the connection broke")

func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	wait, luck := time.Duration(o.random.Int64N(int64(3*time.Second))), o.random.IntN(6)
	o.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if luck == 0 {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
	}
	o.mu.Lock()
	o.heard[strings.TrimPrefix(r.URL.Path, "/")]++
	o.mu.Unlock()
	if luck == 1 {
		return nil, errBrokenOff
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// told: the end of the workflow's chain was heard outside, and the last run that had somebody to tell knows it.
func (a *audit) told(c *client) {
	a.t.Helper()
	a.outside.mu.Lock()
	heard := a.outside.heard[c.id]
	a.outside.mu.Unlock()
	require.Positive(a.t, heard, "nobody outside heard of the end of %s", c.id)
	succeeded := 0
	for _, run := range a.runIDs(c) {
		r, err := a.service.DescribeWorkflowExecution(context.Background(), &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: namespaceName, Execution: &commonpb.WorkflowExecution{WorkflowId: c.id, RunId: run},
		})
		require.NoError(a.t, err)
		for _, info := range r.Callbacks {
			if info.State != enumspb.CALLBACK_STATE_STANDBY {
				require.Equal(a.t, enumspb.CALLBACK_STATE_SUCCEEDED, info.State, "%s: %v", c.id, info)
				succeeded++
			}
		}
	}
	require.Equal(a.t, 1, succeeded, "%s: one run of a chain tells", c.id)
}

// runIDs are the runs of the workflow's chain.
func (a *audit) runIDs(c *client) []string {
	ids := []string{c.runID}
	for _, events := range a.chain(c.id, c.runID) {
		if next := nextRun(events[len(events)-1]); next != "" {
			ids = append(ids, next)
		}
	}
	return ids
}
