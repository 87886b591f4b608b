// Command elastic measures what Elasticsearch's bulk API takes of ready-made requests, and what it takes
// of the same records through the store and through the indexer, and prints the rates as JSON.
//
//	go run ./bench/elastic --records 100000 --rounds 5
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/elastic"
	"perdure/visibility/indexer"
)

// settings are the flags.
type settings struct {
	url                             string
	records, batch, senders, rounds int
}

func main() {
	var s settings
	flag.StringVar(&s.url, "url", "", "of a server; empty: one of the bench's own, installed by .ci/prepare")
	flag.IntVar(&s.records, "records", 50_000, "records of a round, each to a new index")
	flag.IntVar(&s.batch, "batch", 1000, "records of a bulk request and of a write")
	flag.IntVar(&s.senders, "senders", 2, "requests at once")
	flag.IntVar(&s.rounds, "rounds", 5, "measured rounds; one before them warms the server up")
	flag.Parse()
	if err := s.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report is the output: records a second of each way, as medians of the rounds. The ratios are medians of each round's, so that
// what else the machine does in a round meets all ways.
type report struct {
	Records      int                  `json:"records"`
	Batch        int                  `json:"batch"`
	Senders      int                  `json:"senders"`
	CPUs         int                  `json:"cpus"`
	BytesPerDoc  int                  `json:"bulk_bytes_per_record"`
	Rounds       map[string][]float64 `json:"records_per_second_by_round"`
	Median       map[string]float64   `json:"records_per_second"`
	StoreToRaw   float64              `json:"store_to_raw"`
	IndexerToRaw float64              `json:"indexer_to_raw"`
}

// ways are how records get to the server. Each leaves as many documents behind.
var ways = map[string]func(ctx context.Context, r *round) error{
	"raw": sendRaw, "store": writeStore, "indexer": feedIndexer,
}

func (s settings) run(ctx context.Context) error {
	if s.url == "" {
		url, stop, err := estest.Standalone()
		if err != nil {
			return err
		}
		defer stop() //nolint:errcheck // it has no data that anyone wants
		s.url = url
	}
	out := report{Records: s.records, Batch: s.batch, Senders: s.senders, CPUs: runtime.NumCPU(), Rounds: map[string][]float64{}, Median: map[string]float64{}}
	records := makeRecords(s.records)
	bodies, bytesPerDoc, err := makeBodies(records, s.batch)
	if err != nil {
		return err
	}
	out.BytesPerDoc = bytesPerDoc
	for n := range s.rounds + 1 {
		for _, way := range []string{"raw", "store", "indexer"} {
			rate, err := s.measure(ctx, way, records, bodies)
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			if n > 0 {
				out.Rounds[way] = append(out.Rounds[way], rate)
			}
		}
	}
	out.finish()
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

func (r *report) finish() {
	for way, rates := range r.Rounds {
		sorted := slices.Sorted(slices.Values(rates))
		r.Median[way] = sorted[len(sorted)/2]
	}
	r.StoreToRaw, r.IndexerToRaw = r.ratio("store"), r.ratio("indexer")
}

func (r *report) ratio(way string) float64 {
	ratios := make([]float64, len(r.Rounds[way]))
	for n, rate := range r.Rounds[way] {
		ratios[n] = rate / r.Rounds["raw"][n]
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func makeBodies(records []*visibility.Record, batch int) (bodies [][]byte, bytesPerDoc int, err error) {
	total := 0
	for some := range slices.Chunk(records, batch) {
		body, err := elastic.Bulk(some, time.Now())
		if err != nil {
			return nil, 0, err
		}
		bodies = append(bodies, body)
		total += len(body)
	}
	return bodies, total / max(1, len(records)), nil
}

// round is one way, measured once.
type round struct {
	settings
	prefix  string
	store   *elastic.Store
	records []*visibility.Record
	bodies  [][]byte
}

// measure returns records a second until everything is acknowledged. The index is new, and gone afterwards.
func (s settings) measure(ctx context.Context, way string, records []*visibility.Record, bodies [][]byte) (float64, error) {
	r := &round{settings: s, prefix: estest.Prefix(), records: records, bodies: bodies}
	store, err := elastic.Open(ctx, elastic.Options{URLs: []string{s.url}, Prefix: r.prefix, Writers: s.senders})
	if err != nil {
		return 0, err
	}
	defer store.Close()
	r.store = store
	begun := time.Now()
	if err := ways[way](ctx, r); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	if err := r.check(ctx); err != nil {
		return 0, err
	}
	return float64(len(records)) / took.Seconds(), call(ctx, http.MethodDelete, s.url+"/"+r.prefix+"-s1-0001", nil)
}

// check demands that all records are in the index.
func (r *round) check(ctx context.Context) error {
	if err := r.store.Refresh(ctx); err != nil {
		return err
	}
	digests, err := r.store.Digests(ctx, benchNamespace)
	if err != nil {
		return err
	}
	found := int64(0)
	for _, digest := range digests {
		found += digest.Count
	}
	if found != int64(len(r.records)) {
		return fmt.Errorf("%d of %d records are in the index", found, len(r.records))
	}
	return nil
}

// sendRaw sends the bodies as they are.
func sendRaw(ctx context.Context, r *round) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.senders)
	for _, body := range r.bodies {
		group.Go(func() error {
			return call(ctx, http.MethodPost, r.url+"/"+r.prefix+"-write/_bulk?filter_path=errors", body)
		})
	}
	return group.Wait()
}

func writeStore(ctx context.Context, r *round) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.senders)
	for some := range slices.Chunk(r.records, r.batch) {
		group.Go(func() error { return r.store.Write(ctx, some) })
	}
	return group.Wait()
}

// feedIndexer is the way of a server: record by record into the queue.
func feedIndexer(ctx context.Context, r *round) error {
	feed := indexer.New(indexer.Config{Store: r.store, Writers: r.senders})
	for _, rec := range r.records {
		if err := feed.Enqueue(ctx, rec, time.Now(), nil); err != nil {
			return err
		}
	}
	return feed.Close(ctx)
}

// call fails unless the server answers well and no item of a bulk request failed.
func call(ctx context.Context, method, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode >= 300 || strings.Contains(string(text), `"errors":true`)) {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}
