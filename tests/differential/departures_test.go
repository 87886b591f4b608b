package differential

import (
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// hideDepartures takes out of a run's description what docs/compatibility.md says is shown otherwise, and no more.
func (p *player) hideDepartures(r *run, shown *workflowservice.DescribeWorkflowExecutionResponse) {
	for id, info := range shown.GetWorkflowExtendedInfo().GetRequestIdInfos() {
		switch info.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			delete(shown.WorkflowExtendedInfo.RequestIdInfos, id)
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
			info.EventId = 1 // the id of a signal that came with the start, elsewhere
		}
	}
	for _, point := range shown.GetWorkflowExecutionInfo().GetAutoResetPoints().GetPoints() {
		p.hideDeparturesOfPoint(r, point)
	}
}

func (p *player) hideDeparturesOfPoint(r *run, point *workflowpb.ResetPointInfo) {
	if point.GetRunId() == r.id && nextRun(r) != "" {
		point.ExpireTime = nil
	}
	if of := p.findRun(point.GetRunId()); of != nil && hadChild(of.history, point.GetFirstWorkflowTaskCompletedId()) {
		point.Resettable = false
	}
}

// hadChild tells whether a run had a child, started or about to be, when the event of an id was written.
func hadChild(history []*historypb.HistoryEvent, id int64) bool {
	before := openedBy(history[:min(int(id)-1, len(history))])
	return len(before.policies) > before.endedChildren
}
