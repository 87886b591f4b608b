package visibility

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/visibility/attr"
)

// Info returns the record as lists show it. Sizes and the duration are shown
// once the run has ended.
func Info(rec *Record) *workflowpb.WorkflowExecutionInfo {
	info := &workflowpb.WorkflowExecutionInfo{
		Execution:        &commonpb.WorkflowExecution{WorkflowId: rec.WorkflowID, RunId: rec.RunID},
		Type:             &commonpb.WorkflowType{Name: rec.WorkflowType},
		TaskQueue:        rec.TaskQueue,
		Status:           rec.Status,
		StartTime:        timestamp(rec.StartTime),
		ExecutionTime:    timestamp(rec.ExecutionTime),
		CloseTime:        timestamp(rec.CloseTime),
		Memo:             rec.Memo,
		SearchAttributes: Listed(rec.SearchAttributes),
		ParentExecution:  execution(rec.ParentWorkflowID, rec.ParentRunID),
		RootExecution:    execution(rec.RootWorkflowID, rec.RootRunID),
	}
	if info.Memo == nil {
		info.Memo = &commonpb.Memo{}
	}
	if !rec.IsOpen() {
		info.HistoryLength = rec.HistoryLength
		info.HistorySizeBytes = rec.HistorySizeBytes
		info.StateTransitionCount = rec.StateTransitionCount
		info.ExecutionDuration = durationpb.New(rec.ExecutionDuration())
	}
	info.WorkerDeploymentName = keywordOf(rec, "TemporalWorkerDeployment")
	info.VersioningInfo = versioning(rec)
	return info
}

// versioning builds what the attributes tell about worker versioning; nil when they tell nothing.
func versioning(rec *Record) *workflowpb.WorkflowExecutionVersioningInfo {
	behavior, err := enumspb.VersioningBehaviorFromString(keywordOf(rec, "TemporalWorkflowVersioningBehavior"))
	if err != nil || behavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED {
		return nil
	}
	return &workflowpb.WorkflowExecutionVersioningInfo{Behavior: behavior}
}

func keywordOf(rec *Record, name string) string {
	value, err := attr.Decode(rec.SearchAttributes.GetIndexedFields()[name], enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	if text, ok := value.(string); ok && err == nil {
		return text
	}
	return ""
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func execution(workflowID, runID string) *commonpb.WorkflowExecution {
	if workflowID == "" && runID == "" {
		return nil
	}
	return &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID}
}

// Listed returns the attributes that a list shows: without those that are there for search alone.
func Listed(sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for name, payload := range sa.GetIndexedFields() {
		if !attr.IsBuiltIn(name) {
			fields[name] = payload
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}
