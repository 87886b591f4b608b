package server

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/config"
	"perdure/server/metrics"
)

// limitCase is a row of docs/limits.md, tried once at its limit and once one
// past it, on a whole server in virtual time.
type limitCase struct {
	row   string // its key; for a fixed limit what it is about
	of    string // which of the things that the row bounds
	limit int64  // what it is set to, so low that it is soon reached; nanoseconds for a time
	// try does so much of what is bounded and returns what came of it: "ok" at the limit.
	try func(s *trial, n int64) string
	// past is what comes one past the limit.
	past string
	// reached: it shows at the limit already, so that at means one before it.
	reached bool
	step    int64 // how much one is, below zero for a least value; 0: 1
	// counted: operators hear of it, in a metric and in the log.
	counted bool
	with    map[string]string // other limits to be moved
}

// limitCases is the family: one list for each kind of thing that is bounded.
var limitCases = slices.Concat(
	nameLimits, sizeLimits, historyLimits, pendingLimits, updateLimits, taskLimits, waitLimits, queueLimits, workerLimitCases, requestLimits, versionLimits, searchLimits, filterLimits, doctorLimits, fixedLimits,
)

func TestLimits(t *testing.T) {
	rows := limitRows(t)
	for _, c := range limitCases {
		t.Run(strings.ReplaceAll(strings.TrimSpace(c.row+" "+c.of), " ", "_"), func(t *testing.T) {
			row, known := rows[c.row]
			require.True(t, known, "docs/limits.md has no such row")
			c.check(t, row)
		})
	}
}

// check tries both sides of the limit, and that it is this limit that makes
// the difference: one higher lets pass what it stopped.
func (c limitCase) check(t *testing.T, row limitRow) {
	step := cmp.Or(c.step, 1)
	past := c.limit + step
	if c.reached {
		past = c.limit
	}
	if row.fixed {
		require.Equal(t, row.value, c.limit, "the case is for another value")
	}
	require.Equal(t, "ok", c.run(t, row, c.limit, past-step, false), "at the limit")
	require.Equal(t, c.past, c.run(t, row, c.limit, past, c.counted), "one past the limit")
	if !row.fixed {
		require.Equal(t, "ok", c.run(t, row, c.limit+step, past, false), "the same where the limit is one higher")
	}
}

// run tries n of it on a new server.
func (c limitCase) run(t *testing.T, row limitRow, limit, n int64, counted bool) (came string) {
	synctest.Test(t, func(t *testing.T) {
		moved := map[string]string{}
		for key, value := range c.with {
			moved[key] = value
		}
		if !row.fixed {
			moved[c.row] = row.text(limit)
		}
		s := newTrial(t, moved)
		defer s.stop()
		came = c.try(s, n)
		times := s.metrics.Value("perdure_limits_passed_total", c.row, "default")
		require.Equal(t, counted, times > 0, "times that the metric counts: %v", times)
		require.Equal(t, counted, strings.Contains(s.log.String(), "limit="+c.row), "the log: %s", s.log.String())
	})
	return came
}

// limitRow is a row of docs/limits.md.
type limitRow struct {
	unit  string
	fixed bool
	value int64 // of a fixed limit
}

// text is a value as a configuration has it.
func (r limitRow) text(value int64) string {
	switch r.unit {
	case "time":
		return time.Duration(value).String()
	case "ratio":
		return strconv.FormatFloat(float64(value)/10, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

var (
	settableRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| ([^|]+) \\| [^|]* \\| [^|]* \\|$")
	fixedRow    = regexp.MustCompile(`(?m)^\| ([A-Z][^|]+) \| (\d+) \| ([^|]+) \| [^|]* \|$`)
)

// limitRows reads the page that users read.
func limitRows(t *testing.T) map[string]limitRow {
	page := config.LimitsMarkdown()
	rows := map[string]limitRow{}
	for _, match := range settableRow.FindAllStringSubmatch(page, -1) {
		rows[match[1]] = limitRow{unit: match[2]}
	}
	require.Greater(t, len(rows), 50, "the table was not found")
	for _, match := range fixedRow.FindAllStringSubmatch(page, -1) {
		value, err := strconv.ParseInt(match[2], 10, 64)
		require.NoError(t, err)
		rows[match[1]] = limitRow{unit: match[3], fixed: true, value: value}
	}
	require.Equal(t, strings.Count(page, "\n| ")-2-featureRows(page), len(rows), "rows of the page that were not read")
	return rows
}

// featureRows are rows of the table of features, with its head.
func featureRows(page string) int {
	_, rest, _ := strings.Cut(page, "## Features")
	table, _, _ := strings.Cut(rest, "## ")
	return strings.Count(table, "\n| ")
}

// logged is what a server logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newTrial starts a server with some limits moved, or other settings where the key has a dot.
func newTrial(t *testing.T, moved map[string]string) *trial {
	c := config.Default()
	c.Store, c.Namespaces, c.Shards = "memory:", []string{"default"}, 1
	c.Callbacks.AllowedAddresses = []string{strings.TrimSuffix(receiver, "/")}
	c.Features = config.Features{WorkflowPause: true, BuildIDSets: true, BuildIDRules: true}
	c.Search.Inside = map[string]string{"default": "input"}
	c.SearchAttributes = map[string]string{}
	for name, value := range attributeValues() {
		c.SearchAttributes[name] = value.kind
	}
	for key, value := range moved {
		if !strings.Contains(key, ".") {
			key = "limits." + key
		}
		name := "PERDURE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		require.Empty(t, config.UnknownVariables([]string{name + "=" + value}))
		require.NoError(t, c.ApplyEnvironment([]string{name + "=" + value}))
	}
	require.NoError(t, c.Validate())
	s := &trial{t: t, metrics: metrics.NewRegistry(), log: &logged{}}
	var err error
	s.services, err = startServices(t.Context(), c, Options{
		Version: "trial", Logger: slog.New(slog.NewTextHandler(s.log, nil)), Metrics: s.metrics,
	})
	require.NoError(t, err)
	s.connect()
	return s
}

// triedElsewhere are rows that a server without anybody around it cannot show:
// calls to addresses outside, and versions with old work. They are tried where
// such things can be made up.
var triedElsewhere = map[string]string{
	"callback_request_timeout":       "outbound/client_test.go:TestNoAnswerInTime",
	"callback_retry_initial":         "history/callback_test.go:TestCallbackIsTriedAgain",
	"callback_retry_max":             "history/callback_test.go:TestCallbackOutlastsAnything",
	"outbound_calls_max":             "outbound/queue_test.go:TestCallsAreBounded",
	"outbound_destination_calls_max": "outbound/queue_test.go:TestCallsAreBounded",
	"outbound_waiting_max":           "outbound/queue_test.go:TestFullQueuePostpones",
	"outbound_failures_max":          "outbound/queue_test.go:TestOneFailureIsForgiven",
	"outbound_pause":                 "outbound/queue_test.go:TestFailingDestinationIsLeftAlone",
	"visibility_audit_interval":      "worker/audit_test.go:TestAuditsComeAtTheirInterval",
	"visibility_audit_per_sec":       "../visibility/audit/audit_test.go:TestRate",
	"visibility_query_timeout":       "search/guard_test.go:TestQueryHasAnEnd",
	"visibility_slow_query":          "search/guard_test.go:TestSlowQueryIsTold",
	"visibility_queue_max":           "../visibility/indexer/classes_test.go:TestOffer",
	"visibility_queue_bytes_max":     "../visibility/indexer/classes_test.go:TestBytesAreBounded",
	"visibility_log_rows_max":        "history/feed_test.go:TestLostStoreIsRebuilt",
	"dead_letters_max":               "search/letters_test.go:TestDeadLettersAreBounded",
	"trace_spans_max":                "spans/spans_test.go:TestTooManySpansLeaveTheLeastOut",
	"trace_queue_max":                "tracing/tracing_test.go:TestAFullQueueDrops",
	"trace_runs_max":                 "history/traces_test.go:TestTooManyClosedRunsAreDropped",
	"drainage_interval":              "rollout/rollout_test.go:TestDrainage",
}

// TestEveryLimitIsTried: who adds a limit shows what comes of passing it.
func TestEveryLimitIsTried(t *testing.T) {
	untried := limitRows(t)
	tried := func(row string) {
		_, known := untried[row]
		require.True(t, known, "%s is no row, or has a case and is tried elsewhere", row)
		delete(untried, row)
	}
	for row, where := range triedElsewhere {
		tried(row)
		file, test, _ := strings.Cut(where, ":")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "func "+test+"(t *testing.T)", row)
	}
	seen := map[string]bool{}
	for _, c := range limitCases {
		if !seen[c.row] {
			tried(c.row)
		}
		seen[c.row] = true
	}
	require.Empty(t, slices.Sorted(maps.Keys(untried)), "limits of server/config/limits.go without a case in limitCases")
}
