package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"golang.org/x/time/rate"

	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// openRuns finds all runs that have not closed.
const openRuns = `ExecutionStatus IN ('Running', 'Paused')`

// Waiting is a filter for open runs in which something has waited since before a time: what a fleet's trouble is looked for in.
// Timers, children and signals that a run waits for are not in it: such runs wait by design, and a child in trouble is found itself.
func Waiting(before time.Time) string {
	return fmt.Sprintf(`ExecutionStatus = 'Paused' OR ExecutionStatus = 'Running' AND %s%s < '%s'`,
		attr.BuiltInPrefix, attr.PendingOldestScheduledTime, before.UTC().Format(time.RFC3339))
}

// pageRuns is how many candidates are read at once.
const pageRuns = 200

// Fleet looks at the open runs of a namespace that have waited for long. See cluster.Doctor.
func (d *Doctor) Fleet(ctx context.Context, ns *cluster.Namespace, req cluster.FleetRequest) (*diagnosis.Fleet, error) {
	v := d.visit()
	f := &fleet{visit: v, ns: ns, req: req, found: &diagnosis.Fleet{Namespace: ns.Name}, pace: rate.NewLimiter(rate.Inf, 0)}
	if req.PerSecond > 0 {
		f.pace = rate.NewLimiter(rate.Limit(req.PerSecond), 1)
	}
	facts := v.around(ns)
	facts.Owner.Failing = d.config.Runs.ExamineOwner(ns.ID, "").Failing
	f.found.Notes = diagnosis.NotesOf(facts)
	if err := f.look(ctx, facts.Now.Add(-d.config.Patience)); err != nil {
		return nil, err
	}
	f.found.Finish()
	return f.found, nil
}

// fleet is one look at a namespace.
type fleet struct {
	visit *visit
	ns    *cluster.Namespace
	req   cluster.FleetRequest
	found *diagnosis.Fleet
	pace  *rate.Limiter
}

func (f *fleet) look(ctx context.Context, before time.Time) (err error) {
	if f.found.Open, err = f.count(ctx, openRuns); err != nil || f.found.Open == 0 {
		return err
	}
	candidates, err := f.parse(Waiting(before), false)
	if err != nil {
		return err
	}
	for token := []byte(nil); ; {
		records, next, err := f.visit.config.Visibility.List(ctx, visibility.ListRequest{NamespaceID: f.ns.ID, Query: candidates, PageSize: pageRuns, PageToken: token})
		if err != nil {
			return err
		}
		f.found.Candidates += int64(len(records))
		for _, r := range records {
			if f.req.RunsMax > 0 && f.found.Examined == f.req.RunsMax {
				f.found.Truncated = true
				f.found.Candidates, err = f.count(ctx, Waiting(before))
				return err
			}
			if err := f.examine(ctx, r); err != nil {
				return err
			}
		}
		if token = next; len(token) == 0 {
			return nil
		}
	}
}

// examine looks at one candidate. One that is gone, or whose shard moves, is passed over.
func (f *fleet) examine(ctx context.Context, r *visibility.Record) error {
	if err := f.pace.Wait(ctx); err != nil {
		return err
	}
	report, err := f.visit.run(ctx, f.ns, r.WorkflowID, r.RunID, 0)
	var gone *serviceerror.NotFound
	var moving *serviceerror.Unavailable
	switch {
	case err == nil:
		f.found.Add(report, f.req.Examples)
		f.visit.config.count(report)
		return nil
	case errors.As(err, &gone), errors.As(err, &moving):
		return nil
	}
	return err
}

func (f *fleet) count(ctx context.Context, filter string) (int64, error) {
	q, err := f.parse(filter, true)
	if err != nil {
		return 0, err
	}
	counted, err := f.visit.config.Visibility.Count(ctx, f.ns.ID, q)
	return counted.Total, err
}

// parse reads a filter of ours: names that the namespace has defined do not change what it means.
func (f *fleet) parse(filter string, counts bool) (*query.Query, error) {
	q, err := query.Parse(filter)
	if err != nil {
		return nil, err
	}
	check := query.CheckListWith
	if counts {
		check = query.CheckCount
	}
	if err := check(q, query.Options{Now: f.visit.config.Clock.Now(), Zone: time.LoadLocation}); err != nil {
		return nil, err
	}
	query.Normalize(q)
	return q, nil
}
