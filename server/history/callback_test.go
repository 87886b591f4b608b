package history

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/nexus"
	"perdure/server/outbound"
	"perdure/server/store/memory"
)

// received is one call that reached the receiver.
type received struct {
	at     time.Time
	path   string
	header http.Header
	body   string
}

// receiver is the outside: it takes calls of every process and outlives them.
type receiver struct {
	mu    sync.Mutex
	calls []received
	// answer gives the status for the nth call, from 1; 0 breaks the connection.
	answer func(n int) int
	// slow is how long an answer takes.
	slow time.Duration
}

var errBroken = errors.New("connection broken")

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.calls = append(r.calls, received{time.Now(), request.URL.Path, request.Header, string(body)})
	status, slow := r.answer(len(r.calls)), r.slow
	r.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	if status == 0 {
		return nil, errBroken
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{}}, nil
}

func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func (r *receiver) answers(answer func(n int) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func always(status int) func(int) int { return func(int) int { return status } }

// callingNode is a process that can call the receiver.
type callingNode struct {
	*node
	queue *outbound.Queue
}

func startCalling(t *testing.T, data *memory.Data, records *index, r *receiver) *callingNode {
	queue := outbound.New(outbound.Config{
		Allowed: nexus.AddressRules{{Pattern: "shop.test"}}, RequestTimeout: 10 * time.Second,
		CallsMax: 20, DestinationCallsMax: 10, WaitingMax: 1000, FailuresMax: 6, Pause: time.Minute, Transport: r,
	})
	return &callingNode{startNode(t, data, records, Config{Outbound: queue}), queue}
}

func (n *callingNode) close() {
	n.queue.Stop(context.Background())
	n.node.close()
}

// crash ends the process without a word, calls under way included.
func (n *callingNode) crash() {
	n.node.fault.Crash()
	over, end := context.WithCancel(context.Background())
	end()
	n.queue.Stop(over)
	n.node.crash()
}

// calling runs a story with a receiver.
func calling(t *testing.T, answer func(n int) int, story func(t *testing.T, n *callingNode, r *receiver)) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: answer}
		n := startCalling(t, newData(t), newIndex(), r)
		defer n.close()
		story(t, n, r)
	})
}

func callback(url string) *commonpb.Callback {
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: url, Header: map[string]string{"nexus-operation-token": "t-1"}}}}
}

const receiverURL = "https://shop.test/done"

// beginCalling starts a workflow that tells the addresses of its end.
func (n *node) beginCalling(id string, urls ...string) string {
	n.t.Helper()
	request := startRequest(id, "start "+id)
	for _, url := range urls {
		request.CompletionCallbacks = append(request.CompletionCallbacks, callback(url))
	}
	r, err := n.StartWorkflowExecution(n.t.Context(), shop, request)
	require.NoError(n.t, err)
	return r.RunId
}

func (n *node) callbacks(id string) []*workflowpb.CallbackInfo {
	n.t.Helper()
	r, err := n.describe(id)
	require.NoError(n.t, err)
	return r.Callbacks
}

func (n *node) callbackState(id string) enumspb.CallbackState {
	n.t.Helper()
	return n.callbacks(id)[0].State
}

func (n *node) untilCallback(id string, state enumspb.CallbackState) {
	n.t.Helper()
	n.eventually("callback is "+state.String(), func() bool { return n.callbackState(id) == state })
}

func TestCallbackIsDelivered(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		run := n.beginCalling("a", receiverURL)
		require.Equal(t, enumspb.CALLBACK_STATE_STANDBY, n.callbackState("a"))
		n.complete(n.take(), finish())
		n.untilCallback("a", enumspb.CALLBACK_STATE_SUCCEEDED)
		require.Len(t, r.got(), 1)
		got := r.got()[0]
		require.Equal(t, "/done", got.path)
		require.Equal(t, "succeeded", got.header.Get("Nexus-Operation-State"))
		require.Equal(t, "t-1", got.header.Get("Nexus-Operation-Token"))
		require.Contains(t, got.header.Get("Nexus-Link"), "/namespaces/shop/workflows/a/"+run+"/history?eventID=1")
		info := n.callbacks("a")[0]
		require.Equal(t, int32(1), info.Attempt)
		require.Nil(t, info.LastAttemptFailure)
		n.passes(2 * time.Hour)
		require.Len(t, r.got(), 1, "once")
	})
}

// TestCallbackIsTriedAgain, ever more slowly, whether the run is in memory or not.
func TestCallbackIsTriedAgain(t *testing.T) {
	calling(t, func(n int) int { return map[bool]int{true: 503, false: 200}[n < 5] }, func(t *testing.T, n *callingNode, r *receiver) {
		n.beginCalling("a", receiverURL)
		n.complete(n.take(), finish())
		n.untilCallback("a", enumspb.CALLBACK_STATE_BACKING_OFF)
		require.Equal(t, "handler error (UNAVAILABLE)", n.callbacks("a")[0].LastAttemptFailure.Message)
		n.passes(2 * time.Second)
		n.evict()
		n.untilCallback("a", enumspb.CALLBACK_STATE_SUCCEEDED)
		require.Len(t, r.got(), 5)
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			wait := r.got()[i+1].at.Sub(r.got()[i].at)
			require.GreaterOrEqual(t, wait, want*8/10)
			require.LessOrEqual(t, wait, want+10*time.Millisecond)
		}
	})
}

// TestCallbackOutlastsAnything: an hour's wait is beyond what is kept in memory, and processes come and go meanwhile.
func TestCallbackOutlastsAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records, r := newData(t), newIndex(), &receiver{answer: always(500)}
		n := startCalling(t, data, records, r)
		n.beginCalling("a", receiverURL)
		n.complete(n.take(), finish())
		for range 5 {
			n.passes(7 * time.Hour)
			n.crash()
			n = startCalling(t, data, records, r)
		}
		defer n.close()
		calls := len(r.got())
		require.Greater(t, calls, 30)
		r.answers(always(200))
		n.passes(time.Hour)
		require.Equal(t, enumspb.CALLBACK_STATE_SUCCEEDED, n.callbackState("a"))
		require.Len(t, r.got(), calls+1)
		require.Equal(t, int32(calls+1), n.callbacks("a")[0].Attempt)
	})
}

// TestCrashBeforeTheAnswerIsDurable: the receiver is called again.
func TestCrashBeforeTheAnswerIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records, r := newData(t), newIndex(), &receiver{answer: always(200), slow: time.Second}
		n := startCalling(t, data, records, r)
		n.beginCalling("a", receiverURL)
		n.complete(n.take(), finish())
		n.eventually("called", func() bool { return len(r.got()) == 1 })
		n.crash()
		n = startCalling(t, data, records, r)
		defer n.close()
		n.untilCallback("a", enumspb.CALLBACK_STATE_SUCCEEDED)
		require.Len(t, r.got(), 2)
		require.Equal(t, int32(1), n.callbacks("a")[0].Attempt, "the first left no trace")
		require.Zero(t, n.logRowsSoon())
	})
}

// TestStopInGoodOrderLosesNothing: what is under way ends, and the rest is done after the next start.
func TestStopInGoodOrderLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records, r := newData(t), newIndex(), &receiver{answer: always(200), slow: 5 * time.Second}
		n := startCalling(t, data, records, r)
		for i := range 15 {
			n.beginCalling(name("a", i), receiverURL)
			n.complete(n.take(), finish())
		}
		n.close()
		require.Len(t, r.got(), 10, "as many as one destination takes at a time")
		n = startCalling(t, data, records, r)
		defer n.close()
		for i := range 15 {
			n.untilCallback(name("a", i), enumspb.CALLBACK_STATE_SUCCEEDED)
		}
		require.Len(t, r.got(), 15)
	})
}

// TestBlockedDestination: who asks hears why nothing is tried, and all is delivered when the receiver is back.
func TestBlockedDestination(t *testing.T) {
	calling(t, always(0), func(t *testing.T, n *callingNode, r *receiver) {
		for i := range 10 {
			n.beginCalling(name("a", i), receiverURL)
			n.complete(n.take(), finish())
		}
		n.passes(10 * time.Second)
		require.Equal(t, enumspb.CALLBACK_STATE_BLOCKED, n.callbackState("a-0"))
		require.Equal(t, "The circuit breaker is open.", n.callbacks("a-0")[0].BlockedReason)
		require.Contains(t, n.callbacks("a-0")[0].LastAttemptFailure.Message, errBroken.Error())
		before := len(r.got())
		n.passes(30 * time.Second)
		require.Len(t, r.got(), before, "it is left alone")
		r.answers(always(200))
		n.passes(time.Minute)
		for i := range 10 {
			require.Equal(t, enumspb.CALLBACK_STATE_SUCCEEDED, n.callbackState(name("a", i)))
		}
	})
}

func TestRefusedCallbackIsNotTriedAgain(t *testing.T) {
	calling(t, always(404), func(t *testing.T, n *callingNode, r *receiver) {
		n.beginCalling("a", receiverURL, nexus.SystemURL)
		n.complete(n.take(), finish())
		n.untilCallback("a", enumspb.CALLBACK_STATE_FAILED)
		n.passes(2 * time.Hour)
		require.Len(t, r.got(), 1)
		infos := n.callbacks("a")
		require.Equal(t, "handler error (NOT_FOUND)", infos[0].LastAttemptFailure.Message)
		require.Equal(t, enumspb.CALLBACK_STATE_FAILED, infos[1].State, "nothing inside waits for it")
		require.True(t, infos[1].LastAttemptFailure.GetApplicationFailureInfo().NonRetryable)
	})
}

// TestAddressThatIsAllowedNoMore is not called, and tried again: the operator may allow it again.
func TestAddressThatIsAllowedNoMore(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		n.beginCalling("a", "https://elsewhere.test/x")
		n.complete(n.take(), finish())
		n.passes(time.Minute)
		require.Empty(t, r.got())
		require.Equal(t, enumspb.CALLBACK_STATE_BACKING_OFF, n.callbackState("a"))
		require.Contains(t, n.callbacks("a")[0].LastAttemptFailure.Message, "address is not allowed")
	})
}

func TestSlowReceiverIsGivenUp(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		r.slow = time.Minute
		n.beginCalling("a", receiverURL)
		n.complete(n.take(), finish())
		n.passes(10*time.Second + 500*time.Millisecond)
		require.Equal(t, enumspb.CALLBACK_STATE_BACKING_OFF, n.callbackState("a"))
		require.Contains(t, n.callbacks("a")[0].LastAttemptFailure.Message, "no answer within 10s")
	})
}

// TestOnlyTheLastRunTells, and it tells those that came to an earlier one as well.
func TestOnlyTheLastRunTells(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		n.beginCalling("a", receiverURL)
		request := startRequest("a", "second")
		request.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
		request.OnConflictOptions = &workflowpb.OnConflictOptions{AttachRequestId: true, AttachCompletionCallbacks: true}
		request.CompletionCallbacks = []*commonpb.Callback{callback("https://shop.test/second")}
		_, err := n.StartWorkflowExecution(t.Context(), shop, request)
		require.NoError(t, err)
		n.complete(n.take(), continueAsNew())
		n.passes(10 * time.Second)
		require.Empty(t, r.got())
		n.complete(n.take(), finish())
		n.untilCallback("a", enumspb.CALLBACK_STATE_SUCCEEDED)
		n.passes(time.Second)
		require.Len(t, r.got(), 2)
	})
}

// TestDeleteTellsFirst: who deletes an open run ends it, and its end is told.
func TestDeleteTellsFirst(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		r.slow = time.Second
		run := n.beginCalling("a", receiverURL)
		require.NoError(t, n.tryDelete("a", run))
		require.Len(t, r.got(), 1)
		require.Contains(t, r.got()[0].body, "operation terminated")
		n.requireNothing("a", run)
	})
}

// TestDeleteWaitsForNobodyLong: what cannot be delivered is deleted with the run.
func TestDeleteWaitsForNobodyLong(t *testing.T) {
	for what, slow := range map[string]time.Duration{"refuses": 0, "is silent": time.Minute} {
		t.Run(what, func(t *testing.T) {
			calling(t, always(503), func(t *testing.T, n *callingNode, r *receiver) {
				r.slow = slow
				run := n.beginCalling("a", receiverURL)
				start := time.Now()
				require.NoError(t, n.tryDelete("a", run))
				require.LessOrEqual(t, time.Since(start), firstCallsMax)
				n.requireNothing("a", run)
				n.passes(2 * time.Hour)
				require.Len(t, r.got(), 1)
			})
		})
	}
}

// TestManyCallbacksOfOneRun: all are told, and the run can be read meanwhile.
func TestManyCallbacksOfOneRun(t *testing.T) {
	calling(t, always(200), func(t *testing.T, n *callingNode, r *receiver) {
		r.slow = 10 * time.Millisecond
		urls := make([]string, 500)
		for i := range urls {
			urls[i] = "https://shop.test/" + name("c", i)
		}
		n.beginCalling("a", urls...)
		n.complete(n.take(), finish())
		n.eventually("all are told", func() bool { return len(r.got()) == 500 })
		n.passes(time.Second)
		for _, info := range n.callbacks("a") {
			require.Equal(t, enumspb.CALLBACK_STATE_SUCCEEDED, info.State)
		}
		paths := map[string]bool{}
		for _, got := range r.got() {
			paths[got.path] = true
		}
		require.Len(t, paths, 500)
	})
}

// TestClosedRunStaysClosed: its row changes as callbacks are told, but for what others search by.
func TestClosedRunStaysClosed(t *testing.T) {
	calling(t, func(n int) int { return map[bool]int{true: 503, false: 200}[n < 3] }, func(t *testing.T, n *callingNode, _ *receiver) {
		n.beginCalling("a", receiverURL)
		n.complete(n.take(), finish())
		synctest.Wait()
		before := n.current("a")
		n.untilCallback("a", enumspb.CALLBACK_STATE_SUCCEEDED)
		after := n.current("a")
		require.Greater(t, after.Version, before.Version)
		require.Equal(t, before.ClosedAt, after.ClosedAt)
		require.Equal(t, before.Status, after.Status)
		require.Equal(t, before.NextEvent, after.NextEvent)
		_, err := n.TerminateWorkflowExecution(t.Context(), shop, &workflowservice.TerminateWorkflowExecutionRequest{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "a"},
		})
		require.True(t, isNotFound(err))
	})
}
