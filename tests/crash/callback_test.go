package crash

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

const (
	// allowReceiver lets the server call this process.
	allowReceiver = `callback.allowedAddresses=[{"Pattern":"127.0.0.1:*","AllowInsecure":true}]`
	// toldWithin bounds how long callbacks may take once all workflows have ended and the server lives.
	toldWithin = 30 * time.Second
)

// receiver takes the callbacks of all workflows. Some of them it refuses once, so that they are tried again.
type receiver struct {
	url    string
	mutex  sync.Mutex
	calls  map[string]int      // by workflow
	bodies map[string][]string // of calls that were taken
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{calls: map[string]int{}, bodies: map[string][]string{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) callback(id string) *commonpb.Callback {
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: r.url + "/" + id}}}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	id := strings.TrimPrefix(request.URL.Path, "/")
	body, err := io.ReadAll(request.Body)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.calls[id]++
	if err != nil || r.calls[id] == 1 && strings.HasSuffix(id, "7") {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.bodies[id] = append(r.bodies[id], request.Header.Get("Nexus-Operation-State")+" "+string(body))
}

func (r *receiver) taken(id string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.bodies[id]
}

// verifyTold: each workflow's end was told at least once, by its last run only, and the server knows that it was.
func verifyTold(ctx context.Context, t *testing.T, c client.Client, told *receiver, records []*record) {
	t.Helper()
	twice := 0
	for _, r := range records {
		require.Eventually(t, func() bool {
			answer, err := c.DescribeWorkflowExecution(ctx, r.id, "")
			require.NoError(t, err)
			require.Len(t, answer.Callbacks, 1, r.id)
			return answer.Callbacks[0].State == enumspb.CALLBACK_STATE_SUCCEEDED
		}, toldWithin, callInterval, "the end of %s is never told", r.id)
		result, err := json.Marshal(r.result)
		require.NoError(t, err)
		bodies := told.taken(r.id)
		require.NotEmpty(t, bodies, r.id)
		for _, body := range bodies {
			require.Equal(t, "succeeded "+string(result), body, r.id)
		}
		twice += len(bodies) - 1
	}
	t.Logf("the ends of %d workflows were told, %d of them again", len(records), twice)
}
