package history

import (
	"strings"
	"sync"
	"unicode"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
)

// namespaceNames remembers names by id, for labels.
type namespaceNames struct{ byID sync.Map }

func (n *namespaceNames) note(ns *cluster.Namespace) {
	if _, known := n.byID.Load(ns.ID); !known {
		n.byID.Store(ns.ID, ns.Name)
	}
}

func (n *namespaceNames) of(id string) string {
	name, _ := n.byID.Load(id)
	text, _ := name.(string)
	return text
}

// taskOutcomes and activityOutcomes tell what an event says of the end of a task.
var (
	taskOutcomes = map[enumspb.EventType]string{
		enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: "completed",
		enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:    "failed",
		enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: "timed_out",
	}
	activityOutcomes = map[enumspb.EventType]string{
		enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "completed",
		enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:    "failed",
		enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:  "canceled",
		enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed_out",
	}
)

// count tells the metrics what a decision has done.
func (e *Engine) count(en *entry, d execution.Decision) {
	e.metrics.transitions.Inc()
	name := e.names.of(en.workflow.NamespaceID)
	for _, p := range d.Passed {
		e.watch.Passed(name, p.Limit, p.Size, "workflow_id", en.workflow.WorkflowID, "run_id", en.runID)
	}
	if e.cfg.Metrics == nil {
		return
	}
	for _, event := range d.Events {
		e.countEvent(name, event)
		if outcome := taskOutcomes[event.EventType]; outcome != "" {
			metrics.WorkflowTasks.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: name, Outcome: outcome}).Inc()
		}
		if outcome := activityOutcomes[event.EventType]; outcome != "" {
			metrics.Activities.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: name, Outcome: outcome}).Inc()
		}
	}
}

// countEvent counts one event, and more of those that tell why something failed.
func (e *Engine) countEvent(namespace string, event *historypb.HistoryEvent) {
	e.metrics.events[event.EventType].Inc()
	switch event.EventType {
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		cause := snake(event.GetWorkflowTaskFailedEventAttributes().GetCause().String())
		metrics.WorkflowTaskFailures.In(e.cfg.Metrics, metrics.TaskFailure{Namespace: namespace, Cause: cause}).Inc()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		failure := event.GetActivityTaskTimedOutEventAttributes().GetFailure()
		kind := snake(failure.GetTimeoutFailureInfo().GetTimeoutType().String())
		metrics.ActivityTimeouts.In(e.cfg.Metrics, metrics.Timeout{Namespace: namespace, Kind: kind}).Inc()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		e.metrics.activityAttempts.Observe(float64(event.GetActivityTaskStartedEventAttributes().GetAttempt()))
	}
}

// snake writes the name of an enumeration's value as a label: TimedOut is timed_out.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// statusLabels are the statuses of closed runs as labels.
var statusLabels = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:        "completed",
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:           "failed",
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:         "canceled",
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:       "terminated",
	enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: "continued_as_new",
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:        "timed_out",
}

// countClosed tells the metrics of a run that has closed, durably.
func (e *Engine) countClosed(state *execution.State, namespaceID string) {
	e.metrics.historyEvents.Observe(float64(state.NextEventID - 1))
	e.metrics.historyBytes.Observe(float64(state.HistorySize))
	closed := metrics.Closed{Namespace: e.names.of(namespaceID), Status: statusLabels[state.Status]}
	metrics.WorkflowsClosed.In(e.cfg.Metrics, closed).Inc()
	metrics.WorkflowDuration.In(e.cfg.Metrics, closed).Seconds(state.CloseTime.Sub(state.StartTime))
}

// measureLogs tells how far the slowest reader of the owned shards is behind, and what their runs take of memory.
func (e *Engine) measureLogs() {
	var pending, bytes int64
	for _, s := range e.owned() {
		bytes += s.bytes.Load()
		slowest := int64(0)
		for _, r := range s.currentReaders() {
			l := r.look()
			slowest = max(slowest, l.latest-l.position)
		}
		pending += slowest
	}
	e.metrics.logPending.Set(float64(pending))
	e.metrics.cacheBytes.Set(float64(bytes))
}
