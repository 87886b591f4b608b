package doctor

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/server/metrics"
	"perdure/visibility"
)

const (
	// depthMax is how far children of children are followed.
	depthMax = 3
	// childrenMax is how many children of one run are looked at, the first ones.
	childrenMax = 10
	// runsMax is how many runs one diagnosis looks at in all.
	runsMax = 50
	// troubledTimeout bounds the look at a run while commits fail: it may wait for one.
	troubledTimeout = time.Second
)

// Config is what a doctor works with. All but Clock must be set.
type Config struct {
	Runs       cluster.RunExaminer
	Queues     cluster.QueueExaminer
	Namespaces cluster.Namespaces
	Visibility visibility.Store
	// Stores tells how those stores do that lists are answered from.
	Stores func() []diagnosis.SearchStore
	// Refused tells how many calls of a namespace were refused lately, and when the last was.
	Refused func(namespace string) (int64, time.Time)
	// Patience is how long something may wait for a worker or another run before that is a cause.
	Patience time.Duration
	Metrics  *metrics.Registry
	Clock    clock.Clock // nil: the machine's
}

// count counts a run of a fleet that was looked at.
func (c *Config) count(r *diagnosis.Report) {
	outcome := "healthy"
	if r.Troubled() {
		outcome = "troubled"
	}
	metrics.RunsDiagnosed.In(c.Metrics, metrics.Outcome{Outcome: outcome}).Inc()
}

// Doctor says why runs do not come on. It is a cluster.Doctor.
type Doctor struct{ config Config }

var _ cluster.Doctor = (*Doctor)(nil)

// New makes a doctor.
func New(c Config) *Doctor {
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	return &Doctor{config: c}
}

// Diagnose looks at one run. See cluster.Doctor.
func (d *Doctor) Diagnose(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (*diagnosis.Report, error) {
	return d.visit().run(ctx, ns, workflowID, runID, depthMax)
}

// visit is one look at one run or many. What it has asked once it does not ask again.
type visit struct {
	config Config
	queues map[cluster.TaskQueue]diagnosis.Queue
	stores []diagnosis.SearchStore
	left   int // runs that may still be looked at for their parents
}

func (d *Doctor) visit() *visit {
	return &visit{config: d.config, queues: map[cluster.TaskQueue]diagnosis.Queue{}, stores: d.config.Stores(), left: runsMax}
}

// run looks at a run and so many levels of children.
func (v *visit) run(ctx context.Context, ns *cluster.Namespace, workflowID, runID string, depth int) (*diagnosis.Report, error) {
	facts := v.around(ns)
	facts.Owner = v.config.Runs.ExamineOwner(ns.ID, workflowID)
	run, err := v.examine(ctx, ns, workflowID, runID, facts.Owner)
	var moving *serviceerror.Unavailable
	switch {
	case err == nil:
		facts.Run = run
		facts.Run.Queries = append(run.Queries, v.config.Queues.ExamineQueries(ns.ID, run.WorkflowID, run.RunID)...)
	case facts.Owner.Unowned, facts.Owner.Failing != "" && (errors.As(err, &moving) || errors.Is(err, context.DeadlineExceeded)):
		facts.Run = diagnosis.Run{WorkflowID: workflowID, Open: true}
	default:
		return nil, err
	}
	for _, route := range run.Routes() {
		facts.Queues = append(facts.Queues, v.queue(ctx, ns, route))
	}
	v.children(ctx, facts, depth)
	return diagnosis.Diagnose(facts), nil
}

// around is what does not depend on the run.
func (v *visit) around(ns *cluster.Namespace) *diagnosis.Facts {
	facts := &diagnosis.Facts{Now: v.config.Clock.Now(), Patience: v.config.Patience, Search: v.stores}
	facts.Namespace.Name = ns.Name
	facts.Namespace.Refused, facts.Namespace.RefusedAt = v.config.Refused(ns.Name)
	return facts
}

func (v *visit) examine(ctx context.Context, ns *cluster.Namespace, workflowID, runID string, owner diagnosis.Owner) (diagnosis.Run, error) {
	if owner.Failing != "" {
		short, cancel := context.WithTimeout(ctx, troubledTimeout)
		defer cancel()
		ctx = short
	}
	return v.config.Runs.ExamineRun(ctx, ns, workflowID, runID)
}

func (v *visit) queue(ctx context.Context, ns *cluster.Namespace, r diagnosis.Route) diagnosis.Queue {
	name := cluster.TaskQueue{NamespaceID: ns.ID, Name: r.Queue, Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	if r.Activity {
		name.Type = enumspb.TASK_QUEUE_TYPE_ACTIVITY
	}
	if r.Sticky {
		name.Kind = enumspb.TASK_QUEUE_KIND_STICKY
	}
	found, known := v.queues[name]
	if !known {
		found = v.config.Queues.ExamineQueue(ctx, name)
		v.queues[name] = found
	}
	return found
}

// children looks at the first children of a run. Those that cannot be read are left out: the parent's report says so of its own accord.
func (v *visit) children(ctx context.Context, facts *diagnosis.Facts, depth int) {
	if depth == 0 || !facts.Run.Open {
		return
	}
	for i, child := range facts.Run.Children {
		if i == childrenMax || v.left == 0 {
			return
		}
		ns, err := v.config.Namespaces.ByName(ctx, child.Namespace)
		if err != nil || child.RunID == "" {
			continue
		}
		v.left--
		// The run may have gone on under the same id: the current one is what is waited for.
		if report, err := v.run(ctx, ns, child.WorkflowID, "", depth-1); err == nil {
			facts.Children = append(facts.Children, diagnosis.ChildReport{InitiatedID: child.InitiatedID, Report: report})
		}
	}
}
