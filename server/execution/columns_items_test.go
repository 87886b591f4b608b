package execution

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// TestManyPendingActivities: however many activities a run waits for, search keeps a bounded part of them, and of those that fail the
// most before all others.
func TestManyPendingActivities(t *testing.T) {
	const pending, failing = 5000, 4321
	s := &State{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	for id := range int64(pending) {
		a := &Activity{
			ActivityID: fmt.Sprint(strings.Repeat("i", 900), id), Attempt: 1, ScheduledTime: epoch.Add(time.Duration(id)),
			Options: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: fmt.Sprint(strings.Repeat("t", 900), id)}},
		}
		if id == failing {
			a.ActivityID, a.Attempt, a.LastFailure = "stuck", 7, &failurepb.Failure{Message: strings.Repeat("f", 4000)}
		}
		s.Activities.put(id, a)
	}
	columns := s.SearchColumns(&inside.Look{Pending: true})
	bytes := 0
	for _, payload := range columns {
		bytes += len(payload.Data)
	}
	require.Less(t, bytes, inside.BytesMax+columnTypesMax*1000)
	count, _, _ := attr.BuiltIn(attr.PendingActivityCount)
	require.Equal(t, fmt.Sprint(pending), string(columns[count].Data))
	kept := attr.DecodeItems(attr.PendingActivity, columns[attr.ItemsKey(attr.PendingActivity)])
	require.NotEmpty(t, kept)
	require.Equal(t, "stuck", kept[0]["Id"].Value)
	require.Len(t, kept[0]["LastFailure"].Value, itemFailureBytesMax)
	require.LessOrEqual(t, len(columns[attr.ItemsKey(attr.PendingActivity)].Data), inside.BytesMax)
}
