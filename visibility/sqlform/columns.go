package sqlform

import (
	"strings"

	"perdure/visibility/attr"
)

// Table is the one table of records. A database that it shares with others has none of that name.
const Table = "visibility_executions"

// CountsTable holds how many runs each namespace has in each division and status, in parts that are added up.
const CountsTable = "visibility_counts"

// NamespacesTable numbers the namespaces: a number in each entry of each index is much smaller than a name.
const NamespacesTable = "visibility_namespaces"

// column is a system attribute as a column.
type column struct {
	name   string
	isTime bool // nanoseconds since 1970
	// isOfClosed tells that only closed runs have it.
	isOfClosed bool
	// twin is a column that most rows have the same value in. Only the other rows are in the index of this one.
	twin string
}

// columns maps the attributes that are columns to them.
var columns = map[string]column{
	attr.WorkflowID:           {name: "workflow_id"},
	attr.RunID:                {name: "run_id"},
	attr.WorkflowType:         {name: "workflow_type"},
	attr.TaskQueue:            {name: "task_queue"},
	attr.ExecutionStatus:      {name: "status"},
	attr.StartTime:            {name: "start_ns", isTime: true},
	attr.ExecutionTime:        {name: "execution_ns", isTime: true},
	attr.CloseTime:            {name: "close_ns", isTime: true, isOfClosed: true},
	attr.ExecutionDuration:    {name: "duration_ns", isOfClosed: true},
	attr.HistoryLength:        {name: "history_length", isOfClosed: true},
	attr.HistorySizeBytes:     {name: "history_size_bytes", isOfClosed: true},
	attr.StateTransitionCount: {name: "state_transition_count", isOfClosed: true},
	attr.ParentWorkflowID:     {name: "parent_workflow_id"},
	attr.ParentRunID:          {name: "parent_run_id"},
	attr.RootWorkflowID:       {name: "root_workflow_id", twin: "workflow_id"},
	attr.RootRunID:            {name: "root_run_id", twin: "run_id"},
	attr.NamespaceDivision:    {name: "division"},
}

// countedColumns are those of CountsTable that filters look at.
var countedColumns = map[string]bool{attr.ExecutionStatus: true, attr.NamespaceDivision: true}

// Columns are the names of the columns, in the order of Row and Values.
var Columns = strings.Fields(`namespace run_id version deleted deleted_ns workflow_id workflow_type task_queue status
	start_ns execution_ns close_key close_ns duration_ns history_length history_size_bytes state_transition_count
	parent_workflow_id parent_run_id root_workflow_id root_run_id division attributes record`)

// OnConflict is the end of the upsert: a row is replaced only by a newer one, or with again by one of the same version, too.
func OnConflict(again bool) string {
	var sets []string
	for _, column := range Columns[2:] {
		sets = append(sets, column+" = excluded."+column)
	}
	older := map[bool]string{false: " < ", true: " <= "}[again]
	return " ON CONFLICT (namespace, run_id) DO UPDATE SET " + strings.Join(sets, ", ") + " WHERE " + Table + ".version" + older + "excluded.version"
}
