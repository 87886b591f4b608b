package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// pauseRun stops a run. Those that docs/compatibility.md tells of are left alone: with updates, before a delayed first task, and
// with activities, whose retries wait here.
func (p *player) pauseRun(ctx context.Context, w int, random *rand.Rand) *called {
	if r := p.current(w); r != nil && r.isOpen() && (p.hasOpenUpdates(w) || !r.hadWorkflowTask() || len(r.pending()) > 0) {
		return nil
	}
	execution := p.anyExecution(w, random)
	return invoke(ctx, "PauseWorkflowExecution", p.service.PauseWorkflowExecution, &workflowservice.PauseWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: execution.GetWorkflowId(), RunId: execution.GetRunId(), Identity: "operator", Reason: "hold",
		RequestId: pick(random, p.requestID(), "pause"),
	})
}

func (p *player) unpauseRun(ctx context.Context, w int, random *rand.Rand) *called {
	execution := p.anyExecution(w, random)
	return invoke(ctx, "UnpauseWorkflowExecution", p.service.UnpauseWorkflowExecution, &workflowservice.UnpauseWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: execution.GetWorkflowId(), RunId: execution.GetRunId(), Identity: "operator", Reason: "go on",
		RequestId: pick(random, p.requestID(), "unpause"),
	})
}

// list shows the rows of w's runs when search has caught up with what was described.
func (p *player) list(ctx context.Context, w int, _ *rand.Rand) *called {
	for _, r := range p.runs {
		if r.workflow == w && r.disturbed {
			return nil
		}
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, Query: fmt.Sprintf("WorkflowId = '%s'", p.workflowID(w))}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * askInterval)
	defer ticker.Stop()
	for {
		answer, err := p.service.ListWorkflowExecutions(ctx, request)
		if err != nil || p.hasCaughtUp(w, answer.GetExecutions()) {
			p.inOrderOfRuns(answer.GetExecutions())
			return &called{name: "ListWorkflowExecutions", request: request, answer: answer, err: err}
		}
		select {
		case <-ctx.Done():
			p.inOrderOfRuns(answer.GetExecutions())
			return &called{name: "ListWorkflowExecutions, late", request: request, answer: answer}
		case <-ticker.C:
		}
	}
}

func (p *player) hasCaughtUp(w int, rows []*workflowpb.WorkflowExecutionInfo) bool {
	seen := 0
	for _, r := range p.runs {
		if r.workflow != w {
			continue
		}
		seen++
		described := r.description.GetWorkflowExecutionInfo()
		i := slices.IndexFunc(rows, func(row *workflowpb.WorkflowExecutionInfo) bool { return row.GetExecution().GetRunId() == r.id })
		if i < 0 || rows[i].GetStatus() != described.GetStatus() || !proto.Equal(rows[i].GetMemo(), described.GetMemo()) ||
			!proto.Equal(rows[i].GetSearchAttributes(), described.GetSearchAttributes()) {
			return false
		}
	}
	return seen == len(rows)
}

// inOrderOfRuns sorts rows as they were found, as runs may begin in the same millisecond.
func (p *player) inOrderOfRuns(rows []*workflowpb.WorkflowExecutionInfo) {
	position := func(row *workflowpb.WorkflowExecutionInfo) int {
		return slices.IndexFunc(p.runs, func(r *run) bool { return r.id == row.GetExecution().GetRunId() })
	}
	for _, row := range rows {
		row.VersioningInfo = nil // ours tells the behavior: see docs/compatibility.md
	}
	slices.SortFunc(rows, func(a, b *workflowpb.WorkflowExecutionInfo) int { return position(a) - position(b) })
}
