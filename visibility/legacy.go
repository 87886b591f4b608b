package visibility

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	filterpb "go.temporal.io/api/filter/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// LegacyFilter holds the filters of ListOpenWorkflowExecutions and
// ListClosedWorkflowExecutions; at most one of the last three is set.
type LegacyFilter struct {
	StartTime *filterpb.StartTimeFilter // of the close time for closed runs
	Execution *filterpb.WorkflowExecutionFilter
	Type      *filterpb.WorkflowTypeFilter
	Status    *filterpb.StatusFilter // closed only
}

// OpenQuery returns the query of ListOpenWorkflowExecutions, still to be
// checked. The error is a *query.Error.
func OpenQuery(f LegacyFilter) (*query.Query, error) {
	return legacyQuery(f, attr.StartTime, false)
}

// ClosedQuery returns the query of ListClosedWorkflowExecutions, still to be
// checked. The error is a *query.Error.
func ClosedQuery(f LegacyFilter) (*query.Query, error) {
	if f.Status != nil && (f.Status.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED ||
		f.Status.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING) {
		return nil, &query.Error{Message: "StatusFilter must be specified and must be not Running."}
	}
	return legacyQuery(f, attr.CloseTime, true)
}

// legacyQuery joins the filters.
func legacyQuery(f LegacyFilter, timeName string, closed bool) (*query.Query, error) {
	earliest, latest := f.StartTime.GetEarliestTime(), f.StartTime.GetLatestTime()
	if earliest != nil && latest != nil && earliest.AsTime().After(latest.AsTime()) {
		return nil, &query.Error{Message: "EarliestTime in StartTimeFilter should not be larger than LatestTime."}
	}
	var where query.Expr = &query.IsNull{Field: query.Field{Name: attr.CloseTime}, Negated: closed}
	where = query.And2(where, bound(timeName, query.GreaterOrEqual, earliest))
	where = query.And2(where, bound(timeName, query.LessOrEqual, latest))
	if f.Execution != nil {
		where = query.And2(where, keywordIs(attr.WorkflowID, f.Execution.GetWorkflowId()))
		if f.Execution.GetRunId() != "" {
			where = query.And2(where, keywordIs(attr.RunID, f.Execution.GetRunId()))
		}
	}
	if f.Type != nil {
		where = query.And2(where, keywordIs(attr.WorkflowType, f.Type.GetName()))
	}
	if f.Status != nil {
		where = query.And2(where, statusIs(f.Status.GetStatus()))
	}
	return &query.Query{Where: where}, nil
}

func statusIs(status enumspb.WorkflowExecutionStatus) query.Expr {
	return &query.Compare{Field: query.Field{Name: attr.ExecutionStatus}, Op: query.Equal, Value: query.Value{Kind: query.Int, Int: int64(status)}}
}

func keywordIs(name, value string) query.Expr {
	return &query.Compare{Field: query.Field{Name: name}, Op: query.Equal, Value: query.Value{Kind: query.String, String: value}}
}

// bound compares a time; nil, which holds for everything, without a limit.
func bound(name string, op query.Op, limit *timestamppb.Timestamp) query.Expr {
	if limit == nil {
		return nil
	}
	return &query.Compare{Field: query.Field{Name: name}, Op: op, Value: query.Value{Kind: query.String, String: limit.AsTime().Format(time.RFC3339Nano)}}
}
