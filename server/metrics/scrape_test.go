package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowded is a registry as of a server with 1,000 task queues of both types and 100 namespaces.
func crowded() *Registry {
	r := NewRegistry()
	for i := range 1000 {
		for _, kind := range []string{"workflow", "activity"} {
			labels := TaskQueue{Namespace: fmt.Sprintf("namespace-%d", i%100), TaskQueue: fmt.Sprintf("task-queue-%d", i), TaskType: kind}
			for _, d := range []GaugeDef[TaskQueue]{BacklogTasks, BacklogAge, TaskQueuePollers, TaskQueueAdded, TaskQueueDispatched} {
				d.In(r, labels).Set(float64(i))
			}
		}
	}
	for i := range 100 {
		namespace := fmt.Sprintf("namespace-%d", i)
		for _, method := range []string{"StartWorkflowExecution", "PollWorkflowTaskQueue", "PollActivityTaskQueue", "RespondWorkflowTaskCompleted", "RespondActivityTaskCompleted"} {
			GRPCRequests.In(r, Call{Method: method, Code: "OK", Namespace: namespace}).Inc()
		}
		WorkflowDuration.In(r, Closed{Namespace: namespace, Status: "completed"}).Seconds(time.Duration(i) * time.Second)
	}
	for i := range TypesMax {
		for stage := range 12 {
			for n := range 100 {
				StageTimes.Of(r, fmt.Sprintf("type-%d", i)).Add(stage, fmt.Sprintf("stage_%d", stage), time.Duration(n*n)*time.Microsecond)
			}
		}
	}
	return r
}

// BenchmarkScrape is a scrape at that size; the aim is 50 ms.
func BenchmarkScrape(b *testing.B) {
	for name, accept := range map[string]string{"text": "", "protobuf": protobufAccept} {
		b.Run(name, func(b *testing.B) {
			handler := crowded().Handler()
			request := httptest.NewRequest("GET", "/metrics", nil)
			request.Header.Set("Accept", accept)
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, request)
				require.Equal(b, 200, w.Code)
				b.ReportMetric(float64(w.Body.Len()), "bytes")
			}
		})
	}
}
