package frontend_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/frontend"
)

// page is an answer of the HTTP API.
type page struct {
	status int
	header http.Header
	body   string
}

func (p page) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.body), &v), p.body)
	return v
}

func (b *bundle) http(t *testing.T, c frontend.HTTPConfig) func(method, path, body string, headers ...string) page {
	t.Helper()
	handler, err := b.frontend.HTTPHandler(c)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return func(method, path, body string, headers ...string) page {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
			if headers[i] == "Host" {
				req.Host = headers[i+1]
			}
		}
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return page{resp.StatusCode, resp.Header, string(data)}
	}
}

func jsonPayloads(text string) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}}}
}

func TestHTTPStartTakesShortPayloads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.StartWorkflowExecutionResponse{RunId: "r", Started: true}
	call := b.http(t, frontend.HTTPConfig{})
	body := `{"workflowType": {"name": "order"}, "taskQueue": {"name": "orders"}, "input": [{"total": 12}], "workflowRunTimeout": "20s"}`
	for _, prefix := range []string{"/api/v1", ""} {
		got := call("POST", prefix+"/namespaces/default/workflows/order-1", body)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, map[string]any{"runId": "r", "started": true}, got.json(t))
		req := b.behind.last().(*workflowservice.StartWorkflowExecutionRequest)
		require.Equal(t, "order-1", req.GetWorkflowId())
		require.JSONEq(t, `{"total": 12}`, string(req.GetInput().GetPayloads()[0].GetData()))
		require.Equal(t, int64(20), req.GetWorkflowTaskTimeout().GetSeconds()*2, "defaults are filled in")
	}
}

func TestHTTPPayloadsAreShortUnlessAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.QueryWorkflowResponse{QueryResult: jsonPayloads(`{"a":1}`)}
	call := b.http(t, frontend.HTTPConfig{})
	const path, body = "/api/v1/namespaces/default/workflows/w/query/state", `{"query": {"queryType": "state", "queryArgs": ["x"]}}`
	short := call("POST", path, body)
	require.Equal(t, 200, short.status, short.body)
	require.Equal(t, []any{map[string]any{"a": 1.0}}, short.json(t)["queryResult"])
	require.Equal(t, "application/json", short.header.Get("Content-Type"))
	query := b.behind.last().(*workflowservice.QueryWorkflowRequest).GetQuery()
	require.Equal(t, &querypb.WorkflowQuery{QueryType: "state"}, &querypb.WorkflowQuery{QueryType: query.GetQueryType()})
	for _, full := range []page{call("POST", path+"?noPayloadShorthand", body), call("POST", path, body, "Accept", "application/json+no-payload-shorthand")} {
		require.Contains(t, full.body, `"data":"eyJhIjoxfQ=="`)
	}
	for _, pretty := range []page{call("POST", path+"?pretty=true", body), call("POST", path, body, "Accept", "application/json+pretty")} {
		require.Contains(t, pretty.body, "\n  ")
	}
}

func TestHTTPErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	call := b.http(t, frontend.HTTPConfig{})
	got := call("GET", "/api/v1/namespaces/nope", "")
	require.Equal(t, 404, got.status)
	shown := got.json(t)
	require.Equal(t, "Namespace nope is not found.", shown["message"])
	require.Equal(t, 5.0, shown["code"])
	require.Equal(t, "nope", shown["details"].([]any)[0].(map[string]any)["namespace"])
	require.Equal(t, 400, call("POST", "/api/v1/namespaces/default/workflows/w", `{"workflowType": 5}`).status)
	require.Equal(t, 501, call("GET", "/api/v1/namespaces/default/schedules", "").status)
	require.Equal(t, 404, call("GET", "/no/such/route", "").status)
	require.Equal(t, 400, call("POST", "/api/v1/namespaces/default/workflows/w", `{"identity":"`+strings.Repeat("x", 5<<20)+`"}`).status)
}

func TestHTTPQueryParametersAndHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.GetWorkflowExecutionHistoryResponse{}
	call := b.http(t, frontend.HTTPConfig{})
	got := call("GET", "/api/v1/namespaces/default/workflows/w/history?execution.runId=00000000-0000-0000-0000-000000000001&maximumPageSize=7", "",
		"Client-Name", "temporal-ui", "Client-Version", "2.0.0")
	require.Equal(t, 200, got.status, got.body)
	req := b.behind.last().(*workflowservice.GetWorkflowExecutionHistoryRequest)
	require.Equal(t, "00000000-0000-0000-0000-000000000001", req.GetExecution().GetRunId())
	require.Equal(t, int32(7), req.GetMaximumPageSize())
	require.True(t, b.behind.hidden)
	require.Equal(t, 400, call("GET", "/api/v1/system-info", "", "Client-Name", "temporal-go", "Client-Version", "9.0.0").status)
}

func TestHTTPHostsAndDocuments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var observed []int
	call := b.http(t, frontend.HTTPConfig{Hosts: []string{"perdure.example"}, Observe: func(_ string, status int, _ float64) { observed = append(observed, status) }})
	require.Equal(t, 403, call("GET", "/api/v1/system-info", "").status)
	require.Equal(t, 200, call("GET", "/api/v1/system-info", "", "Host", "perdure.example:7243").status)
	swagger := call("GET", "/swagger.json", "", "Host", "perdure.example")
	require.Equal(t, "2.0", swagger.json(t)["swagger"])
	require.Contains(t, call("GET", "/openapi.yaml", "", "Host", "perdure.example", "Accept-Encoding", "identity").body, "openapi: 3")
	require.Equal(t, []int{403, 200, 200, 200}, observed)
}
