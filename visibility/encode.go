package visibility

import (
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Encode writes what a store gives back of a record, without namespace,
// version and deletion, which are columns in every store.
func Encode(rec *Record) ([]byte, error) {
	return proto.Marshal(&workflowpb.WorkflowExecutionInfo{
		Execution:            &commonpb.WorkflowExecution{WorkflowId: rec.WorkflowID, RunId: rec.RunID},
		Type:                 &commonpb.WorkflowType{Name: rec.WorkflowType},
		TaskQueue:            rec.TaskQueue,
		Status:               rec.Status,
		StartTime:            timestamp(rec.StartTime),
		ExecutionTime:        timestamp(rec.ExecutionTime),
		CloseTime:            timestamp(rec.CloseTime),
		HistoryLength:        rec.HistoryLength,
		HistorySizeBytes:     rec.HistorySizeBytes,
		StateTransitionCount: rec.StateTransitionCount,
		ParentExecution:      execution(rec.ParentWorkflowID, rec.ParentRunID),
		RootExecution:        execution(rec.RootWorkflowID, rec.RootRunID),
		Memo:                 rec.Memo,
		SearchAttributes:     rec.SearchAttributes,
	})
}

// Decode is the inverse of Encode.
func Decode(namespaceID string, version int64, data []byte) (*Record, error) {
	var info workflowpb.WorkflowExecutionInfo
	if err := proto.Unmarshal(data, &info); err != nil {
		return nil, fmt.Errorf("decode visibility record: %w", err)
	}
	return &Record{
		NamespaceID:          namespaceID,
		Version:              version,
		WorkflowID:           info.GetExecution().GetWorkflowId(),
		RunID:                info.GetExecution().GetRunId(),
		WorkflowType:         info.GetType().GetName(),
		TaskQueue:            info.GetTaskQueue(),
		Status:               info.GetStatus(),
		StartTime:            asTime(info.GetStartTime()),
		ExecutionTime:        asTime(info.GetExecutionTime()),
		CloseTime:            asTime(info.GetCloseTime()),
		HistoryLength:        info.GetHistoryLength(),
		HistorySizeBytes:     info.GetHistorySizeBytes(),
		StateTransitionCount: info.GetStateTransitionCount(),
		ParentWorkflowID:     info.GetParentExecution().GetWorkflowId(),
		ParentRunID:          info.GetParentExecution().GetRunId(),
		RootWorkflowID:       info.GetRootExecution().GetWorkflowId(),
		RootRunID:            info.GetRootExecution().GetRunId(),
		Memo:                 info.GetMemo(),
		SearchAttributes:     info.GetSearchAttributes(),
	}, nil
}

func asTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
