package history

import (
	"strings"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"

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
		if outcome := taskOutcomes[event.EventType]; outcome != "" {
			metrics.WorkflowTasks.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: name, Outcome: outcome}).Inc()
		}
		if outcome := activityOutcomes[event.EventType]; outcome != "" {
			metrics.Activities.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: name, Outcome: outcome}).Inc()
		}
	}
}

// countClosed tells the metrics of a run that has closed, durably.
func (e *Engine) countClosed(state *execution.State, namespaceID string) {
	e.metrics.historyEvents.Observe(float64(state.NextEventID - 1))
	e.metrics.historyBytes.Observe(float64(state.HistorySize))
	closed := metrics.Closed{Namespace: e.names.of(namespaceID), Status: strings.ToLower(state.Status.String())}
	metrics.WorkflowsClosed.In(e.cfg.Metrics, closed).Inc()
	metrics.WorkflowDuration.In(e.cfg.Metrics, closed).Seconds(state.CloseTime.Sub(state.StartTime))
}

// measureLogs tells how far the slowest reader of the owned shards is behind.
func (e *Engine) measureLogs() {
	var pending int64
	for _, s := range e.owned() {
		slowest := int64(0)
		for _, r := range s.currentReaders() {
			l := r.look()
			slowest = max(slowest, l.latest-l.position)
		}
		pending += slowest
	}
	e.metrics.logPending.Set(float64(pending))
}
