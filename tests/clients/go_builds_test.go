package clients

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// builds is a task queue whose workers use the older versioning and tell their build in every answer.
type builds struct {
	t     *testing.T
	c     client.Client
	queue string
}

// eachBuilds runs a test on each store, with the calls of the older versioning switched on.
func eachBuilds(t *testing.T, run func(b *builds)) {
	eachTarget(t, func(t *testing.T, server target) {
		c, err := client.DialContext(t.Context(), client.Options{
			HostPort: server.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		})
		require.NoError(t, err)
		defer c.Close()
		run(&builds{t: t, c: c, queue: "builds-" + uuid.NewString()})
	}, "--dynamic-config-value", "frontend.workerVersioningDataAPIs=true", "--dynamic-config-value", "frontend.workerVersioningRuleAPIs=true")
}

// worker runs a build, empty for one without a version, until the returned function is called.
func (b *builds) worker(build string) (stop func()) {
	w := worker.New(b.c, b.queue, worker.Options{
		Identity: "worker-" + build, BuildID: build, UseBuildIDForVersioning: build != "", //nolint:staticcheck // this is the older versioning
	})
	w.RegisterActivityWithOptions(func(context.Context) (string, error) { return build, nil }, activity.RegisterOptions{Name: "Build"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) (string, error) { return collectBuilds(ctx, build) }, workflow.RegisterOptions{Name: "Collect"})
	w.RegisterWorkflowWithOptions(func(workflow.Context) (string, error) { return build, nil }, workflow.RegisterOptions{Name: "Tell"})
	w.RegisterWorkflowWithOptions(family, workflow.RegisterOptions{Name: "Family"})
	require.NoError(b.t, w.Start())
	return w.Stop
}

// family waits for a signal, then starts a child of each intent and answers with their builds.
func family(ctx workflow.Context) (string, error) {
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	all := ""
	for _, intent := range []temporal.VersioningIntent{temporal.VersioningIntentInheritBuildID, temporal.VersioningIntentUseAssignmentRules} { //nolint:staticcheck // this is the older versioning
		var of string
		options := workflow.ChildWorkflowOptions{VersioningIntent: intent} //nolint:staticcheck // likewise
		if err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), "Tell").Get(ctx, &of); err != nil {
			return "", err
		}
		all += of + " "
	}
	return all, nil
}

func (b *builds) start(kind string) client.WorkflowRun {
	run, err := b.c.ExecuteWorkflow(b.t.Context(), client.StartWorkflowOptions{ID: kind + "-" + uuid.NewString(), TaskQueue: b.queue}, kind)
	require.NoError(b.t, err)
	return run
}

func (b *builds) signal(run client.WorkflowRun, word string) {
	require.NoError(b.t, b.c.SignalWorkflow(b.t.Context(), run.GetID(), "", "go", word))
}

func (b *builds) result(run client.WorkflowRun) string {
	var result string
	require.NoError(b.t, run.Get(b.t.Context(), &result))
	return result
}

func (b *builds) set(change client.UpdateWorkerBuildIdCompatibilityOptions) { //nolint:staticcheck // this is the older versioning
	change.TaskQueue = b.queue
	require.NoError(b.t, b.c.UpdateWorkerBuildIdCompatibility(b.t.Context(), &change)) //nolint:staticcheck // likewise
}

func (b *builds) newSet(build string) {
	b.set(client.UpdateWorkerBuildIdCompatibilityOptions{Operation: &client.BuildIDOpAddNewIDInNewDefaultSet{BuildID: build}}) //nolint:staticcheck // likewise
}

func (b *builds) rule(change client.UpdateWorkerVersioningRulesOptions) { //nolint:staticcheck // likewise
	rules, err := b.c.GetWorkerVersioningRules(b.t.Context(), client.GetWorkerVersioningOptions{TaskQueue: b.queue}) //nolint:staticcheck // likewise
	require.NoError(b.t, err)
	change.TaskQueue, change.ConflictToken = b.queue, rules.ConflictToken
	_, err = b.c.UpdateWorkerVersioningRules(b.t.Context(), change) //nolint:staticcheck // likewise
	require.NoError(b.t, err)
}

func (b *builds) assign(build string) {
	b.rule(client.UpdateWorkerVersioningRulesOptions{
		Operation: &client.VersioningOperationInsertAssignmentRule{Rule: client.VersioningAssignmentRule{TargetBuildID: build}},
	}) //nolint:staticcheck // likewise
}

// worked waits until a worker of a build has completed a task of the run.
func (b *builds) worked(run client.WorkflowRun, build string) {
	eventually(b.t, "a worker of build "+build+" has completed a task", func() bool {
		described, err := b.c.DescribeWorkflowExecution(b.t.Context(), run.GetID(), "")
		stamp := described.GetWorkflowExecutionInfo().GetMostRecentWorkerVersionStamp() //nolint:staticcheck // likewise
		return err == nil && stamp.GetBuildId() == build && stamp.GetUseVersioning() == (build != "")
	})
}

// buildIDs is the search attribute of a run.
func (b *builds) buildIDs(run client.WorkflowRun) (values []string) {
	described, err := b.c.DescribeWorkflowExecution(b.t.Context(), run.GetID(), "")
	require.NoError(b.t, err)
	payload := described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()["BuildIds"]
	require.NoError(b.t, converter.GetDefaultDataConverter().FromPayload(payload, &values))
	return values
}

// TestGoBuildIDSets: sets divide runs, compatible builds take them over, and workers without a version keep theirs.
func TestGoBuildIDSets(t *testing.T) {
	eachBuilds(t, func(b *builds) {
		stop := b.worker("")
		defer stop()
		unversioned := b.start("Collect")
		b.signal(unversioned, "go")
		eventually(b.t, "a worker without a version has the run", func() bool { return len(b.buildIDs(unversioned)) > 0 })

		b.newSet("1.0")
		stop1 := b.worker("1.0")
		first, parent := b.start("Collect"), b.start("Family")
		for _, run := range []client.WorkflowRun{first, parent} {
			b.worked(run, "1.0")
		}
		b.signal(first, "go")
		eventually(b.t, "the activity is done", func() bool { return b.activities(first) == 1 })

		b.newSet("2.0")
		stop2 := b.worker("2.0")
		defer stop2()
		second := b.start("Collect")
		b.worked(second, "2.0")
		b.signal(parent, "go")
		require.Equal(b.t, "1.0 2.0 ", b.result(parent), "children")

		b.set(client.UpdateWorkerBuildIdCompatibilityOptions{ //nolint:staticcheck // this is the older versioning
			Operation: &client.BuildIDOpAddNewCompatibleVersion{BuildID: "1.1", ExistingCompatibleBuildID: "1.0"}, //nolint:staticcheck // likewise
		})
		stop1()
		stop11 := b.worker("1.1")
		defer stop11()
		for _, run := range []client.WorkflowRun{unversioned, first, second} {
			b.signal(run, "go")
			b.signal(run, "end")
		}
		require.Equal(b.t, "/", b.result(unversioned))
		require.Equal(b.t, "1.01.1/1.1", b.result(first))
		require.Equal(b.t, "2.0/2.0", b.result(second))
		require.Equal(b.t, []string{"versioned:1.0", "versioned:1.1"}, b.buildIDs(first))
	})
}

// activities counts the activities of a run that are done.
func (b *builds) activities(run client.WorkflowRun) (done int) {
	history := b.c.GetWorkflowHistory(b.t.Context(), run.GetID(), "", false, 0)
	for history.HasNext() {
		e, err := history.Next()
		require.NoError(b.t, err)
		if e.GetActivityTaskCompletedEventAttributes() != nil {
			done++
		}
	}
	return done
}

// TestGoBuildIDRules: rules assign new runs, redirect running ones, and leave the others alone.
func TestGoBuildIDRules(t *testing.T) {
	eachBuilds(t, func(b *builds) {
		b.assign("1.0")
		stop1 := b.worker("1.0")
		first, parent := b.start("Collect"), b.start("Family")
		for _, run := range []client.WorkflowRun{first, parent} {
			b.worked(run, "1.0")
		}
		b.assign("2.0")
		stop2 := b.worker("2.0")
		defer stop2()
		second := b.start("Collect")
		b.worked(second, "2.0")
		b.signal(parent, "go")
		require.Equal(b.t, "1.0 2.0 ", b.result(parent), "children")

		b.rule(client.UpdateWorkerVersioningRulesOptions{
			Operation: &client.VersioningOperationAddRedirectRule{Rule: client.VersioningRedirectRule{SourceBuildID: "1.0", TargetBuildID: "1.1"}},
		}) //nolint:staticcheck // this is the older versioning
		stop1()
		stop11 := b.worker("1.1")
		defer stop11()
		for _, run := range []client.WorkflowRun{first, second} {
			b.signal(run, "go")
			b.signal(run, "end")
		}
		require.Equal(b.t, "1.1/1.1", b.result(first))
		require.Equal(b.t, "2.0/2.0", b.result(second))
		require.Contains(b.t, b.buildIDs(first), "assigned:1.1")
		described, err := b.c.DescribeWorkflowExecution(b.t.Context(), first.GetID(), "")
		require.NoError(b.t, err)
		require.Equal(b.t, "1.1", described.GetWorkflowExecutionInfo().GetAssignedBuildId()) //nolint:staticcheck // likewise
		b.unreachable("1.0")
	})
}

// unreachable waits until nothing is for workers of a build any more.
func (b *builds) unreachable(build string) {
	eventually(b.t, "nothing is for workers of build "+build, func() bool {
		described, err := b.c.DescribeTaskQueueEnhanced(b.t.Context(), client.DescribeTaskQueueEnhancedOptions{ //nolint:staticcheck // likewise
			TaskQueue: b.queue, Versions: &client.TaskQueueVersionSelection{BuildIDs: []string{build}}, ReportTaskReachability: true, //nolint:staticcheck // likewise
		})
		return err == nil && described.VersionsInfo[build].TaskReachability == client.BuildIDTaskReachabilityUnreachable //nolint:staticcheck // likewise
	})
}
