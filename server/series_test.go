package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/metrics"
)

const (
	manyNamespaces = 100
	manyQueues     = 1000
)

// TestSeriesOfManyQueuesAndNamespacesAreBounded: each of 100 namespaces has ten task queues of both types on which a
// workflow of its own type runs to its end.
func TestSeriesOfManyQueuesAndNamespacesAreBounded(t *testing.T) {
	r := start(t, "memory:")
	defer r.stop()
	for i := range manyNamespaces {
		_, err := r.client.RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: fmt.Sprintf("ns-%d", i), WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		require.NoError(t, err)
	}
	for i := range manyQueues {
		r.runOnQueue(t, fmt.Sprintf("ns-%d", i%manyNamespaces), fmt.Sprintf("queue-%d", i))
	}
	count, bytes := r.series(t)
	t.Logf("%d series, %d bytes", count, bytes)
	require.LessOrEqual(t, count, metrics.SeriesBudget)
	require.Greater(t, count, manyQueues, "the queues do not show")
	require.Equal(t, float64(manyQueues-metrics.TypesMax),
		r.metrics.Value("perdure_workflow_stage_seconds", "workflow_task_work", "_other_")/2, "further types are one")
}

// runOnQueue starts a workflow, and works for it.
func (r *running) runOnQueue(t *testing.T, namespace, queue string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	name := &taskqueuepb.TaskQueue{Name: queue}
	_, err := r.client.StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: queue, RequestId: queue, WorkflowType: &commonpb.WorkflowType{Name: queue}, TaskQueue: name,
	})
	require.NoError(t, err)
	step := func(request *workflowservice.RespondWorkflowTaskCompletedRequest) {
		task, err := r.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{Namespace: namespace, TaskQueue: name, Identity: "me"})
		require.NoError(t, err)
		request.TaskToken = task.TaskToken
		_, err = r.client.RespondWorkflowTaskCompleted(ctx, request)
		require.NoError(t, err)
	}
	command := activityCommand()
	command.GetScheduleActivityTaskCommandAttributes().TaskQueue = name
	step(respond(command))
	task, err := r.client.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{Namespace: namespace, TaskQueue: name, Identity: "me"})
	require.NoError(t, err)
	_, err = r.client.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: task.TaskToken})
	require.NoError(t, err)
	step(respond(completeCommand()))
}

func respond(c *commandpb.Command) *workflowservice.RespondWorkflowTaskCompletedRequest {
	return &workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{c}}
}

// series counts what a scrape in text brings.
func (r *running) series(t *testing.T) (count, bytes int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.ready.Metrics+"/metrics", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		bytes += len(lines.Text()) + 1
		if !strings.HasPrefix(lines.Text(), "#") {
			count++
		}
	}
	require.NoError(t, lines.Err())
	return count, bytes
}
