package indexer

import (
	"context"
	"errors"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

// attempt is one try of a batch.
type attempt struct {
	indexer         *Indexer
	batch           []*entry
	split           bool // a failure is looked for in halves
	written, failed []*entry
	refused         []*entry // failed alone
	down            bool     // nothing goes through: do not try the rest
	blocked         error    // the store as a whole takes nothing
}

// write writes a batch and tells what went through.
func (i *Indexer) write(ctx context.Context, a *attempt) *attempt {
	a.write(ctx, a.batch)
	a.failed = append(a.failed, a.refused...) // last, so that the next try begins with others
	return a
}

func (a *attempt) write(ctx context.Context, batch []*entry) {
	if a.down {
		a.failed = append(a.failed, batch...)
		return
	}
	err := a.indexer.store(ctx, batch)
	var items *visibility.WriteError
	switch {
	case err == nil:
		a.written = append(a.written, batch...)
	case errors.As(err, &items):
		a.sort(ctx, batch, items)
	case !a.split || ctx.Err() != nil:
		a.indexer.config.Logger.Warn("visibility write failed, will retry", "store", a.indexer.config.Name, "records", len(batch), "error", err)
		a.failed = append(a.failed, batch...)
	case len(batch) > 1:
		a.write(ctx, batch[:len(batch)/2])
		a.write(ctx, batch[len(batch)/2:])
	default:
		a.degrade(ctx, batch[0], err, false)
	}
}

// sort does with each record what the store says of it.
func (a *attempt) sort(ctx context.Context, batch []*entry, err *visibility.WriteError) {
	trouble := make(map[int]visibility.ItemError, len(err.Items))
	for _, item := range err.Items {
		trouble[item.Index] = item
	}
	for place, e := range batch {
		item, failed := trouble[place]
		if !failed {
			a.written = append(a.written, e)
			continue
		}
		a.indexer.metrics.failed(item.Class)
		switch item.Class {
		case visibility.Refused:
			a.degrade(ctx, e, item.Err, true)
		case visibility.Blocked:
			a.blocked, a.down = item.Err, true
			a.failed = append(a.failed, e)
		default:
			a.failed = append(a.failed, e)
		}
	}
}

// hopelessAttempts is how often a record that fails in every form is tried before it is left to the dead letters.
const hopelessAttempts = 20

// degrade writes a refused record without its custom attributes. certain tells that the store said so itself.
// If that fails too and nothing has gone through, the store is taken to be down.
func (a *attempt) degrade(ctx context.Context, e *entry, cause error, certain bool) {
	i := a.indexer
	err := i.storeRecords(ctx, []*visibility.Record{Degraded(e.rec, cause)})
	if err == nil {
		i.config.Logger.Error("visibility record refused, written without custom search attributes", "store", i.config.Name,
			"namespace", e.rec.NamespaceID, "workflow", e.rec.WorkflowID, "run", e.rec.RunID, "error", cause)
		i.metrics.degraded.Inc()
		a.bury(ctx, e, cause)
		return
	}
	certain = certain && classOf(err) == visibility.Refused
	if i.config.DeadLetters != nil && (certain || e.attempts >= hopelessAttempts && len(a.written) > 0) {
		i.config.Logger.Error("visibility record refused in every form: the run is not listed", "store", i.config.Name,
			"namespace", e.rec.NamespaceID, "workflow", e.rec.WorkflowID, "run", e.rec.RunID, "error", err)
		i.metrics.dropped.Inc()
		a.bury(ctx, e, err)
		return
	}
	i.config.Logger.Warn("visibility write failed, will retry", "store", i.config.Name, "run", e.rec.RunID, "error", err)
	a.refused = append(a.refused, e)
	if classOf(err) == visibility.Blocked {
		a.blocked = err
	}
	a.down = a.down || a.blocked != nil || !certain && len(a.written) == 0
}

// bury notes a refused record among the dead letters. Until that is durable the record is not done.
func (a *attempt) bury(ctx context.Context, e *entry, cause error) {
	i := a.indexer
	if i.config.DeadLetters != nil {
		err := i.config.DeadLetters.Add(ctx, visibility.DeadLetter{
			Store: i.config.Name, NamespaceID: e.rec.NamespaceID, WorkflowID: e.rec.WorkflowID, RunID: e.rec.RunID,
			Version: e.rec.Version, Error: cause.Error(), FirstAt: i.config.Clock.Now().UTC(), Attempts: 1,
		})
		if err != nil {
			i.config.Logger.Warn("could not note a refused visibility record, will retry", "store", i.config.Name, "error", err)
			a.refused = append(a.refused, e)
			return
		}
	}
	a.written = append(a.written, e)
}

// classOf is the class of the first record's error; Busy when the store does not say.
func classOf(err error) visibility.Class {
	var items *visibility.WriteError
	if errors.As(err, &items) && len(items.Items) > 0 {
		return items.Items[0].Class
	}
	return visibility.Busy
}

// reasonBytesMax is how much of the reason a degraded record carries.
const reasonBytesMax = 500

// problemsAttribute is the predefined attribute in which a run tells of its problems.
const problemsAttribute = "TemporalReportedProblems"

// Degraded is a record without its custom attributes; those that the system works with stay. The
// reason is among the run's reported problems, where a filter finds it.
func Degraded(rec *visibility.Record, cause error) *visibility.Record {
	if rec.Deleted {
		return rec
	}
	plain := *rec
	fields := map[string]*commonpb.Payload{}
	predefined := attr.Predefined()
	for name, payload := range rec.SearchAttributes.GetIndexedFields() {
		if _, ok := predefined[name]; ok {
			fields[name] = payload
		}
	}
	problems, _ := attr.Values(rec.SearchAttributes)[problemsAttribute].Value.([]string)
	reason := cause.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), reasonBytesMax)], "")
	problems = append(slices.Clone(problems), "category=SearchAttributesRefused", "cause="+reason)
	fields[problemsAttribute] = attr.Encode(problems, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
	plain.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: fields}
	return &plain
}

func (i *Indexer) store(ctx context.Context, batch []*entry) error {
	records := make([]*visibility.Record, len(batch))
	for place, e := range batch {
		records[place] = e.rec
	}
	return i.storeRecords(ctx, records)
}

func (i *Indexer) storeRecords(ctx context.Context, records []*visibility.Record) error {
	ctx, cancel := context.WithTimeout(ctx, i.config.WriteTimeout)
	defer cancel()
	start := i.config.Clock.Now()
	err := i.config.Store.Write(ctx, records)
	took := i.config.Clock.Now().Sub(start)
	i.metrics.batch(len(records), took, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.batch.learn(len(records), took)
	return err
}
