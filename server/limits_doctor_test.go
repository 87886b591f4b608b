package server

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/doctorpb"
)

// pause holds a run.
func (s *trial) pause(id string) {
	s.t.Helper()
	_, err := s.PauseWorkflowExecution(s.t.Context(), &workflowservice.PauseWorkflowExecutionRequest{Namespace: "default", WorkflowId: id, Identity: "anna", Reason: "audit"})
	require.NoError(s.t, err)
}

// fleet asks about all runs as a client does.
func (s *trial) fleet() *doctorpb.DiagnoseFleetResponse {
	s.t.Helper()
	r, err := doctorpb.NewDoctorServiceClient(s.services.frontend.LocalConn()).DiagnoseFleet(s.t.Context(), &doctorpb.DiagnoseFleetRequest{Namespace: "default"})
	require.NoError(s.t, err)
	return r
}

// doctorLimits: the looks for runs in trouble. The first one comes after half a minute.
var doctorLimits = []limitCase{
	{
		row: "doctor_patience", limit: seconds(20), step: instant, past: "workflow-task-unanswered",
		try: func(s *trial, n int64) string {
			s.begin(taskTimeout(time.Minute))
			rest(n)
			if causes := s.diagnose("w").Causes; len(causes) > 0 {
				return causes[0].Code
			}
			return "ok"
		},
	},
	{
		row: "doctor_interval", limit: seconds(100), step: seconds(1), reached: true, past: "counted",
		try: func(s *trial, n int64) string {
			rest(seconds(30))
			require.NoError(s.t, s.start("w"))
			s.pause("w")
			rest(n)
			if s.metrics.Value("perdure_troubled_runs", "workflow-paused", "stuck", "default") > 0 {
				return "counted"
			}
			return "ok"
		},
	},
	{
		row: "doctor_runs_per_sec", limit: 2, past: "2 were looked at",
		try: func(s *trial, n int64) string {
			s.startMany(n)
			rest(seconds(31) - instant)
			seen := int64(s.metrics.Value("perdure_runs_diagnosed_total", "healthy") + s.metrics.Value("perdure_runs_diagnosed_total", "troubled"))
			if seen < n {
				return fmt.Sprint(seen, " were looked at")
			}
			return "ok"
		},
	},
	{
		row: "doctor_runs_max", limit: 2, past: "2 of 3 were looked at",
		try: func(s *trial, n int64) string {
			s.startMany(n)
			rest(seconds(15))
			if r := s.fleet(); r.Truncated {
				return fmt.Sprintf("%d of %d were looked at", r.Examined, r.Candidates)
			}
			return "ok"
		},
	},
}
