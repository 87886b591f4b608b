package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/serverprocess"
)

const (
	// goldenJobs is how many scripts are played at a time.
	goldenJobs = "8"
	// goldenHistoriesLeast is how many recorded histories must be equal at the least, of 167.
	goldenHistoriesLeast = 110
	// environmentGoldenPending also plays what golden_pending.txt lists, to find entries that are equal by now.
	environmentGoldenPending = "PERDURE_GOLDEN_PENDING"
	// environmentPython names a Python that has python/requirements.txt; without it .cache/venv is taken.
	environmentPython = "PERDURE_PYTHON"
)

// requiredRPCs are those whose error rows must be equal: what any SDK worker or client needs.
var requiredRPCs = []string{
	"RegisterNamespace", "DescribeNamespace", "StartWorkflowExecution", "ExecuteMultiOperation", "GetWorkflowExecutionHistory",
	"PollWorkflowTaskQueue", "RespondWorkflowTaskCompleted", "RespondWorkflowTaskFailed", "PollActivityTaskQueue",
	"RecordActivityTaskHeartbeat", "RecordActivityTaskHeartbeatById", "RespondActivityTaskCompleted",
	"RespondActivityTaskCompletedById", "RespondActivityTaskFailed", "RespondActivityTaskFailedById",
	"RespondActivityTaskCanceled", "RespondActivityTaskCanceledById", "RequestCancelWorkflowExecution",
	"SignalWorkflowExecution", "SignalWithStartWorkflowExecution", "TerminateWorkflowExecution", "RespondQueryTaskCompleted",
	"ResetStickyTaskQueue", "ShutdownWorker", "QueryWorkflow", "DescribeWorkflowExecution", "GetSystemInfo",
	"UpdateWorkflowExecution", "PollWorkflowExecutionUpdate",
}

// played is the outcome of one script or row, as play_all.py prints it.
type played struct {
	ID         string  `json:"id"`
	Equal      bool    `json:"equal"`
	CodesEqual bool    `json:"codes_equal"`
	Seconds    float64 `json:"seconds"`
	Diff       string  `json:"diff"`
}

// TestGoldenHistories plays the recorded histories. Those that wait for a feature are listed in golden_pending.txt.
func TestGoldenHistories(t *testing.T) {
	pending := readListing(t, "testdata/golden_pending.txt", 2)
	scripts, err := filepath.Glob(filepath.Join(dataFolder(t), "histories", "scripts", "*.json"))
	require.NoError(t, err)
	var ids []string
	for _, script := range scripts {
		id := strings.TrimSuffix(filepath.Base(script), ".json")
		if pending[id] == nil || os.Getenv(environmentGoldenPending) != "" {
			ids = append(ids, id)
		}
	}
	requireKnown(t, pending, scripts, func(script string) string { return strings.TrimSuffix(filepath.Base(script), ".json") })
	eachTarget(t, func(t *testing.T, server target) {
		equal := 0
		for _, result := range playAll(t, "histories", server.address, ids) {
			if result.Equal {
				equal++
			}
			t.Run(result.ID, func(t *testing.T) {
				if entry := pending[result.ID]; entry != nil {
					require.False(t, result.Equal, "equal by now: take it out of golden_pending.txt (%s)", entry[0])
					return
				}
				require.True(t, result.Equal, "after %.1f s:\n%s", result.Seconds, result.Diff)
			})
		}
		t.Logf("%d of %d recorded histories are equal, %d wait for a feature", equal, len(scripts), len(pending))
		require.GreaterOrEqual(t, equal, goldenHistoriesLeast)
	})
}

// TestGoldenErrors plays the recorded error rows of the RPCs that every SDK needs. errors_departures.txt lists the others.
func TestGoldenErrors(t *testing.T) {
	departures := readListing(t, "testdata/errors_departures.txt", 3)
	ids := requiredErrorRows(t)
	requireKnown(t, departures, ids, func(id string) string { return id })
	eachTarget(t, func(t *testing.T, server target) {
		equal := 0
		for _, result := range playAll(t, "errors", server.address, ids) {
			if result.Equal {
				equal++
			}
			t.Run(result.ID, func(t *testing.T) { requireErrorRow(t, departures[result.ID], result) })
		}
		t.Logf("%d of %d error rows are equal, %d depart with a reason", equal, len(ids), len(departures))
	})
}

func requireErrorRow(t *testing.T, departure []string, result played) {
	t.Helper()
	if departure == nil {
		require.True(t, result.Equal, result.Diff)
		return
	}
	require.False(t, result.Equal, "equal by now: take it out of errors_departures.txt (%s)", departure[1])
	require.Contains(t, []string{"words", "departs", "pending"}, departure[0], "unknown kind in errors_departures.txt")
	if departure[0] == "words" {
		require.True(t, result.CodesEqual, "only the words may differ (%s):\n%s", departure[1], result.Diff)
	}
}

// requiredErrorRows are the ids of the rows of requiredRPCs.
func requiredErrorRows(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dataFolder(t), "errors.jsonl"))
	require.NoError(t, err)
	var ids []string
	for line := range bytes.Lines(content) {
		var row struct{ ID, RPC string }
		require.NoError(t, json.Unmarshal(line, &row))
		if slices.Contains(requiredRPCs, row.RPC) {
			ids = append(ids, row.ID)
		}
	}
	require.NotEmpty(t, ids)
	return ids
}

// playAll plays ids against address and returns the results ordered by id.
func playAll(t *testing.T, mode, address string, ids []string) []played {
	t.Helper()
	command := exec.CommandContext(t.Context(), python(t), "testdata/play_all.py", mode, dataFolder(t), address, goldenJobs)
	command.Stdin = strings.NewReader(strings.Join(ids, "\n"))
	var problems bytes.Buffer
	command.Stderr = &problems
	output, err := command.Output()
	require.NoError(t, err, problems.String())
	var results []played
	for line := range bytes.Lines(output) {
		var result played
		require.NoError(t, json.Unmarshal(line, &result))
		results = append(results, result)
	}
	require.Len(t, results, len(ids), problems.String())
	slices.SortFunc(results, func(a, b played) int { return strings.Compare(a.ID, b.ID) })
	return results
}

// readListing reads lines of an id and columns-1 more words, of which the last takes the rest of the line.
func readListing(t *testing.T, file string, columns int) map[string][]string {
	t.Helper()
	content, err := os.Open(file)
	require.NoError(t, err)
	defer content.Close()
	listing := map[string][]string{}
	for lines := bufio.NewScanner(content); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var words []string
		for range columns - 1 {
			word, rest, found := strings.Cut(line, " ")
			require.True(t, found, "%s: %q needs %d columns", file, lines.Text(), columns)
			words, line = append(words, word), strings.TrimSpace(rest)
		}
		require.NotContains(t, listing, words[0], "%s lists an id twice", file)
		listing[words[0]] = append(words[1:], line)
	}
	return listing
}

// requireKnown fails for a listed id that is not in the recorded data.
func requireKnown[Item any](t *testing.T, listing map[string][]string, recorded []Item, id func(Item) string) {
	t.Helper()
	known := map[string]bool{}
	for _, item := range recorded {
		known[id(item)] = true
	}
	for listed := range listing {
		require.True(t, known[listed], "listed but not recorded: %s", listed)
	}
}

func dataFolder(t *testing.T) string {
	t.Helper()
	return projectPath(t, "internal", "apitest", "testdata", "api")
}

// python is the interpreter for the Python suite and the player.
func python(t *testing.T) string {
	t.Helper()
	if given := os.Getenv(environmentPython); given != "" {
		return given
	}
	interpreter := projectPath(t, ".cache", "venv", "bin", "python")
	require.FileExists(t, interpreter, "make test prepares it; or set %s", environmentPython)
	return interpreter
}

// projectPath is a path below the folder with go.mod.
func projectPath(t *testing.T, elements ...string) string {
	t.Helper()
	root, err := serverprocess.ProjectRoot()
	require.NoError(t, err)
	return filepath.Join(append([]string{root}, elements...)...)
}
