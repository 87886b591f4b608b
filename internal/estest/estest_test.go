package estest_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
)

func TestMain(m *testing.M) { os.Exit(estest.Run(m)) }

// TestCrashAndRestart checks that what the server took outlasts its death, and that it is no root's process.
func TestCrashAndRestart(t *testing.T) {
	server := estest.Start(t)
	estest.Send(t, http.MethodPut, server.URL()+"/kept/_doc/1", `{"x":1}`)
	require.Contains(t, estest.Send(t, http.MethodGet, server.URL()+"/_nodes/_local/http", ""), "127.0.0.1")
	server.Crash()
	_, err := http.Get(server.URL())
	require.Error(t, err)
	server.Restart()
	require.Contains(t, estest.Send(t, http.MethodGet, server.URL()+"/kept/_doc/1", ""), `"x":1`)
}
