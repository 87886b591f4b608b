package visibility

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
	"perdure/visibility/eval"
)

// Row returns the record as filters see it. What is known only at the end of a
// run is absent while it is open.
func Row(rec *Record) eval.Row {
	row := eval.Row(attr.Values(rec.SearchAttributes))
	setItems(row, rec.SearchAttributes)
	setKeyword(row, attr.WorkflowID, rec.WorkflowID)
	setKeyword(row, attr.RunID, rec.RunID)
	setKeyword(row, attr.WorkflowType, rec.WorkflowType)
	setKeyword(row, attr.TaskQueue, rec.TaskQueue)
	setInt(row, attr.ExecutionStatus, int64(rec.Status))
	setTime(row, attr.StartTime, rec.StartTime)
	setTime(row, attr.ExecutionTime, rec.ExecutionTime)
	setOptional(row, attr.ParentWorkflowID, rec.ParentWorkflowID)
	setOptional(row, attr.ParentRunID, rec.ParentRunID)
	setOptional(row, attr.RootWorkflowID, rec.RootWorkflowID)
	setOptional(row, attr.RootRunID, rec.RootRunID)
	if rec.IsOpen() {
		return row
	}
	setTime(row, attr.CloseTime, rec.CloseTime)
	setInt(row, attr.ExecutionDuration, int64(rec.ExecutionDuration()))
	setInt(row, attr.HistoryLength, rec.HistoryLength)
	setInt(row, attr.HistorySizeBytes, rec.HistorySizeBytes)
	setInt(row, attr.StateTransitionCount, rec.StateTransitionCount)
	return row
}

// setItems adds the pending items that the record has of each kind.
func setItems(row eval.Row, sa *commonpb.SearchAttributes) {
	for _, kind := range attr.ItemKinds() {
		var items []eval.Row
		for _, item := range attr.DecodeItems(kind, sa.GetIndexedFields()[attr.ItemsKey(kind)]) {
			items = append(items, eval.Row(item))
		}
		if len(items) > 0 {
			row[eval.ItemsKey(kind)] = attr.Value{Value: items}
		}
	}
}

func setKeyword(row eval.Row, name, value string) {
	row[name] = attr.Value{Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Value: value}
}

func setOptional(row eval.Row, name, value string) {
	if value != "" {
		setKeyword(row, name, value)
	}
}

func setInt(row eval.Row, name string, value int64) {
	row[name] = attr.Value{Type: enumspb.INDEXED_VALUE_TYPE_INT, Value: value}
}

// setTime keeps what every store keeps of a time of the system: nanoseconds in UTC.
func setTime(row eval.Row, name string, value time.Time) {
	row[name] = attr.Value{Type: enumspb.INDEXED_VALUE_TYPE_DATETIME, Value: time.Unix(0, Nanos(value)).UTC()}
}

// IsOpen tells whether the run has not ended.
func (r *Record) IsOpen() bool { return r.CloseTime.IsZero() }

// ExecutionDuration is the time from the first workflow task's due time to the
// end; zero while the run is open.
func (r *Record) ExecutionDuration() time.Duration {
	if r.IsOpen() {
		return 0
	}
	return r.CloseTime.Sub(r.ExecutionTime)
}

// Nanos returns nanoseconds since 1970, the nearest that an int64 can hold.
func Nanos(t time.Time) int64 {
	nanos := t.UnixNano()
	switch {
	case t.Before(minTime):
		return minTime.UnixNano()
	case t.After(maxTime):
		return maxTime.UnixNano()
	default:
		return nanos
	}
}

// The range of times in nanoseconds. The least and the greatest int64 are left
// for what is beyond it.
var (
	minTime = time.Unix(0, -1<<63+1).UTC()
	maxTime = time.Unix(0, 1<<63-2).UTC()
)

// LimitNanos is Nanos for a time that records are compared with: beyond the
// range it is less or greater than that of every record.
func LimitNanos(t time.Time) int64 {
	switch {
	case t.Before(minTime):
		return -1 << 63
	case t.After(maxTime):
		return 1<<63 - 1
	default:
		return t.UnixNano()
	}
}
