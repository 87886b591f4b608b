package search

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/internal/estest"
)

// listAside lists in the background. The call ends with cancel; what it came to is in done.
func (s *site) listAside() (cancel context.CancelFunc, done chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() {
		_, err := s.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: "WorkflowType = 'W'"})
		done <- err
	}()
	return cancel, done
}

// TestCancelledCallEndsItsQueryInPostgres holds a query up by a lock, and looks at the server's own list of what it does.
func TestCancelledCallEndsItsQueryInPostgres(t *testing.T) {
	address := storeURL(t, "postgres")
	c := settings(map[string]string{"pg": address}, "")
	c.Limits.VisibilityQueryTimeout = time.Hour
	s := open(t, c)
	_, err := s.StartWorkflowExecution(t.Context(), startOf("default", "w"))
	require.NoError(t, err)
	require.Equal(t, []string{"w"}, s.listed("default", "WorkflowType = 'W'"))

	locker, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer locker.Close(context.Background())
	watcher, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer watcher.Close(context.Background())
	lock, err := locker.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE visibility_executions IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	waiting := func() (n int) {
		require.NoError(t, watcher.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%SELECT%visibility_executions%'`).Scan(&n))
		return n
	}
	cancel, done := s.listAside()
	require.Eventually(t, func() bool { return waiting() == 1 }, within, 10*time.Millisecond)
	cancel()
	require.Equal(t, codes.Canceled, status.Code(<-done))
	require.Eventually(t, func() bool { return waiting() == 0 }, within, 10*time.Millisecond)
	require.NoError(t, lock.Rollback(t.Context()))
	require.Equal(t, []string{"w"}, s.listed("default", "WorkflowType = 'W'"))
	require.Eventually(t, func() bool {
		return s.metrics.Value("perdure_visibility_query_total", "list", "canceled", "list", "postgresql") == 1
	}, within, time.Millisecond)
}

// TestCancelledCallEndsItsRequestToElasticsearch stands between the two and holds a search up: Elasticsearch ends a search
// whose request has gone.
func TestCancelledCallEndsItsRequestToElasticsearch(t *testing.T) {
	target, err := url.Parse(estest.URL(t))
	require.NoError(t, err)
	var holds atomic.Bool
	held, gone := make(chan struct{}), make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(target)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the request has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if holds.Load() && bytes.Contains(body, []byte(`"W"`)) { // the store also searches for its own needs
			close(held)
			<-r.Context().Done()
			close(gone)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)
	c := settings(map[string]string{"es": "elasticsearch+" + between.URL + "/" + estest.Prefix() + "?refresh=100ms"}, "")
	c.Limits.VisibilityQueryTimeout = time.Hour
	s := open(t, c)
	_, err = s.StartWorkflowExecution(t.Context(), startOf("default", "w"))
	require.NoError(t, err)
	require.Equal(t, []string{"w"}, s.listed("default", "WorkflowType = 'W'"))
	holds.Store(true)
	cancel, done := s.listAside()
	await(t, held, "the search")
	cancel()
	require.Equal(t, codes.Canceled, status.Code(<-done))
	await(t, gone, "the end of the request to Elasticsearch")
	s.stop()
}

func await(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(within):
		require.Fail(t, "it does not come", what)
	}
}
