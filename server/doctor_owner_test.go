package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/diagnosis"
)

// examine asks the doctor itself: the front end has gone.
func (s *trial) examine(id string) *diagnosis.Report {
	s.t.Helper()
	ns, err := s.services.namespaces.ByName(s.t.Context(), "default")
	require.NoError(s.t, err)
	report, err := s.services.doctor.Diagnose(s.t.Context(), ns, id, "")
	require.NoError(s.t, err)
	return report
}

func TestShardWithoutOwnerIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		require.NoError(t, s.begin().complete(timerNamed("t")))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.services.answerPolls(ctx))
		require.NoError(t, s.services.history.Stop(ctx)) // its leases are released
		report := s.examine("w")
		require.Equal(t, diagnosis.ShardUnowned, report.First(), "%v", report)
		require.Equal(t, diagnosis.VerdictStuck, report.Verdict)
		require.NoError(t, s.services.stop(ctx))
	})
}

// TestStoreThatRefusesIsNamed: the store takes nothing any more, and says so.
func TestStoreThatRefusesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTrial(t, nil)
		require.NoError(t, s.begin().complete(timerNamed("t")))
		require.NoError(t, s.services.store.Close())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := s.SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: runOf("w"), SignalName: "s"})
		cancel()
		require.Error(t, err)
		report := s.examine("w")
		require.Equal(t, diagnosis.CommitsFailing, report.First(), "%v", report)
		require.Contains(t, report.Causes[0].Sentence, "store is closed")
		require.Equal(t, diagnosis.VerdictStuck, report.Verdict)
		last, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		require.NoError(t, s.services.answerPolls(last))
		_ = s.services.stop(last) // what it cannot store any more it says
	})
}
