package metrics

import (
	"bytes"
	"net/http/httptest"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// scrapeAs asks as a Prometheus does.
func scrapeAs(t *testing.T, reg *Registry, accept string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, request)
	return w
}

const protobufAccept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// families reads the protobuf form, the only one with native histograms.
func families(t *testing.T, reg *Registry) map[string]*dto.MetricFamily {
	t.Helper()
	w := scrapeAs(t, reg, protobufAccept)
	decoder := expfmt.NewDecoder(bytes.NewReader(w.Body.Bytes()), expfmt.ResponseFormat(w.Header()))
	found := map[string]*dto.MetricFamily{}
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); err != nil {
			require.EqualError(t, err, "EOF")
			return found
		}
		found[f.GetName()] = &f
	}
}

func TestTimesHaveBothForms(t *testing.T) {
	reg := NewRegistry()
	CommitWait.In(reg, None{}).Seconds(7 * time.Millisecond)
	CommitBytes.In(reg, None{}).Observe(1000)
	found := families(t, reg)

	wait := found["perdure_commit_wait_seconds"].GetMetric()[0].GetHistogram()
	require.Len(t, wait.GetBucket(), len(fast))
	require.EqualValues(t, 3, wait.GetSchema(), "a bucket grows by a tenth at most")
	require.NotEmpty(t, wait.GetPositiveSpan())
	require.Empty(t, found["perdure_commit_group_bytes"].GetMetric()[0].GetHistogram().GetPositiveSpan(), "sizes have buckets only")
}

func TestBucketsCanBeLeftOut(t *testing.T) {
	reg := NewRegistry()
	reg.Configure(Options{NativeOnly: true})
	CommitWait.In(reg, None{}).Seconds(7 * time.Millisecond)
	CommitBytes.In(reg, None{}).Observe(1000)
	found := families(t, reg)
	require.Empty(t, found["perdure_commit_wait_seconds"].GetMetric()[0].GetHistogram().GetBucket())
	require.NotEmpty(t, found["perdure_commit_wait_seconds"].GetMetric()[0].GetHistogram().GetPositiveSpan())
	require.NotEmpty(t, found["perdure_commit_group_bytes"].GetMetric()[0].GetHistogram().GetBucket())
}

func TestTracesAreExemplars(t *testing.T) {
	reg := NewRegistry()
	CommitWait.In(reg, None{}).Traced(7*time.Millisecond, "")
	CommitWait.In(reg, None{}).Traced(8*time.Millisecond, "0102030405060708090a0b0c0d0e0f10")
	body := scrapeAs(t, reg, "application/openmetrics-text; version=1.0.0").Body.String()
	require.Contains(t, body, `perdure_commit_wait_seconds_bucket{le="0.01"} 2 # {trace_id="0102030405060708090a0b0c0d0e0f10"} 0.008`)
}

func TestCommunityNames(t *testing.T) {
	reg := NewRegistry()
	require.NotContains(t, scrapeAs(t, reg, "").Body.String(), "service_requests")
	reg.Configure(Options{Compat: true})
	for _, code := range []string{"OK", "NotFound", "ResourceExhausted"} {
		GRPCRequests.In(reg, Call{Method: "StartWorkflowExecution", Code: code, Namespace: "default"}).Inc()
	}
	GRPCDuration.In(reg, Method{Method: "StartWorkflowExecution"}).Seconds(7 * time.Millisecond)
	WorkflowsClosed.In(reg, Closed{Namespace: "default", Status: "timed_out"}).Inc()
	MatchLatency.In(reg, Match{TaskType: "workflow", Kind: "sync"}).Seconds(time.Second)
	body := scrapeAs(t, reg, "").Body.String()
	for _, line := range []string{
		`service_requests{namespace="default",operation="StartWorkflowExecution",service_name="frontend"} 3`,
		`service_errors{namespace="default",operation="StartWorkflowExecution",service_name="frontend"} 2`,
		`service_errors_entity_not_found{namespace="default",operation="StartWorkflowExecution",service_name="frontend"} 1`,
		`service_error_with_type{error_type="ResourceExhausted",namespace="default",operation="StartWorkflowExecution",service_name="frontend"} 1`,
		`service_latency_bucket{operation="StartWorkflowExecution",service_name="frontend",le="5"} 0`,
		`service_latency_bucket{operation="StartWorkflowExecution",service_name="frontend",le="10"} 1`,
		`service_latency_sum{operation="StartWorkflowExecution",service_name="frontend"} 7`,
		`workflow_timeout{namespace="default",service_name="history"} 1`,
		`syncmatch_latency_count{service_name="matching",task_type="workflow"} 1`,
		`perdure_grpc_requests_total{code="OK",method="StartWorkflowExecution",namespace="default"} 1`,
	} {
		require.Contains(t, body, line+"\n")
	}
}

// TestCommunityNamesAreMadeOfWhatIsThere: an alias of a label that is gone would be empty for ever.
func TestCommunityNamesAreMadeOfWhatIsThere(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range aliases {
		require.False(t, seen[a.name], a.name)
		seen[a.name] = true
		require.True(t, model.LegacyValidation.IsValidMetricName(a.name), a.name)
		for name := range a.only {
			require.Contains(t, a.from.Labels, name, a.name)
		}
		for _, here := range a.labels {
			require.Contains(t, a.from.Labels, here, a.name)
		}
	}
	require.GreaterOrEqual(t, len(seen), 35)
}
