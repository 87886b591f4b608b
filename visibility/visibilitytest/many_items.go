package visibilitytest

import (
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// manyItems is more than any run waits for.
const manyItems = 5000

// pendingActivities are many, each with an id and a failure of its own.
func pendingActivities(yield func(map[string]any) bool) {
	for n := range manyItems {
		if !yield(map[string]any{
			"Id": fmt.Sprint("activity-", n), "Type": fmt.Sprint("Type", n%100), "Attempt": int64(manyItems - n), "LastFailure": fmt.Sprint("failure no ", n),
		}) {
			return
		}
	}
}

// testManyItems: a run that waits for very much is found as any other, by what there is room for.
func testManyItems(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	busy := func(runID string, bytesMax int) *visibility.Record {
		rec := newRun(ns, runID, 1)
		count, countType, _ := attr.BuiltIn(attr.PendingActivityCount)
		rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			count:                               attr.Encode(int64(manyItems), countType),
			attr.ItemsKey(attr.PendingActivity): attr.EncodeItems(iter.Seq[map[string]any](pendingActivities), bytesMax),
		}}
		return rec
	}
	bounded, whole := busy("bounded", inside.BytesMax), busy("whole", 16<<20)
	write(t, s, newRun(ns, "idle", 2), bounded, whole)
	for text, want := range map[string]int64{
		"PendingActivityCount = 5000":                                                           2,
		"EXISTS(PendingActivity WHERE Id = 'activity-0' AND Attempt = 5000)":                    2,
		"EXISTS(PendingActivity WHERE Id = 'activity-4999' AND LastFailure CONTAINS 'no 4999')": 1,
		"EXISTS(PendingActivity WHERE Id = 'activity-4999' AND Attempt > 1)":                    0,
		"EXISTS(PendingActivity WHERE Type = 'Type7' AND Attempt < 10)":                         0,
		"EXISTS(PendingActivity WHERE Type = 'Type99' AND Attempt < 10)":                        1,
		"NOT EXISTS(PendingActivity)":                                                           1,
	} {
		result, err := s.Count(t.Context(), ns, Checked(t, text))
		require.NoError(t, err, text)
		require.Equal(t, want, result.Total, text)
	}
	busiest := Checked(t, "PendingActivityCount = 5000")
	for _, rec := range listAll(t, s, ns, busiest, 1) {
		require.Contains(t, rec.SearchAttributes.IndexedFields, attr.ItemsKey(attr.PendingActivity), "the record is as it was written")
	}
	bounded.Version, bounded.Status, bounded.SearchAttributes = 2, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil
	write(t, s, bounded)
	require.Len(t, listAll(t, s, ns, busiest, 0), 1, "what a run does not wait for any more goes with its next record")
}
