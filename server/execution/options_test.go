package execution

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
)

// TestSearchHearsOfAnOverrideAtOnce: its event waits for the worker's answer, what search finds does not.
func TestSearchHearsOfAnOverrideAtOnce(t *testing.T) {
	r := newRig(t)
	r.begin(Start{Request: startRequest()})
	_, err := r.startTask()
	require.NoError(t, err)
	d, err := r.do(UpdateOptions{
		Options: &workflowpb.WorkflowExecutionOptions{VersioningOverride: overrideOf("auto")}, Mask: []string{"versioning_override"},
	})
	require.NoError(t, err)
	require.Empty(t, d.Events)
	require.Contains(t, r.s.ShownSearchAttributes().GetIndexedFields(), "TemporalWorkflowVersioningBehavior")
	require.True(t, d.VisibilityChanged)
}

func TestOverridesOutsideTheMaskAreChecked(t *testing.T) {
	r := newRig(t)
	r.begin(Start{Request: startRequest()})
	_, err := r.do(UpdateOptions{
		Options: &workflowpb.WorkflowExecutionOptions{VersioningOverride: overrideOf("pinned/7"), Priority: &commonpb.Priority{PriorityKey: 2}}, Mask: []string{"priority"},
	})
	require.EqualError(t, err, "Pinned version 'shop:7' is not present in task queue 'q' of type 'Workflow'")
	require.Nil(t, r.s.Priority)
}

func TestOptionsEventTellsThePriorityToo(t *testing.T) {
	r := newRig(t)
	request := startRequest()
	request.Priority = &commonpb.Priority{PriorityKey: 2}
	r.begin(Start{Request: request})
	d, err := r.do(UpdateOptions{
		Options: &workflowpb.WorkflowExecutionOptions{VersioningOverride: overrideOf("auto")}, Mask: []string{"versioning_override"},
	})
	require.NoError(t, err)
	require.Len(t, d.Events, 1)
	require.EqualValues(t, 2, d.Events[0].GetWorkflowExecutionOptionsUpdatedEventAttributes().GetPriority().GetPriorityKey())
}
