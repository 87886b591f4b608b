package clients

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"perdure/internal/serverprocess"
)

// callbackWithin bounds the wait for a callback, with its first retries, on a busy machine.
const callbackWithin = 30 * time.Second

// allowLoopback lets a server call this process.
const allowLoopback = `component.callbacks.allowedAddresses=[{"Pattern":"127.0.0.1:*","AllowInsecure":true}]`

// delivery is what a receiver got.
type delivery struct {
	path, body string
	header     http.Header
}

// callbackReceiver is a real HTTP server that takes callbacks, or refuses them for now.
type callbackReceiver struct {
	url   string
	mutex sync.Mutex
	busy  bool
	got   []delivery
}

func newCallbackReceiver(t *testing.T) *callbackReceiver {
	r := &callbackReceiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body) // a call that breaks off is made again
		r.mutex.Lock()
		defer r.mutex.Unlock()
		if r.busy {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.got = append(r.got, delivery{request.URL.Path, string(body), request.Header})
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *callbackReceiver) setBusy(busy bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.busy = busy
}

// await is what came to a path.
func (r *callbackReceiver) await(t *testing.T, path string) delivery {
	t.Helper()
	var found delivery
	require.Eventually(t, func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		for _, d := range r.got {
			if d.path == path {
				found = d
				return true
			}
		}
		return false
	}, callbackWithin, 10*time.Millisecond, "nothing came to %s", path)
	return found
}

func nexusCallback(url string) *commonpb.Callback {
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{
		Url: url, Header: map[string]string{"Nexus-Operation-Token": "token-1"},
	}}}
}

// callbackServer is a server that may call this process, and a client of it.
type callbackServer struct {
	workflowservice.WorkflowServiceClient
	process *serverprocess.Process
}

// eachCallbackServer runs test against every store.
func eachCallbackServer(t *testing.T, test func(t *testing.T, s callbackServer)) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			options := store.options(t)
			options.ExtraArguments = []string{"--dynamic-config-value", allowLoopback}
			process := startServer(t, options)
			t.Cleanup(func() { stopServer(t, process) })
			connection, err := grpc.NewClient(process.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			t.Cleanup(func() { _ = connection.Close() })
			test(t, callbackServer{workflowservice.NewWorkflowServiceClient(connection), process})
		})
	}
}

// finish plays the worker: the workflow completes with a result.
func (s callbackServer) finish(t *testing.T, request *workflowservice.StartWorkflowExecutionRequest, result string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callbackWithin)
	defer cancel()
	task, err := s.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: request.TaskQueue})
	require.NoError(t, err)
	_, err = s.RespondWorkflowTaskCompleted(t.Context(), &workflowservice.RespondWorkflowTaskCompletedRequest{
		Namespace: "default", TaskToken: task.TaskToken,
		Commands: []*commandpb.Command{{
			CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
			Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
				CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{
					Result: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(result)}}},
				},
			},
		}},
	})
	require.NoError(t, err)
}

// callbacks are those of a workflow, once the first has a state.
func (s callbackServer) callbacks(t *testing.T, workflowID string, first enumspb.CallbackState) []*workflowpb.CallbackInfo {
	t.Helper()
	var infos []*workflowpb.CallbackInfo
	require.Eventually(t, func() bool {
		answer, err := s.DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
		}, grpc.WaitForReady(true))
		if err != nil {
			return false // the server is on its way back
		}
		infos = answer.Callbacks
		return infos[0].State == first
	}, callbackWithin, 10*time.Millisecond, "callback is never %s", first)
	return infos
}

func TestCallbacksAreDelivered(t *testing.T) {
	receiver := newCallbackReceiver(t)
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		request := startRequest()
		path := "/" + request.WorkflowId
		request.CompletionCallbacks = []*commonpb.Callback{nexusCallback(receiver.url + path + "/one")}
		started, err := s.StartWorkflowExecution(t.Context(), request)
		require.NoError(t, err)
		second := startRequest()
		second.WorkflowId = request.WorkflowId
		second.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
		second.OnConflictOptions = &workflowpb.OnConflictOptions{AttachRequestId: true, AttachCompletionCallbacks: true}
		second.CompletionCallbacks = []*commonpb.Callback{nexusCallback(receiver.url + path + "/two")}
		attached, err := s.StartWorkflowExecution(t.Context(), second)
		require.NoError(t, err)
		require.Equal(t, started.RunId, attached.RunId)
		require.Len(t, s.callbacks(t, request.WorkflowId, enumspb.CALLBACK_STATE_STANDBY), 2)
		s.finish(t, request, `{"answer":42}`)

		one, two := receiver.await(t, path+"/one"), receiver.await(t, path+"/two")
		require.JSONEq(t, `{"answer":42}`, one.body)
		require.JSONEq(t, `{"answer":42}`, two.body)
		require.Equal(t, "succeeded", one.header.Get("Nexus-Operation-State"))
		require.Equal(t, "token-1", one.header.Get("Nexus-Operation-Token"))
		require.Equal(t, "application/json", one.header.Get("Content-Type"))
		require.Contains(t, one.header.Get("Nexus-Link"), request.WorkflowId+"/"+started.RunId+"/history?eventID=1")
		require.Contains(t, two.header.Get("Nexus-Link"), "requestID="+second.RequestId)
		infos := s.callbacks(t, request.WorkflowId, enumspb.CALLBACK_STATE_SUCCEEDED)
		require.Equal(t, int32(1), infos[0].Attempt)
	})
}

// TestCallbackSurvivesAKill: the receiver is busy, the server dies, and both come back.
func TestCallbackSurvivesAKill(t *testing.T) {
	receiver := newCallbackReceiver(t)
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		receiver.setBusy(true)
		request := startRequest()
		request.CompletionCallbacks = []*commonpb.Callback{nexusCallback(receiver.url + "/" + request.WorkflowId)}
		_, err := s.StartWorkflowExecution(t.Context(), request)
		require.NoError(t, err)
		s.finish(t, request, `"done"`)
		before := s.callbacks(t, request.WorkflowId, enumspb.CALLBACK_STATE_BACKING_OFF)[0]
		require.Equal(t, "handler error (UNAVAILABLE)", before.LastAttemptFailure.GetMessage())
		require.NoError(t, s.process.Kill())
		require.NoError(t, s.process.Restart(t.Context()))
		receiver.setBusy(false)
		require.Equal(t, `"done"`, receiver.await(t, "/"+request.WorkflowId).body)
		after := s.callbacks(t, request.WorkflowId, enumspb.CALLBACK_STATE_SUCCEEDED)[0]
		require.Greater(t, after.Attempt, before.Attempt, "attempts go on where they were")
	})
}

// TestCallbackAddressesAreRefused that the operator has not allowed.
func TestCallbackAddressesAreRefused(t *testing.T) {
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		for url, text := range map[string]string{
			"http://127.0.0.2:1/x": "invalid url: url does not match any configured callback address: http://127.0.0.2:1/x",
			"ftp://127.0.0.1:1/x":  "invalid url: unknown scheme: ftp://127.0.0.1:1/x",
		} {
			request := startRequest()
			request.CompletionCallbacks = []*commonpb.Callback{nexusCallback(url)}
			_, err := s.StartWorkflowExecution(t.Context(), request)
			require.Equal(t, codes.InvalidArgument, status.Code(err))
			require.Equal(t, text, status.Convert(err).Message())
		}
	})
}

// TestCallbacksOfOneRunAreBounded, also when they come one call after the other.
func TestCallbacksOfOneRunAreBounded(t *testing.T) {
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		request := startRequest()
		for range 1999 {
			request.CompletionCallbacks = append(request.CompletionCallbacks, nexusCallback("http://127.0.0.1:1/x"))
		}
		_, err := s.StartWorkflowExecution(t.Context(), request)
		require.NoError(t, err)
		attach := func(count int) error {
			more := startRequest()
			more.WorkflowId, more.CompletionCallbacks = request.WorkflowId, request.CompletionCallbacks[:count]
			more.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
			more.OnConflictOptions = &workflowpb.OnConflictOptions{AttachRequestId: true, AttachCompletionCallbacks: true}
			_, err := s.StartWorkflowExecution(t.Context(), more)
			return err
		}
		refused := attach(2)
		require.Equal(t, codes.FailedPrecondition, status.Code(refused))
		require.Equal(t, "cannot attach more than 2000 callbacks to a workflow (1999 callbacks already attached)", status.Convert(refused).Message())
		require.NoError(t, attach(1))
		require.Equal(t, codes.FailedPrecondition, status.Code(attach(1)))
	})
}
