package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/config"
	"perdure/server/match"
	"perdure/visibility/attr"
)

// storeCalls is how often the store was called.
func (s *trial) storeCalls(method string) int64 {
	return int64(s.metrics.Value("perdure_store_requests_total", method, "memory"))
}

// startMany starts n runs on the queue q at once.
func (s *trial) startMany(n int64, change ...func(*workflowservice.StartWorkflowExecutionRequest)) {
	for i := range n {
		require.NoError(s.t, s.start(fmt.Sprint("w", i), change...))
	}
}

// lanes are those of the backlog, once what was offered is there.
func (s *trial) lanes() []match.LaneID {
	rest(seconds(1))
	shards, err := s.services.store.Shards(s.t.Context())
	require.NoError(s.t, err)
	var lanes []match.LaneID
	for _, shard := range shards {
		backlogs, err := s.services.store.Queues(s.t.Context(), shard.ID)
		require.NoError(s.t, err)
		for _, b := range backlogs {
			lanes = append(lanes, match.LaneID(b.Queue.Lane))
		}
	}
	require.NotEmpty(s.t, lanes)
	return lanes
}

// queueLimits: task queues and their backlog.
var queueLimits = []limitCase{
	{
		row: "backlog_batch_max", limit: 4, reached: true, past: "a batch is full",
		try: func(s *trial, n int64) string {
			s.startMany(n)
			rest(seconds(1))
			for range n { // the backlog keeps a task until its run remembers
				require.NoError(s.t, s.take().complete())
			}
			synctest.Wait()
			if s.storeCalls("DeleteTasks") > 0 {
				return "a batch is full"
			}
			return "ok" // what was delivered waits for more to be deleted with
		},
	},
	{
		row: "backlog_read_max", limit: 4, past: "read from the store",
		try: func(s *trial, n int64) string {
			s.startMany(n)
			rest(seconds(1))
			for range n {
				s.take()
			}
			if s.storeCalls("ReadTasks") > 0 {
				return "read from the store"
			}
			return "ok" // all were in memory still
		},
	},
	{
		row: "lanes_max", limit: 3, past: "the last key shares a lane",
		try: func(s *trial, n int64) string {
			key := ""
			for i := range n {
				key = fmt.Sprint("key", i)
				require.NoError(s.t, s.start(key, func(r *workflowservice.StartWorkflowExecutionRequest) {
					r.Priority = &commonpb.Priority{FairnessKey: key}
				}))
				synctest.Wait() // its task is in the queue
			}
			if slices.Contains(s.lanes(), match.LaneOf(match.DefaultPriority, key)) {
				return "ok"
			}
			return "the last key shares a lane"
		},
	},
	{
		row: "weight_overrides_max", limit: 3, past: "InvalidArgument: too many fairness weight overrides in request: got 4, maximum 3",
		try: func(s *trial, n int64) string {
			weights := map[string]float32{}
			for i := range n {
				weights[fmt.Sprint("key", i)] = 2
			}
			return s.configure(&workflowservice.UpdateTaskQueueConfigRequest{SetFairnessWeightOverrides: weights})
		},
	},
	{
		row: "reason_bytes_max", limit: 20, past: "InvalidArgument: UpdateQueueRateLimit.Reason field too long (max 20 characters).",
		try: func(s *trial, n int64) string {
			return s.configure(&workflowservice.UpdateTaskQueueConfigRequest{UpdateQueueRateLimit: &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{
				RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: 5}, Reason: text(n),
			}})
		},
	},
}

func (s *trial) configure(req *workflowservice.UpdateTaskQueueConfigRequest) string {
	req.Namespace, req.TaskQueue, req.TaskQueueType = "default", "q", enumspb.TASK_QUEUE_TYPE_ACTIVITY
	_, err := s.UpdateTaskQueueConfig(s.t.Context(), req)
	return said(err)
}

// workerLimitCases: what is remembered of workers.
var workerLimitCases = []limitCase{
	{
		row: "worker_history", limit: seconds(60), step: instant, reached: true, past: "0 are known",
		try: func(s *trial, n int64) string {
			require.Equal(s.t, "ok", s.hear("a", 100))
			rest(n)
			return s.knownWorkers(1)
		},
	},
	{
		row: "workers_max", limit: 3, past: "3 are known",
		try: func(s *trial, n int64) string { return s.hearMany(n, 100) },
	},
	{
		row: "workers_bytes_max", limit: 5 * 15_000, step: 15_000, past: "5 are known", // each takes little less than a step
		with: map[string]string{"workers_max": "100"}, // few enough to be counted together
		try:  func(s *trial, n int64) string { return s.hearMany(n/15_000, 14_000) },
	},
	{
		row: "worker_bytes_max", limit: 300, past: "InvalidArgument: Heartbeat of worker a has 301 bytes, the limit is 300.",
		try: func(s *trial, n int64) string { return s.hear("a", n) },
	},
}

// hear sends the heartbeat of a worker, of so many bytes.
func (s *trial) hear(instance string, bytes int64) string {
	beat := sized(bytes, func(data []byte) *workerpb.WorkerHeartbeat {
		return &workerpb.WorkerHeartbeat{WorkerInstanceKey: instance, Plugins: []*workerpb.PluginInfo{{Name: text(int64(len(data)))}}}
	})
	_, err := s.RecordWorkerHeartbeat(s.t.Context(), &workflowservice.RecordWorkerHeartbeatRequest{
		Namespace: "default", WorkerHeartbeat: []*workerpb.WorkerHeartbeat{beat},
	})
	return said(err)
}

func (s *trial) hearMany(n, bytes int64) string {
	for i := range n {
		require.Equal(s.t, "ok", s.hear(fmt.Sprint("worker", i), bytes))
	}
	return s.knownWorkers(n)
}

func (s *trial) knownWorkers(want int64) string {
	r, err := s.CountWorkers(s.t.Context(), &workflowservice.CountWorkersRequest{Namespace: "default"})
	require.NoError(s.t, err)
	if r.Count != want {
		return fmt.Sprint(r.Count, " are known")
	}
	return "ok"
}

// requestLimits: what one request may hold, and how many there may be.
var requestLimits = []limitCase{
	{
		row: "links_max", of: "start", limit: 2, past: "InvalidArgument: cannot attach more than 2 links per request, got 3",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Links = linksOf(n, 10) }))
		},
	},
	{
		row: "links_max", of: "signal", limit: 2, past: "InvalidArgument: cannot attach more than 2 links per request, got 3",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			_, err := s.SignalWorkflowExecution(s.t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
				Namespace: "default", WorkflowExecution: runOf("w"), SignalName: "s", Links: linksOf(n, 10),
			})
			return s.came(err)
		},
	},
	{
		row: "link_bytes_max", limit: 300, past: "InvalidArgument: link exceeds allowed size of 300, got 301",
		try: func(s *trial, n int64) string {
			link := sized(n, func(data []byte) *commonpb.Link { return linksOf(1, int64(len(data)))[0] })
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.Links = []*commonpb.Link{link} }))
		},
	},
	{
		row: "callbacks_max", limit: 2, past: "InvalidArgument: cannot attach more than 2 callbacks to an execution",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				for range n {
					r.CompletionCallbacks = append(r.CompletionCallbacks, callbackTo(receiver, nil))
				}
			}))
		},
	},
	{
		row: "callback_url_bytes_max", limit: 100, past: "InvalidArgument: invalid url: url length longer than max length allowed of 100",
		try: func(s *trial, n int64) string {
			url := receiver + text(n-int64(len(receiver)))
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				r.CompletionCallbacks = []*commonpb.Callback{callbackTo(url, nil)}
			}))
		},
	},
	{
		row: "callback_header_bytes_max", limit: 100, past: "InvalidArgument: invalid header: header size longer than max allowed size of 100",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				r.CompletionCallbacks = []*commonpb.Callback{callbackTo(receiver, map[string]string{"name": text(n - 4)})}
			}))
		},
	},
	{
		row: "cache_runs_max", limit: 3, past: "1 gave way",
		try: func(s *trial, n int64) string {
			return s.evictedOf(n)
		},
	},
	{
		row: "cache_bytes_max", limit: 5 * 32_500, step: 32_500, past: "1 gave way", // each takes little less than a step
		try: func(s *trial, n int64) string {
			return s.evictedOf(n/32_500, func(r *workflowservice.StartWorkflowExecutionRequest) { r.Input = payload(9_000) })
		},
	},
	{
		row: "history_page_max", limit: 5, past: "cut to 5",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w"))
			for range 10 {
				require.NoError(s.t, s.signal("w", 0))
			}
			r, err := s.GetWorkflowExecutionHistory(s.t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
				Namespace: "default", Execution: runOf("w"), MaximumPageSize: int32(n),
			})
			require.NoError(s.t, err)
			return pageOf(n, len(r.History.Events))
		},
	},
	{
		row: "visibility_page_max", limit: 3, past: "cut to 3",
		try: func(s *trial, n int64) string {
			s.startMany(6)
			rest(seconds(5))
			r, err := s.ListWorkflowExecutions(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: int32(n)})
			require.NoError(s.t, err)
			return pageOf(n, len(r.Executions))
		},
	},
	{
		row: "retention_min", limit: seconds(7200), step: -seconds(1), past: "InvalidArgument: A valid retention period is not set on request.",
		try: func(s *trial, n int64) string { return s.register("n", time.Duration(n)) },
	},
	{
		row: "requests_per_second", limit: 5, past: "ResourceExhausted: service rate limit exceeded", // bursts are of two seconds
		try: func(s *trial, n int64) string { return s.calls(2*n, s.describeQueue) },
	},
	{
		row: "namespace_per_second", limit: 5, past: "ResourceExhausted: namespace rate limit exceeded",
		try: func(s *trial, n int64) string { return s.calls(2*n, s.describeQueue) },
	},
	{
		row: "visibility_per_sec", limit: 5, past: "ResourceExhausted: namespace rate limit exceeded",
		try: func(s *trial, n int64) string {
			return s.calls(n, func() error {
				_, err := s.ListWorkflowExecutions(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
				return err
			})
		},
	},
	{
		row: "visibility_per_sec", of: "counts", limit: 5, past: "ResourceExhausted: namespace rate limit exceeded",
		try: func(s *trial, n int64) string {
			count := func() error {
				_, err := s.CountWorkflowExecutions(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
				return err
			}
			if n == 5 {
				return s.calls(1, count)
			}
			return s.calls(2, count) // a rate of 6 has 1 unit left, which lets the second in
		},
	},
	{
		row: "long_polls_max", limit: 3, past: "ResourceExhausted: namespace concurrent poller limit exceeded",
		try: func(s *trial, n int64) string {
			polls := make(chan string, n)
			for range n {
				go func() { polls <- s.pollAs(&workflowservice.PollWorkflowTaskQueueRequest{}) }()
			}
			came := "ok"
			for range n {
				if words := <-polls; words != "ok" {
					came = words
				}
			}
			return came
		},
	},
}

// receiver is an address that callbacks may go to in trials.
const receiver = "http://receiver.invalid/"

func callbackTo(url string, header map[string]string) *commonpb.Callback {
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: url, Header: header}}}
}

// evictedOf tells how many of n runs, started one after the other, the cache has given up.
func (s *trial) evictedOf(n int64, change ...func(*workflowservice.StartWorkflowExecutionRequest)) string {
	for i := range n {
		require.NoError(s.t, s.start(fmt.Sprint("w", i), change...))
		rest(seconds(2)) // what was used just now is kept in any case
	}
	if gone := s.metrics.Value("perdure_cache_evicted_total", "execution"); gone > 0 {
		return fmt.Sprintf("%.0f gave way", gone)
	}
	return "ok"
}

func (s *trial) describeQueue() error {
	_, err := s.DescribeTaskQueue(s.t.Context(), &workflowservice.DescribeTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("q")})
	return err
}

// calls makes n calls at one instant, and tells of the first that is refused.
func (s *trial) calls(n int64, call func() error) string {
	for range n {
		if err := call(); err != nil {
			return said(err)
		}
	}
	return "ok"
}

func pageOf(asked int64, got int) string {
	if int64(got) != asked {
		return fmt.Sprint("cut to ", got)
	}
	return "ok"
}

// linksOf are n links to a workflow with an id of so many bytes.
func linksOf(n, idBytes int64) []*commonpb.Link {
	var links []*commonpb.Link
	for range n {
		links = append(links, &commonpb.Link{Variant: &commonpb.Link_WorkflowEvent_{
			WorkflowEvent: &commonpb.Link_WorkflowEvent{Namespace: "default", WorkflowId: text(idBytes), RunId: "r"},
		}})
	}
	return links
}

// attributeValue is a search attribute that trials have, with a JSON value of its type.
type attributeValue struct{ kind, json string }

func attributeValues() map[string]attributeValue {
	values := map[string]attributeValue{}
	for kind, json := range map[string]string{
		"Bool": "true", "Int": "1", "Double": "1", "Datetime": `"2020-01-01T00:00:00Z"`, "Keyword": `"x"`, "KeywordList": `["x"]`, "Text": `"x"`,
	} {
		for i := range 3 {
			values[fmt.Sprint(kind, i)] = attributeValue{kind, json}
		}
	}
	return values
}

const (
	tooManyAttributes  = "InvalidArgument: number of search attributes 101 exceeds limit 100"
	tooLargeAttributes = "InvalidArgument: total size of search attributes 40961 exceeds size limit 40960"
)

// fixedLimits: those that no setting moves.
var fixedLimits = []limitCase{
	{
		row: "Search attributes of one run", limit: int64(attr.MaxKeys), past: tooManyAttributes,
		try: func(s *trial, n int64) string {
			values := map[string]string{}
			for i := range n {
				values[fmt.Sprint("Word", i)] = "x"
			}
			return served(said(s.start("w", withAttributes(values))), "InvalidArgument: Namespace default has no mapping defined for search attribute Word0")
		},
	},
	{
		row: "Search attributes of a namespace", limit: attr.MaxCustom,
		past: "InvalidArgument: Unable to create search attributes: cannot have more than 1000 search attributes.",
		try:  func(s *trial, n int64) string { return s.addAttributes(n, enumspb.INDEXED_VALUE_TYPE_KEYWORD) },
	},
	{
		row: "One search attribute's value", limit: int64(attr.MaxValueBytes), past: "InvalidArgument: search attribute Text0 value size 2049 exceeds size limit 2048",
		try: func(s *trial, n int64) string {
			return said(s.start("w", withAttributes(map[string]string{"Text0": text(n - 2)}))) // and two quotes
		},
	},
	{
		row: "All search attributes of one run", limit: int64(attr.MaxTotalBytes), past: tooLargeAttributes,
		try: func(s *trial, n int64) string {
			values := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
			rest, left := int(n), len(attributeValues())
			for name, value := range attributeValues() {
				share := rest / left
				rest, left = rest-share, left-1
				values.IndexedFields[name] = jsonOf(value.json + strings.Repeat(" ", share-len(name)-len(value.json)))
			}
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.SearchAttributes = values }))
		},
	},
	{
		row: "Message of an error", limit: 4000, past: "cut to 4000 bytes ... <truncated>",
		try: func(s *trial, n int64) string {
			words := "workflow not found for ID: "
			_, err := s.DescribeWorkflowExecution(s.t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
				Namespace: "default", Execution: runOf(text(n - int64(len(words)))),
			})
			message := strings.TrimPrefix(said(err), "NotFound: ")
			if strings.HasSuffix(message, "x") {
				return "ok"
			}
			return fmt.Sprintf("cut to %d bytes %s", len(message), strings.TrimLeft(message[len(words):], "x"))
		},
	},
	{
		row: "Request", of: "gRPC", limit: config.RequestBytesMax, past: "ResourceExhausted: grpc: received message larger than max (4194305 vs. 4194304)",
		try: func(s *trial, n int64) string {
			listener := bufconn.Listen(1 << 20)
			server := grpc.NewServer(s.services.frontend.ServerOptions()...)
			s.services.frontend.Register(server)
			go func() { _ = server.Serve(listener) }()
			defer server.Stop()
			conn, err := grpc.NewClient("passthrough:///here", grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
			require.NoError(s.t, err)
			defer func() { require.NoError(s.t, conn.Close()) }()
			req := sized(n, func(data []byte) *workflowservice.DescribeWorkflowExecutionRequest {
				return &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: runOf(text(int64(len(data))))}
			})
			_, err = workflowservice.NewWorkflowServiceClient(conn).DescribeWorkflowExecution(s.t.Context(), req)
			return served(said(err), "NotFound: ")
		},
	},
	{
		row: "Request", of: "HTTP", limit: config.RequestBytesMax, past: "400 http: request body too large",
		try: func(s *trial, n int64) string {
			const begin, end = `{"namespace":"n","description":"`, `"}`
			body := begin + text(n-int64(len(begin+end))) + end
			w := httptest.NewRecorder()
			s.services.api.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/namespaces", bytes.NewBufferString(body)))
			answer := fmt.Sprint(w.Code, " ", w.Body)
			if strings.Contains(answer, "request body too large") {
				return fmt.Sprint(w.Code, " http: request body too large")
			}
			require.Contains(s.t, answer, "A valid retention period is not set on request.", "it was read as a whole")
			return "ok"
		},
	},
	{
		row: "Duration that a client gives", of: "start", limit: 36500, past: "cut to 36500 days",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowRunTimeout = days(n) }))
			return daysOf(n, s.history("w")[0].GetWorkflowExecutionStartedEventAttributes().WorkflowRunTimeout)
		},
	},
	{
		row: "Duration that a client gives", of: "activity", limit: 36500, past: "cut to 36500 days",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.begin().complete(activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.StartToCloseTimeout = days(n) })))
			return daysOf(n, s.history("w")[4].GetActivityTaskScheduledEventAttributes().StartToCloseTimeout)
		},
	},
	{
		row: "Duration that a client gives", of: "timer", limit: 36500, past: "cut to 36500 days",
		try: func(s *trial, n int64) string {
			timer := timerNamed("t")
			timer.GetStartTimerCommandAttributes().StartToFireTimeout = days(n)
			require.NoError(s.t, s.begin().complete(timer))
			return daysOf(n, s.history("w")[4].GetTimerStartedEventAttributes().StartToFireTimeout)
		},
	},
	{
		row: "Duration that a client gives", of: "retention", limit: 36500, past: "cut to 36500 days",
		try: func(s *trial, n int64) string {
			_, err := s.RegisterNamespace(s.t.Context(), &workflowservice.RegisterNamespaceRequest{Namespace: "n", WorkflowExecutionRetentionPeriod: days(n)})
			require.NoError(s.t, err)
			r, err := s.DescribeNamespace(s.t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "n"})
			require.NoError(s.t, err)
			return daysOf(n, r.Config.WorkflowExecutionRetentionTtl)
		},
	},
	{
		row: "Fairness key of a task", of: "start", limit: match.FairnessKeyBytesMax, past: "InvalidArgument: fairness key length exceeds limit",
		try: func(s *trial, n int64) string {
			return said(s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				r.Priority = &commonpb.Priority{FairnessKey: text(n)}
			}))
		},
	},
	{
		row: "Fairness key of a task", of: "activity", limit: match.FairnessKeyBytesMax,
		past: "InvalidArgument: BadScheduleActivityAttributes: invalid priorities: fairness key length exceeds limit; WorkflowTaskFailed(BadScheduleActivityAttributes)",
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(activityNamed("a", func(a *commandpb.ScheduleActivityTaskCommandAttributes) {
				a.Priority = &commonpb.Priority{FairnessKey: text(n)}
			})))
		},
	},
	{
		row: "Fairness key of a task", of: "child", limit: match.FairnessKeyBytesMax,
		past: "InvalidArgument: BadStartChildExecutionAttributes: fairness key length exceeds limit; WorkflowTaskFailed(BadStartChildExecutionAttributes)",
		try: func(s *trial, n int64) string {
			return s.came(s.begin().complete(childNamed("c", func(a *commandpb.StartChildWorkflowExecutionCommandAttributes) {
				a.Priority = &commonpb.Priority{FairnessKey: text(n)}
			})))
		},
	},
	{
		row: "Lowest priority of a task", limit: int64(match.LowestPriority), past: "it counts as 5",
		try: func(s *trial, n int64) string {
			require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
				r.Priority = &commonpb.Priority{PriorityKey: int32(n)}
			}))
			if priority := s.lanes()[0].Priority(); int64(priority) != n {
				return fmt.Sprint("it counts as ", priority)
			}
			return "ok"
		},
	},
	{
		row: "Namespaces of a page when no size is asked for", limit: config.NamespacePageDefault, past: "there is another page",
		try: func(s *trial, n int64) string {
			for there := s.namespaces(); int64(len(there.Namespaces)) < n && len(there.NextPageToken) == 0; there = s.namespaces() {
				require.Equal(s.t, "ok", s.register(fmt.Sprint("n", len(there.Namespaces)), time.Hour))
			}
			if len(s.namespaces().NextPageToken) > 0 {
				return "there is another page"
			}
			return "ok"
		},
	},
	{
		row: "Bad binaries of a namespace", limit: config.BadBinariesMax, past: "InvalidArgument: Total resetBinaries cannot exceed the max limit: 10",
		try: func(s *trial, n int64) string {
			bad := map[string]*namespacepb.BadBinaryInfo{}
			for i := range n {
				bad[fmt.Sprint("b", i)] = &namespacepb.BadBinaryInfo{}
			}
			_, err := s.UpdateNamespace(s.t.Context(), &workflowservice.UpdateNamespaceRequest{
				Namespace: "default", Config: &namespacepb.NamespaceConfig{BadBinaries: &namespacepb.BadBinaries{Binaries: bad}},
			})
			return said(err)
		},
	},
	{
		row: "Archived runs of one page", limit: config.ArchivedPageMax, past: "InvalidArgument: PageSize is larger than allowed 10000.",
		try: func(s *trial, n int64) string {
			_, err := s.ListArchivedWorkflowExecutions(s.t.Context(), &workflowservice.ListArchivedWorkflowExecutionsRequest{Namespace: "default", PageSize: int32(n)})
			return served(said(err), "InvalidArgument: Cluster is not configured for visibility archival.")
		},
	},
	{
		row: "Shortest poll", limit: int64(config.PollMin / time.Second), step: -1, past: "FailedPrecondition: Context timeout is too short.",
		try: func(s *trial, n int64) string {
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(n)*time.Second)
			defer cancel()
			_, err := s.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("q")})
			return said(err)
		},
	},
	{
		row: "Shards of a store", limit: 4096, past: "shards: want 1 to 4096, not 4097",
		try: func(_ *trial, n int64) string {
			c := config.Default()
			c.Store, c.Shards = "memory:", int(n)
			if err := c.Validate(); err != nil {
				return err.Error()
			}
			return "ok"
		},
	},
}

// addAttributes adds n search attributes of a type to a new namespace.
func (s *trial) addAttributes(n int64, kind enumspb.IndexedValueType) string {
	require.Equal(s.t, "ok", s.register("n", time.Hour))
	added := map[string]enumspb.IndexedValueType{}
	for i := range n {
		added[fmt.Sprint("New", i)] = kind
	}
	operator := operatorservice.NewOperatorServiceClient(s.services.frontend.LocalConn())
	_, err := operator.AddSearchAttributes(s.t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: "n", SearchAttributes: added})
	return said(err)
}

// served is ok for the words of a call that was read and led nowhere.
func served(words, nowhere string) string {
	if strings.HasPrefix(words, nowhere) {
		return "ok"
	}
	return words
}

func (s *trial) namespaces() *workflowservice.ListNamespacesResponse {
	r, err := s.ListNamespaces(s.t.Context(), &workflowservice.ListNamespacesRequest{})
	require.NoError(s.t, err)
	return r
}

func days(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n * 24 * 60 * 60} }

func daysOf(asked int64, got *durationpb.Duration) string {
	if proto.Equal(got, days(asked)) {
		return "ok"
	}
	return fmt.Sprintf("cut to %d days", got.Seconds/(24*60*60))
}

func attributesOf(values map[string]string) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for name, value := range values {
		fields[name] = jsonOf(`"` + value + `"`)
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

func jsonOf(data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(data)}
}

func withAttributes(values map[string]string) func(*workflowservice.StartWorkflowExecutionRequest) {
	return func(r *workflowservice.StartWorkflowExecutionRequest) { r.SearchAttributes = attributesOf(values) }
}
