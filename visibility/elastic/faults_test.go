package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/elastic"
	"perdure/visibility/visibilitytest"
)

// run is an open run of namespace "ns".
func run(id string, version int64) *visibility.Record {
	start := time.Unix(1704067200, 0).UTC()
	return &visibility.Record{
		NamespaceID: "ns", WorkflowID: "w", RunID: id, Version: version, WorkflowType: "type", TaskQueue: "queue",
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start,
	}
}

// classes returns the class of each record that was not taken, by its place.
func classes(t *testing.T, err error) map[int]visibility.Class {
	t.Helper()
	var failed *visibility.WriteError
	require.ErrorAs(t, err, &failed)
	out := map[int]visibility.Class{}
	for _, item := range failed.Items {
		require.Error(t, item.Err)
		out[item.Index] = item.Class
	}
	return out
}

func versions(t *testing.T, s *elastic.Store) map[string]int64 {
	t.Helper()
	require.NoError(t, s.Refresh(t.Context()))
	found := map[string]int64{}
	req := visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")}
	for {
		page, token, err := s.List(t.Context(), req)
		require.NoError(t, err)
		for _, rec := range page {
			found[rec.RunID] = rec.Version
		}
		if len(token) == 0 {
			return found
		}
		req.PageToken = token
	}
}

// TestRefusedRecordsAreNamed checks that a record which the server can never take keeps no other out.
func TestRefusedRecordsAreNamed(t *testing.T) {
	s := open(t, estest.URL(t))
	huge := run("huge", 1)
	huge.WorkflowID = strings.Repeat("x", 40_000) // beyond what a term can have
	broken := run("broken", 1)
	broken.WorkflowType = "\xff"
	negative := run("negative", -1)
	err := s.Write(t.Context(), []*visibility.Record{run("a", 1), huge, run("b", 1), broken, negative, run("c", 1)})
	require.Equal(t, map[int]visibility.Class{1: visibility.Refused, 3: visibility.Refused, 4: visibility.Refused}, classes(t, err))
	require.Equal(t, map[string]int64{"a": 1, "b": 1, "c": 1}, versions(t, s))
}

// TestBlockedIndex checks that a block of the whole index, as a full disk makes it, is told from a busy server.
func TestBlockedIndex(t *testing.T) {
	url, prefix := estest.URL(t), estest.Prefix()
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
	require.NoError(t, err)
	defer s.Close()
	for _, block := range []string{"read_only_allow_delete", "read_only", "write"} {
		estest.Send(t, http.MethodPut, url+"/"+prefix+"-write/_settings", `{"index.blocks.`+block+`":true}`)
		err := s.Write(t.Context(), []*visibility.Record{run(block, 1), run(block+"2", 1)})
		require.Equal(t, map[int]visibility.Class{0: visibility.Blocked, 1: visibility.Blocked}, classes(t, err), block)
		estest.Send(t, http.MethodPut, url+"/"+prefix+"-write/_settings", `{"index.blocks.`+block+`":null}`)
		require.NoError(t, s.Write(t.Context(), []*visibility.Record{run(block, 1)}))
	}
	require.Len(t, versions(t, s), 3)
}

// TestWipedIndex checks that writes do not make an index up, and that Prepare makes a right one.
func TestWipedIndex(t *testing.T) {
	url, prefix := estest.URL(t), estest.Prefix()
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{run("a", 1)}))
	estest.Send(t, http.MethodDelete, url+"/"+prefix+"-s1-0001", "")
	err = s.Write(t.Context(), []*visibility.Record{run("b", 1)})
	require.Equal(t, map[int]visibility.Class{0: visibility.Blocked}, classes(t, err))
	_, _, err = s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")})
	require.Error(t, err, "an index that is not there is not an empty one")
	require.NoError(t, s.Prepare(t.Context()))
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{run("b", 1)}))
	require.Equal(t, map[string]int64{"b": 1}, versions(t, s))
}

// TestOpenRefusesWrongIndices: an index that loses records or grows without bound is not used.
func TestOpenRefusesWrongIndices(t *testing.T) {
	url := estest.URL(t)
	for body, message := range map[string]string{
		`"settings":{"index.translog.durability":"async"},"mappings":{"dynamic":false,"_meta":{"schema":1}}`: "durability",
		`"mappings":{"dynamic":false,"_meta":{"schema":7}}`:                                                  "schema 7",
		`"mappings":{"dynamic":true,"_meta":{"schema":1}}`:                                                   "dynamic",
	} {
		prefix := estest.Prefix()
		estest.Send(t, http.MethodPut, url+"/"+prefix+"-s1-0001", `{"aliases":{"`+prefix+`-write":{},"`+prefix+`-read":{}},`+body+`}`)
		_, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
		require.ErrorContains(t, err, message)
	}
	prefix := estest.Prefix()
	estest.Send(t, http.MethodPut, url+"/"+prefix+"-s1-0001",
		`{"aliases":{"`+prefix+`-write":{},"`+prefix+`-read":{}},"settings":{"index.translog.durability":"async"},"mappings":{"dynamic":false,"_meta":{"schema":1}}}`)
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix, AllowAsyncDurability: true, Refresh: 200 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Contains(t, estest.Send(t, http.MethodGet, url+"/"+prefix+"-write/_settings", ""), `"refresh_interval":"200ms"`)
}

func TestOptions(t *testing.T) {
	for _, options := range []elastic.Options{
		{}, {URLs: []string{"127.0.0.1:9200"}}, {URLs: []string{"http://127.0.0.1:1"}, Prefix: "UPPER"},
		{URLs: []string{"http://127.0.0.1:1"}, Prefix: "a/../b"}, {URLs: []string{"http://127.0.0.1:1"}, CACert: []byte("none")},
		{URLs: []string{"http://127.0.0.1:1"}},
	} {
		_, err := elastic.Open(t.Context(), options)
		require.Error(t, err)
	}
}

// TestManyAttributes writes more names than Elasticsearch would give fields to.
func TestManyAttributes(t *testing.T) {
	url, prefix := estest.URL(t), estest.Prefix()
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
	require.NoError(t, err)
	defer s.Close()
	before := estest.Send(t, http.MethodGet, url+"/"+prefix+"-write/_mapping", "")
	var records []*visibility.Record
	for i := range 50 {
		rec := run(fmt.Sprint("r", i), 1)
		fields := map[string]*commonpb.Payload{}
		for n := range 60 {
			fields[fmt.Sprintf("name-%d.%d", i, n)] = attr.Encode(int64(n), enumspb.INDEXED_VALUE_TYPE_INT)
		}
		rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: fields}
		records = append(records, rec)
	}
	require.NoError(t, s.Write(t.Context(), records))
	require.Len(t, versions(t, s), 50)
	require.Equal(t, before, estest.Send(t, http.MethodGet, url+"/"+prefix+"-write/_mapping", ""), "the mapping does not grow")
}

// TestDeadAndBusyServers checks what answers mean that a healthy server does not give.
func TestDeadAndBusyServers(t *testing.T) {
	real := estest.URL(t)
	var status int
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "_bulk") && status != 0 {
			w.WriteHeader(status)
			return
		}
		forward(w, r, real)
	}))
	s := open(t, proxy.URL)
	for code, class := range map[int]visibility.Class{
		http.StatusTooManyRequests: visibility.Busy, http.StatusServiceUnavailable: visibility.Busy, http.StatusBadGateway: visibility.Busy,
		http.StatusGatewayTimeout: visibility.Busy, http.StatusBadRequest: visibility.Busy, http.StatusUnauthorized: visibility.Blocked, http.StatusForbidden: visibility.Blocked,
	} {
		status = code
		err := s.Write(t.Context(), []*visibility.Record{run("a", 1)})
		require.Equal(t, map[int]visibility.Class{0: class}, classes(t, err), "%d", code)
	}
	status = 0
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{run("a", 1)}))
	proxy.Close()
	err := s.Write(t.Context(), []*visibility.Record{run("a", 2)})
	require.Equal(t, map[int]visibility.Class{0: visibility.Blocked}, classes(t, err))
}

// TestDeadNode checks that neither writes nor reads fail while one node of several lives.
func TestDeadNode(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{dead.URL, estest.URL(t)}, Prefix: estest.Prefix()})
	require.NoError(t, err)
	defer s.Close()
	for i := range 6 {
		require.NoError(t, s.Write(t.Context(), []*visibility.Record{run(fmt.Sprint(i), 1)}))
		require.Len(t, versions(t, s), i+1)
	}
}

// forward hands a request on to the real server.
func forward(w http.ResponseWriter, r *http.Request, address string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, address+r.URL.RequestURI(), r.Body)
	if err == nil {
		req.Header = r.Header
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(req); err == nil {
			defer answer.Body.Close()
			for _, name := range []string{"Content-Type", "Content-Encoding"} {
				w.Header().Set(name, answer.Header.Get(name))
			}
			w.WriteHeader(answer.StatusCode)
			_, err = io.Copy(w, answer.Body)
		}
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// TestSmallBatches cuts a write to requests below a size, and puts up with a
// server that takes less than we send.
func TestSmallBatches(t *testing.T) {
	const requestBytesMax = 3000
	real := estest.URL(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > requestBytesMax {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		forward(w, r, real)
	}))
	defer proxy.Close()
	for _, batchBytes := range []int{1, 2000, 1 << 20} {
		prefix := estest.Prefix()
		s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{real}, Prefix: prefix})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		s, err = elastic.Open(t.Context(), elastic.Options{URLs: []string{proxy.URL}, Prefix: prefix, BatchBytes: batchBytes})
		require.NoError(t, err)
		var records []*visibility.Record
		for i := range 50 {
			records = append(records, run(fmt.Sprint(i), 1))
		}
		require.NoError(t, s.Write(t.Context(), records))
		require.Len(t, versions(t, s), 50)
		require.NoError(t, s.Close())
	}
}

// TestRace lets writers race for the same runs, each with versions of its own, in
// all orders: the newest must win, deletions too.
func TestRace(t *testing.T) {
	url, prefix := estest.URL(t), estest.Prefix()
	const writers, rounds, runs = 4, 10, 20
	var done sync.WaitGroup
	for writer := range writers {
		s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
		require.NoError(t, err)
		done.Go(func() {
			defer s.Close()
			for round := range rounds {
				var records []*visibility.Record
				for i := range runs {
					version := int64(1 + writers*((round*7+i)%rounds) + writer) // each version once, in an order of its own
					rec := run(fmt.Sprint(i), version)
					rec.Deleted = i%2 == 0 && version == writers*rounds
					records = append(records, rec)
				}
				if err := s.Write(t.Context(), records); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	want := map[string]int64{}
	for i := 1; i < runs; i += 2 {
		want[fmt.Sprint(i)] = writers * rounds
	}
	s, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{url}, Prefix: prefix})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, want, versions(t, s))
}

// TestKilledServer kills the server in the midst of writes: what Write
// did not tell of is there afterwards, and deleted runs stay away though the
// server forgot whom it deleted.
func TestKilledServer(t *testing.T) {
	server := estest.Start(t)
	s := open(t, server.URL())
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{run("gone", 1)}))
	gone := run("gone", 5)
	gone.Deleted = true
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{gone}))
	ctx, cancel := context.WithCancel(t.Context())
	acknowledged := make(chan map[string]int64)
	var written atomic.Int64
	go writeUntil(ctx, s, acknowledged, &written)
	awaitWrites(t, &written)
	server.Crash()
	server.Restart()
	awaitWrites(t, &written)
	cancel()
	want := <-acknowledged
	require.NotEmpty(t, want)
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{run("gone", 4)}))
	found := versions(t, s)
	require.NotContains(t, found, "gone")
	for id, version := range want {
		require.GreaterOrEqual(t, found[id], version, id)
	}
}

// awaitWrites waits until some more writes went through.
func awaitWrites(t *testing.T, written *atomic.Int64) {
	t.Helper()
	before := written.Load()
	require.Eventually(t, func() bool { return written.Load() >= before+20 }, time.Minute, 5*time.Millisecond)
}

// writeUntil writes ever newer versions, and keeps and counts what was acknowledged.
func writeUntil(ctx context.Context, s *elastic.Store, acknowledged chan<- map[string]int64, written *atomic.Int64) {
	kept := map[string]int64{}
	defer func() { acknowledged <- kept }()
	for n := 1; ctx.Err() == nil; n++ {
		batch := []*visibility.Record{run(fmt.Sprint("r", n%10), int64(n)), run(fmt.Sprint("s", n), 1)}
		err := s.Write(ctx, batch)
		var failed *visibility.WriteError
		lost := map[int]bool{}
		if errors.As(err, &failed) {
			for _, item := range failed.Items {
				lost[item.Index] = true
			}
		} else if err != nil {
			continue
		}
		for i, rec := range batch {
			if !lost[i] {
				kept[rec.RunID] = rec.Version
			}
		}
		if len(lost) == 0 {
			written.Add(1)
		}
	}
}
