package outbound

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/nexus"
)

// receive runs a real HTTP server.
func receive(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func testClient(t *testing.T, c Config) *client {
	made := newClient(c)
	t.Cleanup(made.http.CloseIdleConnections)
	return made
}

func TestRequestAsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	url := receive(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Nexus-Request-Retryable", "false")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r, err := testClient(t, testConfig()).Post(t.Context(), nexus.Request{
		URL: url + "/a/b?c=d", Body: []byte("text"), Header: map[string]string{"content-type": "application/json", "nexus-operation-state": "succeeded"},
	})
	require.NoError(t, err)
	require.Equal(t, nexus.Response{StatusCode: 503, Status: "503 Service Unavailable", Retryable: "false"}, r)
	require.Equal(t, "POST /a/b?c=d text", got.Method+" "+got.RequestURI+" "+string(body))
	require.Equal(t, "succeeded", got.Header.Get("Nexus-Operation-State"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, "perdure", got.Header.Get("User-Agent"))
	require.Equal(t, int64(4), got.ContentLength)
}

// TestRedirectsAreNotFollowed: an allowed address must not lead to another.
func TestRedirectsAreNotFollowed(t *testing.T) {
	visited := false
	secret := receive(t, func(http.ResponseWriter, *http.Request) { visited = true })
	url := receive(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secret, http.StatusTemporaryRedirect)
	})
	r, err := testClient(t, testConfig()).Post(t.Context(), nexus.Request{URL: url})
	require.NoError(t, err)
	require.Equal(t, 307, r.StatusCode)
	require.False(t, visited)
}

func TestOnlyAllowedAddressesAreCalled(t *testing.T) {
	visited := false
	url := receive(t, func(http.ResponseWriter, *http.Request) { visited = true })
	config := testConfig()
	config.Allowed = nexus.AddressRules{{Pattern: "example.com"}}
	_, err := testClient(t, config).Post(t.Context(), nexus.Request{URL: url})
	require.ErrorIs(t, err, cluster.ErrNotAllowed)
	require.False(t, visited)
}

func TestNoAnswerInTime(t *testing.T) {
	release := make(chan struct{})
	url := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	config := testConfig()
	config.RequestTimeout = 50 * time.Millisecond
	_, err := testClient(t, config).Post(t.Context(), nexus.Request{URL: url})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 50ms")
}

// TestErrorsHidePasswords: they are shown to whoever may describe the run.
func TestErrorsHidePasswords(t *testing.T) {
	_, err := testClient(t, testConfig()).Post(t.Context(), nexus.Request{URL: "http://user:secret@127.0.0.1:1/x"})
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "secret")
}

// TestLargeAnswersAreCutShort: nobody reads them.
func TestLargeAnswersAreCutShort(t *testing.T) {
	url := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
				return
			}
		}
	})
	r, err := testClient(t, testConfig()).Post(t.Context(), nexus.Request{URL: url})
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode)
}
