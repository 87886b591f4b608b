package clients

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// rollout is a deployment whose workers tell their build in every answer.
type rollout struct {
	t      *testing.T
	c      client.Client
	queue  string
	name   string
	handle client.WorkerDeploymentHandle
}

func newRollout(t *testing.T, server target) *rollout {
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	name := "rollout-" + uuid.NewString()
	return &rollout{t: t, c: c, queue: name, name: name, handle: c.WorkerDeploymentClient().GetHandle(name)}
}

// worker runs a build until the returned function is called.
func (r *rollout) worker(build string) (stop func()) {
	w := worker.New(r.c, r.queue, worker.Options{
		Identity: "worker-" + build,
		DeploymentOptions: worker.DeploymentOptions{
			UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: r.name, BuildID: build},
		},
	})
	w.RegisterActivityWithOptions(func(context.Context) (string, error) { return build, nil }, activity.RegisterOptions{Name: "Build"})
	collect := func(ctx workflow.Context) (string, error) { return collectBuilds(ctx, build) }
	for name, behavior := range map[string]workflow.VersioningBehavior{
		"Pinned": workflow.VersioningBehaviorPinned, "Upgrades": workflow.VersioningBehaviorAutoUpgrade,
	} {
		w.RegisterWorkflowWithOptions(collect, workflow.RegisterOptions{Name: name, VersioningBehavior: behavior})
	}
	require.NoError(r.t, w.Start())
	eventually(r.t, "the version is known with both its queues", func() bool {
		v, err := r.handle.DescribeVersion(r.t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: build})
		return err == nil && len(v.Info.TaskQueuesInfos) == 2
	})
	return w.Stop
}

// collectBuilds asks an activity for its build at each signal until one says end.
// It answers with the activities' builds and that of the last workflow task.
func collectBuilds(ctx workflow.Context, build string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	if err := workflow.SetQueryHandler(ctx, "build", func() (string, error) { return build, nil }); err != nil {
		return "", err
	}
	builds := ""
	for {
		var word, of string
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, &word)
		if word == "end" {
			return builds + "/" + build, nil
		}
		if err := workflow.ExecuteActivity(ctx, "Build").Get(ctx, &of); err != nil {
			return "", err
		}
		builds += of
	}
}

func (r *rollout) start(kind string, override client.VersioningOverride) client.WorkflowRun {
	run, err := r.c.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{
		ID: kind + "-" + uuid.NewString(), TaskQueue: r.queue, VersioningOverride: override,
	}, kind)
	require.NoError(r.t, err)
	return run
}

func (r *rollout) signal(run client.WorkflowRun, word string) {
	require.NoError(r.t, r.c.SignalWorkflow(r.t.Context(), run.GetID(), "", "go", word))
}

func (r *rollout) current(build string) {
	_, err := r.handle.SetCurrentVersion(r.t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
	require.NoError(r.t, err)
}

// on waits until a run has completed a task on the build.
func (r *rollout) on(run client.WorkflowRun, build string) {
	eventually(r.t, "the run is on build "+build, func() bool {
		described, err := r.c.DescribeWorkflowExecution(r.t.Context(), run.GetID(), "")
		return err == nil && described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId() == build
	})
}

func (r *rollout) result(run client.WorkflowRun) string {
	var result string
	require.NoError(r.t, run.Get(r.t.Context(), &result))
	return result
}

func (r *rollout) version(v string) worker.WorkerDeploymentVersion {
	return worker.WorkerDeploymentVersion{DeploymentName: r.name, BuildID: v}
}

// drainsSoon are settings under which versions are found drained within seconds.
var drainsSoon = []string{
	"--dynamic-config-value", `matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"`,
	"--dynamic-config-value", `matching.wv.VersionDrainageStatusRefreshInterval="1s"`,
	"--dynamic-config-value", `matching.PollerHistoryTTL="1s"`,
}

// TestGoVersions leads a deployment from its first build to the end of it.
func TestGoVersions(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		r := newRollout(t, server)
		stop1, stop2 := r.worker("1"), r.worker("2")
		defer stop2()
		waiting := r.start("Upgrades", nil) // for a current version
		r.current("1")
		pinned, upgrades := r.start("Pinned", nil), r.start("Upgrades", nil)
		for _, run := range []client.WorkflowRun{waiting, pinned, upgrades} {
			r.on(run, "1")
			r.signal(run, "go")
		}
		forced := r.start("Upgrades", &client.PinnedVersioningOverride{Version: r.version("2")})
		r.signal(forced, "end")
		require.Equal(t, "/2", r.result(forced))

		r.current("2")
		for _, run := range []client.WorkflowRun{waiting, pinned, upgrades} {
			r.signal(run, "go")
		}
		r.on(upgrades, "2")
		var build string
		value, err := r.c.QueryWorkflow(t.Context(), pinned.GetID(), "", "build")
		require.NoError(t, err)
		require.NoError(t, value.Get(&build))
		require.Equal(t, "1", build)
		for _, run := range []client.WorkflowRun{waiting, upgrades} {
			r.signal(run, "end")
			require.Equal(t, "12/2", r.result(run))
		}
		r.drains("1", pinned)
		stop1()
		r.deletes("1")
	}, drainsSoon...)
}

// drains ends the last run of a version and waits until that is noticed.
func (r *rollout) drains(build string, last client.WorkflowRun) {
	status := func() client.WorkerDeploymentVersionDrainageStatus {
		v, err := r.handle.DescribeVersion(r.t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: build})
		require.NoError(r.t, err)
		return v.Info.DrainageInfo.DrainageStatus
	}
	require.Equal(r.t, client.WorkerDeploymentVersionDrainageStatus(client.WorkerDeploymentVersionDrainageStatusDraining), status())
	r.signal(last, "end")
	require.Equal(r.t, "11/1", r.result(last))
	eventually(r.t, "the version is drained", func() bool { return status() == client.WorkerDeploymentVersionDrainageStatusDrained })
}

// deletes deletes a version that is not in use any more.
func (r *rollout) deletes(build string) {
	eventually(r.t, "the version can be deleted", func() bool {
		_, err := r.handle.DeleteVersion(r.t.Context(), client.WorkerDeploymentDeleteVersionOptions{BuildID: build, SkipDrainage: true})
		return err == nil
	})
	_, err := r.handle.DescribeVersion(r.t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: build})
	require.ErrorContains(r.t, err, "not found")
}

// TestGoVersionsRamp gives a share of new runs to a version, then all.
func TestGoVersionsRamp(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		r := newRollout(t, server)
		defer r.worker("1")()
		defer r.worker("2")()
		r.current("1")
		for _, percentage := range []float32{0, 50, 100} {
			_, err := r.handle.SetRampingVersion(t.Context(), client.WorkerDeploymentSetRampingVersionOptions{BuildID: "2", Percentage: percentage})
			require.NoError(t, err)
			const runs = 40
			started := make([]client.WorkflowRun, runs)
			for i := range started {
				started[i] = r.start("Pinned", nil)
				r.signal(started[i], "end")
			}
			ramped := 0
			for _, run := range started {
				if r.result(run) == "/2" {
					ramped++
				}
			}
			// Seven deviations of a binomial distribution.
			spread := 7 * 3.2 * min(float64(percentage), 100-float64(percentage)) / 50
			require.InDelta(t, runs*percentage/100, ramped, spread, fmt.Sprintf("%v percent", percentage))
		}
		described, err := r.c.WorkflowService().DescribeTaskQueue(t.Context(), &workflowservice.DescribeTaskQueueRequest{
			Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: r.queue}, TaskQueueType: enumspb.TASK_QUEUE_TYPE_WORKFLOW,
		})
		require.NoError(t, err)
		require.Equal(t, "1", described.GetVersioningInfo().GetCurrentDeploymentVersion().GetBuildId())
		require.Equal(t, "2", described.GetVersioningInfo().GetRampingDeploymentVersion().GetBuildId())
		require.Len(t, described.GetPollers(), 2)
	})
}
