package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/audit"
	"perdure/visibility/query"
)

// operated is a server with two stores of search records, and its operations over HTTP.
type operated struct {
	*trial
	http *httptest.Server
}

func startOperated(t *testing.T) *operated {
	t.Helper()
	c := config.Default()
	c.Store, c.Namespaces, c.Shards = "memory:", []string{"default"}, 2
	c.Search = config.Search{Stores: map[string]string{"a": "memory:", "b": "memory:"}, Reads: "a", Shadow: "b"}
	require.NoError(t, c.Validate())
	s := &trial{t: t, metrics: metrics.NewRegistry(), log: &logged{}}
	var err error
	s.services, err = startServices(t.Context(), c, Options{
		Version: "trial", Logger: slog.New(slog.NewTextHandler(s.log, nil)), Metrics: s.metrics,
	})
	require.NoError(t, err)
	s.connect()
	o := &operated{s, httptest.NewServer(s.services.operations().handler(http.NotFoundHandler()))}
	t.Cleanup(func() { o.http.Close(); s.stop() })
	return o
}

// ask sends an operation and returns the status and the answer.
func (o *operated) ask(method, path, body string) (int, string) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), method, o.http.URL+operationsPath+path, strings.NewReader(body))
	require.NoError(o.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(o.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(o.t, err)
	return response.StatusCode, string(text)
}

// audit compares a store; it returns the summary and the number of differences that were told.
func (o *operated) audit(body string) (summary audit.Summary, told int) {
	o.t.Helper()
	status, text := o.ask("POST", "audit", body)
	require.Equal(o.t, http.StatusOK, status, text)
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var read AuditLine
		require.NoError(o.t, json.Unmarshal([]byte(line), &read))
		require.Empty(o.t, read.Error)
		if read.Difference != nil {
			told++
		} else {
			summary = *read.Summary
		}
	}
	return summary, told
}

func (o *operated) status(name string) SearchStatus {
	o.t.Helper()
	status, text := o.ask("GET", "stores", "")
	require.Equal(o.t, http.StatusOK, status)
	var list []SearchStatus
	require.NoError(o.t, json.Unmarshal([]byte(text), &list))
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	require.Fail(o.t, "no such store", name)
	return SearchStatus{}
}

// load starts and ends some workflows, until it is told to stop.
func (o *operated) load(stop <-chan struct{}) {
	for i := range 3000 {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprint("load-", i)
		if _, err := o.StartWorkflowExecution(o.t.Context(), startOf(id)); err != nil {
			o.t.Error(err)
			return
		}
		if i%2 == 0 {
			_, err := o.TerminateWorkflowExecution(o.t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{
				Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
			})
			if err != nil {
				o.t.Error(err)
				return
			}
		}
	}
}

// wipe empties a store behind the server's back: what there is goes, one by one.
func (o *operated) wipe(name string) int {
	o.t.Helper()
	s := o.services.searchStores.named(name).store
	inventory := s.(visibility.Inventory)
	names, err := inventory.Namespaces(o.t.Context())
	require.NoError(o.t, err)
	wiped := 0
	for _, ns := range names {
		digests, err := inventory.Digests(o.t.Context(), ns)
		require.NoError(o.t, err)
		for _, d := range digests {
			keys, err := inventory.Keys(o.t.Context(), ns, d.Bucket, "", 1<<20)
			require.NoError(o.t, err)
			wiped += len(keys)
		}
	}
	s.(interface{ Wipe() }).Wipe()
	return wiped
}

// A store is wiped under load and rebuilt; then it has every run, and nothing else.
func TestRebuildOfAWipedStore(t *testing.T) {
	o := startOperated(t)
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { o.load(stop) })
	require.Eventually(t, func() bool { return o.metrics.Value("perdure_visibility_docs_total", "index", "ok", "b") > 300 }, time.Minute, time.Millisecond)
	require.Positive(t, o.wipe("b"))
	orphan := &visibility.Record{NamespaceID: "nowhere", WorkflowID: "w", RunID: "orphan", Version: 4}
	require.NoError(t, o.services.searchStores.named("b").store.Write(t.Context(), []*visibility.Record{orphan}))
	status, text := o.ask("POST", "rebuild", `{"store":"b","again":true}`)
	require.Equal(t, http.StatusOK, status, text)
	require.Eventually(t, func() bool { return o.status("b").Rebuild.Phase == "done" }, time.Minute, 10*time.Millisecond)
	close(stop)
	load.Wait()
	require.NoError(t, o.services.history.Fresh(t.Context()))
	require.EqualValues(t, 1, o.status("b").Rebuild.Removed)
	require.NoError(t, o.services.searchStores.named("b").indexer.Flush(t.Context()))
	for _, name := range []string{"a", "b"} {
		summary, told := o.audit(`{"store":"` + name + `"}`)
		require.Zero(t, summary.Differences(), "%+v", summary)
		require.Zero(t, told)
		require.Greater(t, summary.Runs, int64(300))
	}
}

// An audit names what differs, and a repair brings it in line.
func TestAuditAndRepair(t *testing.T) {
	o := startOperated(t)
	runs := map[string]string{}
	for _, id := range []string{"whole", "missing", "stale"} {
		r, err := o.StartWorkflowExecution(t.Context(), startOf(id))
		require.NoError(t, err)
		runs[id] = r.RunId
	}
	for _, id := range []string{"whole", "stale"} {
		_, err := o.TerminateWorkflowExecution(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		})
		require.NoError(t, err)
	}
	require.NoError(t, o.services.history.Fresh(t.Context()))
	b := o.services.searchStores.named("b")
	require.NoError(t, b.indexer.Flush(t.Context()))
	kept, _, err := b.store.List(t.Context(), listRequest(t, o.namespaceID()))
	require.NoError(t, err)
	b.store.(interface{ Wipe() }).Wipe()
	for _, rec := range kept {
		rec := *rec
		switch rec.RunID {
		case runs["missing"]:
			continue
		case runs["stale"]:
			rec.Version, rec.Status, rec.CloseTime = rec.Version-1, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, time.Time{}
		case runs["whole"]:
			rec.Version-- // says the same
		}
		require.NoError(t, b.store.Write(t.Context(), []*visibility.Record{&rec}))
	}
	require.NoError(t, b.store.Write(t.Context(), []*visibility.Record{{NamespaceID: o.namespaceID(), WorkflowID: "w", RunID: "orphan", Version: 1}}))
	want := audit.Summary{Runs: 3, Buckets: 2, DifferentFirst: 2, Missing: 1, Stale: 1, Orphans: 1}
	summary, told := o.audit(`{"store":"b","namespace":"default","repair":true}`)
	require.Equal(t, want, summary)
	require.Equal(t, 3, told)
	summary, _ = o.audit(`{"store":"b"}`)
	require.Zero(t, summary.Differences())
	status, text := o.ask("POST", "audit", `{"store":"nowhere"}`)
	require.Contains(t, text, "no search store", "%d", status)
	status, _ = o.ask("POST", "rebuild", `{"shop":"b"}`)
	require.Equal(t, http.StatusBadRequest, status)
}

func (o *operated) namespaceID() string {
	ns, err := o.services.namespaces.ByName(o.t.Context(), "default")
	require.NoError(o.t, err)
	return ns.ID
}

// Dead letters are listed, given to the store again as their runs are now, and forgotten.
func TestDeadLettersAreRetried(t *testing.T) {
	o := startOperated(t)
	r, err := o.StartWorkflowExecution(t.Context(), startOf("w"))
	require.NoError(t, err)
	require.NoError(t, o.services.history.Fresh(t.Context()))
	dead := o.services.searchStores.named("b").dead
	for _, runID := range []string{r.RunId, "gone"} {
		require.NoError(t, dead.Add(t.Context(), visibility.DeadLetter{
			Store: "b", NamespaceID: o.namespaceID(), WorkflowID: "w", RunID: runID, Error: "no number", FirstAt: time.Now(), Attempts: 1,
		}))
	}
	require.Equal(t, 2, o.status("b").DeadLetters)
	_, text := o.ask("POST", "dlq/list", `{"store":"b","namespace":"default"}`)
	require.Contains(t, text, "no number")
	_, text = o.ask("POST", "dlq/retry", `{"store":"b"}`)
	require.JSONEq(t, `{"written":1,"refused":0,"gone":1}`, text)
	require.Zero(t, o.status("b").DeadLetters)
	require.NoError(t, dead.Add(t.Context(), visibility.DeadLetter{Store: "b", NamespaceID: "n", RunID: "r"}))
	_, text = o.ask("POST", "dlq/purge", `{"store":"b"}`)
	require.Equal(t, "1", strings.TrimSpace(text))
}

// Operations are for callers on this machine.
func TestOperationsAreServedHereOnly(t *testing.T) {
	for address, want := range map[string]int{"127.0.0.1:9": http.StatusOK, "[::1]:9": http.StatusOK, "10.0.0.7:9": http.StatusForbidden, "": http.StatusForbidden} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest("GET", "/", nil)
		request.RemoteAddr = address
		onlyHere(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })(recorder, request)
		require.Equal(t, want, recorder.Code, address)
	}
}

func listRequest(t *testing.T, namespaceID string) visibility.ListRequest {
	t.Helper()
	q := &query.Query{}
	require.NoError(t, query.CheckList(q, nil))
	return visibility.ListRequest{NamespaceID: namespaceID, Query: q}
}
