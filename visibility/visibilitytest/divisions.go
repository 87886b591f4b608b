package visibilitytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
)

// divisions are what lists of schedules, batches and the like consist of. The first is that of ordinary runs.
var divisions = []string{"", "TemporalScheduler", "TemporalBatcher", "it's \"one\""}

// testDivisions lists drawn records by their namespace division, each with filters, pages and counts: a list that names none
// has the runs without one, whatever else there is.
func testDivisions(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	const runs = 240
	draw := rapid.Custom(func(t *rapid.T) *visibility.Record { return DrawRecord(t, ns, 0) })
	records := make([]*visibility.Record, runs)
	for i := range records {
		rec := draw.Example(i)
		rec.RunID = fmt.Sprintf("run-%04d", i)
		delete(rec.SearchAttributes.GetIndexedFields(), attr.NamespaceDivision)
		if division := divisions[i%len(divisions)]; division != "" {
			rec.SearchAttributes = attr.Merge(rec.SearchAttributes, &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
				attr.NamespaceDivision: attr.Encode(division, enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			}})
		}
		records[i] = rec
	}
	write(t, s, records...)
	for i, division := range divisions {
		within := "TemporalNamespaceDivision = '" + strings.ReplaceAll(division, "'", "''") + "' AND "
		if division == "" {
			within = ""
		}
		for _, filter := range []string{"WorkflowId IS NOT NULL", "ExecutionStatus = 'Running'", "WorkflowType > 'a' OR env IS NULL"} {
			q := Checked(t, within+"("+filter+")")
			want := []string{}
			for place, rec := range records {
				if place%len(divisions) == i && eval.Match(q.Where, visibility.Row(rec)) {
					want = append(want, rec.RunID)
				}
			}
			found := runIDs(listAll(t, s, ns, q, 7))
			slices.Sort(found)
			require.Equal(t, want, found, q.String())
			counted, err := s.Count(t.Context(), ns, q)
			require.NoError(t, err)
			require.EqualValues(t, len(want), counted.Total, q.String())
		}
	}
	require.Equal(t, map[string]int64{divisions[0]: 60, divisions[1]: 60, divisions[2]: 60, divisions[3]: 60}, groups(t, s, ns, "GROUP BY TemporalNamespaceDivision"))
	require.Len(t, list(t, s, ns, "TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision IS NOT NULL"), runs)
}
