package frontend_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/frontend"
	"perdure/server/searchpb"
	"perdure/visibility"
)

func TestViewsOverGRPC(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	client := searchpb.NewSearchServiceClient(b.conn)
	_, err := client.CreateView(ctx, &searchpb.CreateViewRequest{Namespace: "nowhere", View: &searchpb.View{Name: "v", Query: "RunId = 'r'"}})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = client.CreateView(ctx, &searchpb.CreateViewRequest{Namespace: "default", View: &searchpb.View{Name: "v", Query: "Nothing = 'r'"}})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = client.CreateView(ctx, &searchpb.CreateViewRequest{Namespace: "default", View: &searchpb.View{Name: "v", Query: "RunId = 'r'"}})
	require.NoError(t, err)
	got, err := client.GetView(ctx, &searchpb.GetViewRequest{Namespace: "default", Name: "v"})
	require.NoError(t, err)
	require.Equal(t, "RunId = 'r'", got.View.Query)
}

// overHTTP sends a request and returns the status and the body.
func overHTTP(t *testing.T, handler http.Handler, method, path, body string) (int, string) {
	t.Helper()
	recorded := httptest.NewRecorder()
	handler.ServeHTTP(recorded, httptest.NewRequest(method, path, strings.NewReader(body)))
	answer, err := io.ReadAll(recorded.Result().Body)
	require.NoError(t, err)
	return recorded.Code, string(answer)
}

func TestViewsOverHTTP(t *testing.T) {
	t.Parallel()
	b := setup(t)
	handler, err := b.frontend.HTTPHandler(frontend.HTTPConfig{})
	require.NoError(t, err)
	const views = "/perdure/v1/namespaces/default/views"
	code, body := overHTTP(t, handler, "POST", views, `{"name": "late ones", "query": "WorkflowType = :type", "columns": ["RunId"]}`)
	require.Equal(t, http.StatusOK, code, body)
	code, _ = overHTTP(t, handler, "POST", views, `{"name": "late ones", "query": "WorkflowType = 'b'"}`)
	require.Equal(t, http.StatusConflict, code)
	code, body = overHTTP(t, handler, "PUT", views+"/late%20ones", `{"query": "WorkflowType = 'c'"}`)
	require.Equal(t, http.StatusOK, code, body)
	code, body = overHTTP(t, handler, "GET", views, "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `WorkflowType = 'c'`)
	code, _ = overHTTP(t, handler, "POST", views, `{"nonsense": 1}`)
	require.Equal(t, http.StatusBadRequest, code)
	code, _ = overHTTP(t, handler, "DELETE", views+"/late%20ones", "")
	require.Equal(t, http.StatusOK, code)
	code, _ = overHTTP(t, handler, "GET", views+"/late%20ones", "")
	require.Equal(t, http.StatusNotFound, code)
}

// explainer is a finder that tells its plan.
type explainer struct {
	*finder
	asked visibility.ExplainRequest
}

func (e *explainer) Explain(_ context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	e.asked = req
	return visibility.Plan{Statement: "SELECT", Steps: []visibility.Step{{Kind: "Index Scan", Index: "by_type", Rows: 5}}}, nil
}

func TestExplainQuery(t *testing.T) {
	t.Parallel()
	_, err := searchpb.NewSearchServiceClient(setup(t).conn).ExplainQuery(context.Background(), &searchpb.ExplainQueryRequest{Namespace: "default"})
	require.Equal(t, codes.Unimplemented, status.Code(err))

	store := &explainer{finder: &finder{}}
	b := setup(t, func(c *frontend.Config) { c.Visibility = store })
	handler, err := b.frontend.HTTPHandler(frontend.HTTPConfig{})
	require.NoError(t, err)
	const path = "/perdure/v1/namespaces/default/explain"
	code, body := overHTTP(t, handler, "POST", path, `{"query": "GROUP BY ExecutionStatus", "counts": true}`)
	require.Equal(t, http.StatusOK, code, body)
	require.Contains(t, body, `by_type`)
	require.Contains(t, body, `aggregate`)
	require.True(t, store.asked.Counts)
	require.Equal(t, b.ns.ID, store.asked.NamespaceID)
	code, _ = overHTTP(t, handler, "POST", path, `{"query": "GROUP BY ExecutionStatus"}`)
	require.Equal(t, http.StatusBadRequest, code, "a list has no groups")
}

func TestQueriesNameViews(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	views := searchpb.NewSearchServiceClient(b.conn)
	_, err := views.CreateView(ctx, &searchpb.CreateViewRequest{Namespace: "default", View: &searchpb.View{
		Name: "of-type", Query: "WorkflowType = :type AND ExecutionStatus = 'Running'",
	}})
	require.NoError(t, err)
	list := func(text string) error {
		_, err := b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: text})
		return err
	}
	require.NoError(t, list("VIEW('of-type', type => 'Order') AND TaskQueue = 'q'"))
	require.Equal(t, "WorkflowType = 'Order' AND ExecutionStatus = 1 AND TaskQueue = 'q' AND TemporalNamespaceDivision IS NULL", b.visible.listed.Query.String())
	for _, text := range []string{"VIEW('of-type')", "VIEW('of-type', kind => 'Order')", "VIEW('none')"} {
		require.Equal(t, codes.InvalidArgument, status.Code(list(text)), text)
	}
}
