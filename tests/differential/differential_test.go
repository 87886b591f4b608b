package differential

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/internal/serverprocess"
)

const (
	// environmentAddress names the gRPC address of a second server with namespace default and pauses of runs switched on; without
	// it Perdure on memory is compared with Perdure on SQLite.
	environmentAddress = "PERDURE_DIFF_ADDRESS"
	// environmentSeeds is how many plans are played, environmentFirstSeed the first one.
	environmentSeeds, environmentFirstSeed = "PERDURE_DIFF_SEEDS", "PERDURE_DIFF_FIRST_SEED"
	// environmentFolder is where the whole records of least plans that differ go; without it none are kept.
	environmentFolder = "PERDURE_DIFF_FOLDER"
	// seedsUsual takes a few seconds.
	seedsUsual = 12
	// repetitionsMost bounds the plays that make a failing plan smaller.
	repetitionsMost = 60
	startTimeout    = 30 * time.Second
	// playsMost bounds the plays of a plan on a machine that is too slow for it.
	playsMost = 4
	// linesAround a difference are printed.
	linesAround = 6
	// linesOfCall are printed of the step itself.
	linesOfCall = 40
)

// TestServersAnswerAlike plays seeded plans on Perdure and on a second server.
func TestServersAnswerAlike(t *testing.T) {
	pair := startPair(t)
	first, count := numberFrom(t, environmentFirstSeed, 1), numberFrom(t, environmentSeeds, seedsUsual)
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			steps := newPlan(uint64(seed))
			difference := pair.compare(t, steps)
			if difference == nil {
				return
			}
			steps, difference = pair.minimize(t, steps, difference)
			difference.keep(t, seed)
			require.Fail(t, "the servers differ", "least plan:\n%s\n%s", steps, difference)
		})
	}
}

// TestNormalizerKeepsDifferences guards the comparison itself: what it hides must be chance only.
func TestNormalizerKeepsDifferences(t *testing.T) {
	n := newNormalizer("u1")
	require.Equal(t, "$U-w0 $ID_1 $ID_2 $ID_1", n.text("u1-w0 "+
		"11111111-1111-4111-8111-111111111111 22222222-2222-4222-8222-222222222222 11111111-1111-4111-8111-111111111111"))
	require.NotNil(t, compareRecords([]string{"a", "b"}, []string{"a", "c"}))
	require.NotNil(t, compareRecords([]string{"a"}, []string{"a", "c"}))
	require.Nil(t, compareRecords([]string{"a", "b"}, []string{"a", "b"}))
}

// pair is the two servers.
type pair struct {
	names    [2]string
	services [2]workflowservice.WorkflowServiceClient
	plays    int
}

func startPair(t *testing.T) *pair {
	t.Helper()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	pausing := []string{"--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"}
	memory := startServer(t, serverprocess.Options{Binary: binary, ExtraArguments: pausing})
	if address := os.Getenv(environmentAddress); address != "" {
		return &pair{names: [2]string{"perdure", address}, services: [2]workflowservice.WorkflowServiceClient{dial(t, memory), dial(t, address)}}
	}
	file := startServer(t, serverprocess.Options{Binary: binary, ExtraArguments: pausing, DatabaseFile: filepath.Join(t.TempDir(), "perdure.db")})
	return &pair{names: [2]string{"memory", "sqlite"}, services: [2]workflowservice.WorkflowServiceClient{dial(t, memory), dial(t, file)}}
}

func startServer(t *testing.T, options serverprocess.Options) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	server, err := serverprocess.Start(ctx, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Kill()) })
	return server.Address
}

func dial(t *testing.T, address string) workflowservice.WorkflowServiceClient {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	service := workflowservice.NewWorkflowServiceClient(connection)
	registerAttributes(t, operatorservice.NewOperatorServiceClient(connection), service)
	return service
}

// registerAttributes returns when the server takes starts with all of them.
func registerAttributes(t *testing.T, operator operatorservice.OperatorServiceClient, service workflowservice.WorkflowServiceClient) {
	t.Helper()
	_, err := operator.AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: attributes})
	require.NoError(t, err)
	fields := map[string]*commonpb.Payload{}
	for name := range attributes {
		fields[name] = attribute("null", "")
	}
	require.Eventually(t, func() bool {
		_, err := service.StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
			Namespace: namespace, WorkflowId: "has-attributes", WorkflowType: &commonpb.WorkflowType{Name: "kind"}, RequestId: "has-attributes",
			TaskQueue: &taskqueuepb.TaskQueue{Name: "has-attributes"}, SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
			WorkflowRunTimeout: durationpb.New(time.Second), WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		})
		return err == nil
	}, startTimeout, 100*time.Millisecond)
}

// difference is the first step that shows different things.
type difference struct {
	step    int
	text    string
	records [2][]string
}

func (d *difference) String() string { return fmt.Sprintf("at step %d:\n%s", d.step, d.text) }

// isOfSlowPlay tells whether the task of an update waited until it timed out, which takes five seconds: the plans ask for it
// sooner, so the machine was slow. Whether it comes before the next step is chance then.
func (d *difference) isOfSlowPlay() bool {
	return slices.ContainsFunc(append(slices.Clone(d.records[0]), d.records[1]...), func(entry string) bool {
		return strings.Contains(entry, "workflowTaskTimedOutEventAttributes") && strings.Contains(entry, "TIMEOUT_TYPE_SCHEDULE_TO_START")
	})
}

// keep writes the records of both servers to files, for a look with other tools.
func (d *difference) keep(t *testing.T, seed int) {
	t.Helper()
	folder := os.Getenv(environmentFolder)
	if folder == "" {
		return
	}
	for i, record := range d.records {
		file := filepath.Join(folder, fmt.Sprintf("seed-%d-%c.txt", seed, 'a'+i))
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(record, "\n\n")+"\n"), 0o600))
	}
}

// compare plays steps on both servers at the same time. A difference is believed of a play that was quick enough.
func (p *pair) compare(t *testing.T, steps plan) *difference {
	t.Helper()
	for range playsMost - 1 {
		found := p.compareOnce(t, steps)
		if found == nil || !found.isOfSlowPlay() {
			return found
		}
	}
	return p.compareOnce(t, steps)
}

func (p *pair) compareOnce(t *testing.T, steps plan) *difference {
	t.Helper()
	p.plays++
	prefix := fmt.Sprintf("d%d-%d", time.Now().UnixNano(), p.plays)
	var records [2][]string
	var errs [2]error
	var both sync.WaitGroup
	for i := range 2 {
		both.Go(func() { records[i], errs[i] = play(t.Context(), p.services[i], prefix, steps) })
	}
	both.Wait()
	require.NoError(t, errs[0], "on %s", p.names[0])
	require.NoError(t, errs[1], "on %s", p.names[1])
	found := compareRecords(records[0], records[1])
	if found != nil {
		found.records = records
		found.text = fmt.Sprintf("- %s\n+ %s\n%s", p.names[0], p.names[1], found.text)
	}
	return found
}

// minimize drops what comes after the difference, then steps one by one as long as some difference stays.
func (p *pair) minimize(t *testing.T, steps plan, found *difference) (plan, *difference) {
	t.Helper()
	steps = steps[:min(found.step+1, len(steps))]
	repetitions := 0
	for i := len(steps) - 2; i >= 0 && repetitions < repetitionsMost; i-- {
		repetitions++
		smaller := steps.without(i)
		if still := p.compare(t, smaller); still != nil {
			steps, found = smaller[:min(still.step+1, len(smaller))], still
			i = min(i, len(steps)-1)
		}
	}
	return steps, found
}

// compareRecords is nil for equal ones.
func compareRecords(a, b []string) *difference {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return &difference{step: i, text: firstDifference(strings.Split(a[i], "\n"), strings.Split(b[i], "\n"))}
		}
	}
	if len(a) != len(b) {
		return &difference{step: min(len(a), len(b)), text: "one has more steps"}
	}
	return nil
}

// firstDifference shows the lines around the first one that differs.
func firstDifference(a, b []string) string {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n", strings.Join(a[:min(at, linesOfCall)], "\n"))
	fmt.Fprintf(&text, "… line %d:\n  %s\n", at, strings.Join(a[max(0, at-linesAround):at], "\n  "))
	fmt.Fprintf(&text, "- %s\n", strings.Join(a[at:min(len(a), at+linesAround)], "\n- "))
	fmt.Fprintf(&text, "+ %s", strings.Join(b[at:min(len(b), at+linesAround)], "\n+ "))
	return text.String()
}

func numberFrom(t *testing.T, name string, usual int) int {
	t.Helper()
	if os.Getenv(name) == "" {
		return usual
	}
	number, err := strconv.Atoi(os.Getenv(name))
	require.NoError(t, err, name)
	return number
}
