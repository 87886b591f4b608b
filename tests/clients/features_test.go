package clients

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// features are what every SDK suite must show; a suite may have more cases. The names are shared by the suites.
var features = []string{
	"start", "execute", "signal", "signal-with-start", "query", "update", "update-with-start", "cancel", "terminate", "child",
	"continue-as-new", "cron", "retry", "heartbeat", "heartbeat-timeout", "async-completion", "local-activity", "timers",
	"list", "count", "describe", "show",
}

const (
	// caseTimeout bounds one case of a suite.
	caseTimeout = 45 * time.Second
	// conditionInterval is how often a condition is asked again.
	conditionInterval = 25 * time.Millisecond
)

// requireFeatures fails when a suite lacks a feature.
func requireFeatures(t *testing.T, cases map[string]bool) {
	t.Helper()
	for _, feature := range features {
		require.True(t, cases[feature], "the suite has no case %q", feature)
	}
}

// eventually asks condition until it holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, caseTimeout, conditionInterval, what)
}
