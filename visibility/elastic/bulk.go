package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"perdure/visibility"
)

// writeTimeout is how long a bulk request may take. It is far below deleteMemory,
// so that no request outlives what keeps it from bringing a deleted run back.
const writeTimeout = 30 * time.Second

// sweepEvery is how often old tombstones are looked for, by writes that delete.
const sweepEvery = time.Minute

// batch is one bulk request: its text and the records in it, in the same order.
type batch struct {
	text    []byte
	records []*visibility.Record
}

// failure is a record that was not taken.
type failure struct {
	record *visibility.Record
	class  visibility.Class
	err    error
}

// Write implements visibility.Store. Records that were not taken are in a
// *visibility.WriteError.
func (s *Store) Write(ctx context.Context, records []*visibility.Record) error {
	if err := ctx.Err(); err != nil || len(records) == 0 {
		return err
	}
	now := time.Now()
	newest := visibility.Newest(records)
	senders := s.newSenders(ctx)
	s.encode(newest, now, s.recordsPerBatch(len(newest)), senders)
	failures := senders.wait()
	if ctx.Err() != nil {
		return fmt.Errorf("write visibility: %w", ctx.Err())
	}
	s.sweep(ctx, newest, now)
	return writeError(records, failures)
}

// recordsPerBatchMin is how many records are worth a request of their own.
const recordsPerBatchMin = 200

// usualBytes is what most records take of a request, or more.
const usualBytes = 2 << 10

// recordsPerBatch divides a write among requests that are under way at once.
func (s *Store) recordsPerBatch(records int) int {
	return max(recordsPerBatchMin, (records+s.options.Writers-1)/s.options.Writers)
}

// encode writes records as requests of bounded size. Each is sent while the next is written.
func (s *Store) encode(records []*visibility.Record, now time.Time, perBatch int, out *senders) {
	current := batch{text: make([]byte, 0, min(min(len(records), perBatch)*usualBytes, s.options.BatchBytes))}
	for _, rec := range records {
		before := len(current.text)
		text, err := encodeAction(current.text, rec, now)
		if err != nil {
			out.failed(failure{rec, visibility.Refused, err})
			current.text = text[:before]
			continue
		}
		if before > 0 && (len(text) > s.options.BatchBytes || len(current.records) == perBatch) {
			out.send(batch{text[:before:before], current.records})
			current = batch{text: append(make([]byte, 0, before+before/8), text[before:]...)}
		} else {
			current.text = text
		}
		current.records = append(current.records, rec)
	}
	if len(current.records) > 0 {
		out.send(current)
	}
}

func encodeAction(b []byte, rec *visibility.Record, now time.Time) ([]byte, error) {
	if rec.Version < 0 {
		return b, fmt.Errorf("version %d is negative", rec.Version)
	}
	return appendAction(b, rec, now)
}

// senders send the batches of one write.
type senders struct {
	store    *Store
	ctx      context.Context
	underWay sync.WaitGroup
	mu       sync.Mutex
	failures []failure
}

func (s *Store) newSenders(ctx context.Context) *senders { return &senders{store: s, ctx: ctx} }

// send begins to send a batch.
func (w *senders) send(b batch) {
	w.underWay.Go(func() { w.failed(w.store.sendInTurn(w.ctx, b)...) })
}

func (w *senders) failed(failures ...failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, failures...)
}

// wait returns what was not taken once everything is answered.
func (w *senders) wait() []failure {
	w.underWay.Wait()
	return w.failures
}

// sendInTurn waits until a request may begin.
func (s *Store) sendInTurn(ctx context.Context, b batch) []failure {
	select {
	case s.writers <- struct{}{}:
		defer func() { <-s.writers }()
	case <-ctx.Done():
		return allFailed(b.records, visibility.Busy, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return s.send(ctx, b)
}

// send writes a batch. One that is too large for the server goes in halves.
func (s *Store) send(ctx context.Context, b batch) []failure {
	answer, err := s.bulk(ctx, b.text)
	switch {
	case isAnswer(err, http.StatusRequestEntityTooLarge, "") && len(b.records) > 1:
		return s.sendHalves(ctx, b)
	case err != nil:
		return allFailed(b.records, classOfRequest(err), err)
	case len(answer.Items) != len(b.records):
		err = fmt.Errorf("bulk answer has %d items for %d records", len(answer.Items), len(b.records))
		return allFailed(b.records, visibility.Busy, err)
	default:
		return answer.failures(b.records)
	}
}

func (s *Store) sendHalves(ctx context.Context, b batch) []failure {
	var failures []failure
	middle := len(b.records) / 2
	for _, half := range [][]*visibility.Record{b.records[:middle], b.records[middle:]} {
		text, err := Bulk(half, time.Now())
		if err != nil {
			return append(failures, allFailed(half, visibility.Refused, err)...)
		}
		failures = append(failures, s.send(ctx, batch{text, half})...)
	}
	return failures
}

// Bulk is the body of a bulk request that writes records at a time. Write sends
// nothing else; a bench sends it without a store.
func Bulk(records []*visibility.Record, now time.Time) ([]byte, error) {
	text := make([]byte, 0, len(records)*usualBytes)
	for _, rec := range records {
		var err error
		if text, err = encodeAction(text, rec, now); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// bulkAnswer has an item for each action, in their order.
type bulkAnswer struct {
	Items []map[string]bulkItem `json:"items"`
}

type bulkItem struct {
	Status int    `json:"status"`
	Error  *cause `json:"error"`
}

// bulk sends actions to the index that is written. An index that is not there
// is an error: one that Elasticsearch made up would have no mapping.
func (s *Store) bulk(ctx context.Context, text []byte) (*bulkAnswer, error) {
	mustBeAlias := true
	request := esapi.BulkRequest{
		Index: s.writeAlias(), Body: bytes.NewReader(text), RequireAlias: &mustBeAlias,
		FilterPath: []string{"items.*.status", "items.*.error.type", "items.*.error.reason"},
	}
	answer, err := request.Do(ctx, s.transport)
	out := &bulkAnswer{}
	return out, decode(answer, err, out)
}

// failures matches items to records by their place.
func (a *bulkAnswer) failures(records []*visibility.Record) []failure {
	var failures []failure
	for i, item := range a.Items {
		for _, result := range item { // one
			if class, err := result.verdict(); err != nil {
				failures = append(failures, failure{records[i], class, err})
			}
		}
	}
	return failures
}

func allFailed(records []*visibility.Record, class visibility.Class, err error) []failure {
	failures := make([]failure, len(records))
	for i, rec := range records {
		failures[i] = failure{rec, class, err}
	}
	return failures
}

// writeError tells the places of failed records; nil when there are none.
func writeError(records []*visibility.Record, failures []failure) error {
	if len(failures) == 0 {
		return nil
	}
	places := make(map[*visibility.Record]int, len(records))
	for i, rec := range records {
		places[rec] = i
	}
	result := &visibility.WriteError{Items: make([]visibility.ItemError, len(failures))}
	for i, f := range failures {
		result.Items[i] = visibility.ItemError{Index: places[f.record], Class: f.class, Err: f.err}
	}
	return result
}

// classOfRequest tells what a failed request means for all records in it.
func classOfRequest(err error) visibility.Class {
	var answered *answerError
	switch {
	case errors.As(err, &answered):
		class := classOf(answered.Status, answered.cause)
		if class == visibility.Refused {
			return visibility.Busy // the records are not to blame
		}
		return class
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return visibility.Busy
	default:
		return visibility.Blocked // nobody is there
	}
}
