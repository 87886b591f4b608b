package frontend_test

import (
	"context"
	"testing"

	"go.temporal.io/api/workflowservice/v1"
)

// BenchmarkStart measures what the frontend costs a call: interceptors, checks
// and defaults, without a network and with nothing behind.
func BenchmarkStart(b *testing.B) {
	bundle := setup(b)
	bundle.behind.answer = &workflowservice.StartWorkflowExecutionResponse{}
	client := workflowservice.NewWorkflowServiceClient(bundle.frontend.LocalConn())
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.StartWorkflowExecution(ctx, startRequest()); err != nil {
			b.Fatal(err)
		}
		bundle.behind.requests = bundle.behind.requests[:0]
	}
}
