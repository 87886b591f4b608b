package estest_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
)

func TestMain(m *testing.M) { os.Exit(estest.Run(m)) }

// send returns the body of an answer without error.
func send(t *testing.T, method, address, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Less(t, answer.StatusCode, 300, "%s", text)
	return string(text)
}

// TestCrashAndRestart checks that what the server took outlasts its death, and that it is no root's process.
func TestCrashAndRestart(t *testing.T) {
	server := estest.Start(t)
	send(t, http.MethodPut, server.URL()+"/kept/_doc/1", `{"x":1}`)
	require.Contains(t, send(t, http.MethodGet, server.URL()+"/_nodes/_local/http", ""), "127.0.0.1")
	server.Crash()
	_, err := http.Get(server.URL())
	require.Error(t, err)
	server.Restart()
	require.Contains(t, send(t, http.MethodGet, server.URL()+"/kept/_doc/1", ""), `"x":1`)
}
