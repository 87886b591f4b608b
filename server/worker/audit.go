package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/visibility/audit"
)

const (
	// auditClaim is how long a node that audits a store keeps it without a sign of life: longer than any one question takes.
	auditClaim = 5 * time.Minute
	// auditSave is how often it stores how far it is, as that sign.
	auditSave = 30 * time.Second
	// auditRetry is the time to the next try when a store is not well or behind: what it lacks is on its way.
	auditRetry = time.Minute
	// auditKind is the kind of the metadata records of audits; the key is the name of the search store.
	auditKind = "visibility_audit"
)

// ErrNotNow tells that a search store cannot be audited at the moment.
var ErrNotNow = errors.New("the search store is behind")

// AuditRequest is one audit of a search store, or what is left of one that was cut off.
type AuditRequest struct {
	From   audit.Progress
	Tick   func(progress func() audit.Progress) error
	Report func(audit.Difference)
}

// SearchStore is a store of search records that is compared with the runs from time to time.
type SearchStore struct {
	Name  string
	Label string // in metrics
	// Audit compares it, and repairs it if that is wanted. ErrNotNow while it is behind.
	Audit func(ctx context.Context, request AuditRequest) (audit.Summary, error)
}

// Audits are the audits of search stores.
type Audits struct {
	Stores   []SearchStore
	Records  store.Store
	Owner    string        // this node
	Interval time.Duration // from the end of one to the next; 0: there are none
}

// auditRecord is an audit as it is stored.
type auditRecord struct {
	Owner    string         `json:"owner,omitempty"`
	Until    time.Time      `json:"until"` // nobody else goes on before
	Due      time.Time      `json:"due"`   // when the next begins, or this one began
	Finished time.Time      `json:"finished"`
	Progress audit.Progress `json:"progress"`
	Found    int            `json:"found"` // differences of the one under way
}

// auditor looks after one store.
type auditor struct {
	SearchStore
	service *Service
	audits  *Audits
	chore   metrics.Chore
	record  auditRecord
	version int64 // of the stored record; 0: none
	saved   time.Time
}

// runAudits works until ctx ends.
func (s *Service) runAudits(ctx context.Context) {
	audits := &s.config.Audits
	if audits.Interval <= 0 {
		return
	}
	var all sync.WaitGroup
	for _, searched := range audits.Stores {
		a := &auditor{SearchStore: searched, service: s, audits: audits, chore: metrics.Chore{Chore: "search_audit_" + searched.Label}}
		all.Go(func() { a.run(ctx) })
	}
	all.Wait()
}

func (a *auditor) now() time.Time { return a.service.config.Clock.Now() }

// measureStart shows that there is nothing yet.
func (a *auditor) measureStart() {
	reg := a.service.config.Metrics
	metrics.ChorePeriod.In(reg, a.chore).Set(a.audits.Interval.Seconds())
	metrics.ChoreLastSuccess.In(reg, a.chore).Set(float64(a.now().UnixMilli()) / 1000)
	metrics.VisibilityAudited.In(reg, metrics.Store{Store: a.Label}).Add(0)
	for _, kind := range []audit.Kind{audit.Missing, audit.Stale, audit.Orphan} {
		metrics.VisibilityDifferences.In(reg, metrics.VisibilityDifference{Store: a.Label, Kind: string(kind)}).Add(0)
	}
}

func (a *auditor) run(ctx context.Context) {
	a.measureStart()
	timer := a.service.config.Clock.NewTimer(firstWait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		}
		next, err := a.turn(ctx)
		if err != nil {
			next = a.now().Add(auditRetry)
			if !errors.Is(err, ErrNotNow) && !errors.Is(err, store.ErrConflict) { // then another node has it
				a.service.note(ctx, a.chore.Chore, "", err)
			}
		}
		timer.Reset(next.Sub(a.now()))
	}
}

// turn does what is due and tells when to look again. Where another node is at work, this one waits until that is over.
func (a *auditor) turn(ctx context.Context) (next time.Time, err error) {
	if err := a.load(ctx); err != nil {
		return next, err
	}
	now := a.now()
	if a.version == 0 {
		a.record.Due = now.Add(a.audits.Interval)
		a.record.Finished = now // so that its age counts from now on
		return a.record.Due, a.save(ctx)
	}
	metrics.ChoreLastSuccess.In(a.service.config.Metrics, a.chore).Set(float64(a.record.Finished.UnixMilli()) / 1000)
	switch {
	case a.record.Owner != "" && a.record.Owner != a.audits.Owner && now.Before(a.record.Until):
		return a.record.Until, nil
	case now.Before(a.record.Due):
		return a.record.Due, nil
	}
	a.record.Owner, a.record.Until = a.audits.Owner, now.Add(auditClaim)
	if err := a.save(ctx); err != nil {
		return next, err
	}
	return a.audit(ctx)
}

func (a *auditor) audit(ctx context.Context) (next time.Time, err error) {
	began := a.now()
	summary, err := a.Audit(ctx, AuditRequest{From: a.record.Progress, Report: a.report, Tick: func(progress func() audit.Progress) error {
		if a.now().Sub(a.saved) < auditSave {
			return nil
		}
		a.record.Progress, a.record.Until = progress(), a.now().Add(auditClaim)
		return a.save(ctx)
	}})
	if err != nil {
		return next, err
	}
	now := a.now()
	found := a.record.Found
	a.record = auditRecord{Due: now.Add(a.audits.Interval), Finished: now}
	if err := a.save(ctx); err != nil {
		return next, err
	}
	reg := a.service.config.Metrics
	metrics.VisibilityAudited.In(reg, metrics.Store{Store: a.Label}).Add(float64(summary.Runs))
	metrics.ChoreDuration.In(reg, a.chore).Seconds(now.Sub(began))
	metrics.ChoreLastSuccess.In(reg, a.chore).Set(float64(now.UnixMilli()) / 1000)
	a.service.config.Logger.InfoContext(ctx, "search was compared with the runs", "store", a.Name, "runs", summary.Runs, "differences", found, "took", now.Sub(began))
	return a.record.Due, nil
}

// report counts a difference. Which run it is, is told by the audit of the command line.
func (a *auditor) report(d audit.Difference) {
	a.record.Found++
	metrics.VisibilityDifferences.In(a.service.config.Metrics, metrics.VisibilityDifference{Store: a.Label, Kind: string(d.Kind)}).Inc()
	a.service.config.Logger.Warn("search differs from a run", "store", a.Name, "kind", d.Kind, "namespace_id", d.NamespaceID,
		"workflow_id", d.WorkflowID, "run_id", d.RunID, "version", d.Version, "stored", d.Stored)
}

func (a *auditor) load(ctx context.Context) error {
	a.record, a.version = auditRecord{}, 0
	meta, err := a.audits.Records.Meta(ctx, auditKind, a.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a.version = meta.Version
	if err := json.Unmarshal(meta.Data, &a.record); err != nil {
		return fmt.Errorf("%w: audit of %s: %w", store.ErrDamaged, a.Name, err)
	}
	return nil
}

// save stores the record, unless another node has taken over.
func (a *auditor) save(ctx context.Context) error {
	data, err := json.Marshal(a.record)
	if err != nil {
		return err
	}
	if err := a.audits.Records.PutMeta(ctx, store.Meta{Kind: auditKind, Key: a.Name, Version: a.version + 1, Data: data}); err != nil {
		return fmt.Errorf("store how far the audit is: %w", err)
	}
	a.version++
	a.saved = a.now()
	return nil
}
