package server

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// pollVersion polls a queue once as a worker of a version, and tells what is said of it.
func (s *trial) pollVersion(queue, deployment, build string) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: queueNamed(queue), Identity: "worker", DeploymentOptions: &deploymentpb.WorkerDeploymentOptions{
			DeploymentName: deployment, BuildId: build, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
		},
	})
	return said(err)
}

// each does something with n names, and tells of the last.
func each(n int64, do func(name string) string) (came string) {
	for i := range n {
		came = do(fmt.Sprint("n", i))
	}
	return came
}

// rule changes the versioning rules of the queue q.
func (s *trial) rule(req *workflowservice.UpdateWorkerVersioningRulesRequest) string {
	rules, err := s.GetWorkerVersioningRules(s.t.Context(), &workflowservice.GetWorkerVersioningRulesRequest{Namespace: "default", TaskQueue: "q"})
	require.NoError(s.t, err)
	req.Namespace, req.TaskQueue, req.ConflictToken = "default", "q", rules.ConflictToken
	_, err = s.UpdateWorkerVersioningRules(s.t.Context(), req)
	return said(err)
}

func redirect(from, to string) *workflowservice.UpdateWorkerVersioningRulesRequest {
	return &workflowservice.UpdateWorkerVersioningRulesRequest{
		Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleRedirectRule{
			AddCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleBuildIdRedirectRule{
				Rule: &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: from, TargetBuildId: to},
			},
		},
	}
}

func (s *trial) newSet(build string) string { return s.newSetOf("q", build) }

func (s *trial) newSetOf(queue, build string) string {
	_, err := s.UpdateWorkerBuildIdCompatibility(s.t.Context(), &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{ //nolint:staticcheck // old clients call it
		Namespace: "default", TaskQueue: queue,
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet{AddNewBuildIdInNewDefaultSet: build},
	})
	return said(err)
}

// versionLimits: versions of workers, in all the forms of the API.
var versionLimits = []limitCase{
	{
		row: "deployments_max", limit: 2, past: "ResourceExhausted: reached maximum deployments in namespace (2)",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string { return s.pollVersion("q", name, "1") })
		},
	},
	{
		row: "deployment_versions_max", limit: 2, past: "2 versions: the oldest gave way",
		try: func(s *trial, n int64) string {
			require.Equal(s.t, "ok", each(n, func(name string) string {
				rest(seconds(3600)) // the workers of the one before are gone
				return s.pollVersion("q", "d", name)
			}))
			r, err := s.DescribeWorkerDeployment(s.t.Context(), &workflowservice.DescribeWorkerDeploymentRequest{Namespace: "default", DeploymentName: "d"})
			require.NoError(s.t, err)
			if known := len(r.WorkerDeploymentInfo.VersionSummaries); int64(known) != n {
				return fmt.Sprintf("%d versions: the oldest gave way", known)
			}
			return "ok"
		},
	},
	{
		row: "deployment_queues_max", limit: 2, past: "ResourceExhausted: task queue 'n2' cannot be added to version 'd:1': it has the maximum of 2 task queues",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string { return s.pollVersion(name, "d", "1") })
		},
	},
	{
		row: "deployment_metadata_bytes_max", limit: 300, past: "InvalidArgument: the metadata of version 'd:1' would have 301 bytes, more than 300",
		try: func(s *trial, n int64) string {
			require.Equal(s.t, "ok", s.pollVersion("q", "d", "1"))
			value := sized(n-1, func(data []byte) *commonpb.Payload { return &commonpb.Payload{Data: data} }) // its name counts too
			_, err := s.UpdateWorkerDeploymentVersionMetadata(s.t.Context(), &workflowservice.UpdateWorkerDeploymentVersionMetadataRequest{
				Namespace: "default", Version: "d.1", UpsertEntries: map[string]*commonpb.Payload{"m": value},
			})
			return said(err)
		},
	},
	{
		row: "drainage_grace", limit: seconds(100), step: seconds(20), reached: true, past: "Drained", with: map[string]string{"drainage_interval": "1h"},
		try: func(s *trial, n int64) string {
			for _, build := range []string{"1", "2"} {
				require.Equal(s.t, "ok", s.pollVersion("q", "d", build))
				_, err := s.SetWorkerDeploymentCurrentVersion(s.t.Context(), &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
					Namespace: "default", DeploymentName: "d", BuildId: build, Identity: "me",
				})
				require.NoError(s.t, err)
			}
			rest(n + seconds(10)) // so often it is looked at
			r, err := s.DescribeWorkerDeploymentVersion(s.t.Context(), &workflowservice.DescribeWorkerDeploymentVersionRequest{Namespace: "default", Version: "d.1"})
			require.NoError(s.t, err)
			if status := r.WorkerDeploymentVersionInfo.Status; status != enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING {
				return status.String()
			}
			return "ok"
		},
	},
	{
		row: "deployment_reads_per_sec", limit: 2, past: "ResourceExhausted: namespace rate limit exceeded", // bursts are of ten seconds
		try: func(s *trial, n int64) string {
			return s.calls(10*n, func() error {
				_, err := s.ListWorkerDeployments(s.t.Context(), &workflowservice.ListWorkerDeploymentsRequest{Namespace: "default"})
				return err
			})
		},
	},
	{
		row: "build_id_sets_max", limit: 2, past: "FailedPrecondition: update would exceed number of compatible version sets permitted in namespace dynamic config (3/2)",
		try: func(s *trial, n int64) string { return each(n, s.newSet) },
	},
	{
		row: "build_ids_max", limit: 3, past: "FailedPrecondition: update would exceed number of build IDs permitted in namespace dynamic config (4/3)",
		try: func(s *trial, n int64) string { return each(n, s.newSet) },
	},
	{
		row: "build_id_queues_max", limit: 2, past: "FailedPrecondition: Exceeded max task queues allowed to be mapped to a single build ID: 2",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string {
				require.Equal(s.t, "ok", s.newSetOf(name, "another"+name))
				return s.newSetOf(name, "1.0")
			})
		},
	},
	{
		row: "assignment_rules_max", limit: 2, past: "FailedPrecondition: update exceeds number of assignment rules permitted in namespace (3/2)",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string {
				return s.rule(&workflowservice.UpdateWorkerVersioningRulesRequest{
					Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
						InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{
							Rule: &taskqueuepb.BuildIdAssignmentRule{TargetBuildId: name},
						},
					},
				})
			})
		},
	},
	{
		row: "redirect_rules_max", limit: 2, past: "FailedPrecondition: update exceeds number of redirect rules permitted in namespace (3/2)",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string { return s.rule(redirect(name, name+" too")) })
		},
	},
	{
		row: "upstream_builds_max", limit: 2, past: "FailedPrecondition: update exceeds number of upstream build ids permitted in namespace (3/2)",
		try: func(s *trial, n int64) string {
			return each(n, func(name string) string { return s.rule(redirect(name, "target")) })
		},
	},
	{
		row: "reachability_build_ids_max", limit: 2, past: "InvalidArgument: Too many build ids queried at once, limit: 2",
		try: func(s *trial, n int64) string {
			builds := make([]string, n)
			for i := range builds {
				builds[i] = fmt.Sprint("b", i)
			}
			_, err := s.reach(builds, []string{"q"})
			return said(err)
		},
	},
	{
		row: "reachability_queues_max", limit: 2, past: "the last queue was not looked at",
		try: func(s *trial, n int64) string {
			queues := make([]string, n)
			for i := range queues {
				queues[i] = fmt.Sprint("q", i)
			}
			r, err := s.reach([]string{"b"}, queues)
			require.NoError(s.t, err)
			last := r.BuildIdReachability[0].TaskQueueReachability[n-1]
			if len(last.Reachability) == 1 && last.Reachability[0] == enumspb.TASK_REACHABILITY_UNSPECIFIED {
				return "the last queue was not looked at"
			}
			return "ok"
		},
	},
}

//nolint:staticcheck // old clients call it
func (s *trial) reach(builds, queues []string) (*workflowservice.GetWorkerTaskReachabilityResponse, error) {
	return s.GetWorkerTaskReachability(s.t.Context(), &workflowservice.GetWorkerTaskReachabilityRequest{Namespace: "default", BuildIds: builds, TaskQueues: queues})
}
