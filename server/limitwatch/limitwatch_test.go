package limitwatch

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
)

func TestEachTimeCountsAndFewAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		reg := metrics.NewRegistry()
		w := New(slog.New(slog.NewTextHandler(&log, nil)), reg)
		for range 3 {
			w.Passed("shop", "signals_max", 11, "workflow_id", "w")
		}
		w.Passed("shop", "blob_bytes_warn", 7)
		require.Equal(t, 3.0, reg.Value("perdure_limits_passed_total", "signals_max", "shop"))
		require.Equal(t, 1.0, reg.Value("perdure_limits_passed_total", "blob_bytes_warn", "shop"))
		require.Equal(t, 2, strings.Count(log.String(), "\n"), "one line a limit: %s", &log)
		require.Contains(t, log.String(), `level=WARN msg="a limit was passed" limit=signals_max namespace=shop size=11 workflow_id=w`)

		log.Reset()
		time.Sleep(quiet)
		w.Passed("shop", "signals_max", 12)
		require.Contains(t, log.String(), "size=12 not_logged=2")
		w.Passed("shop", "signals_max", 13)
		require.Equal(t, 1, strings.Count(log.String(), "\n"))
	})
}

func TestNobodyWatches(t *testing.T) {
	var w *Watch
	w.Passed("shop", "signals_max", 1)
}
