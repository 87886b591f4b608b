package elastic

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/visibilitytest"
)

// TestExplain checks that plans name attributes and steps, and no value of the query.
func TestExplain(t *testing.T) {
	s, err := Open(t.Context(), Options{URLs: []string{estest.URL(t)}, Prefix: estest.Prefix()})
	require.NoError(t, err)
	defer s.Close()
	for text, want := range map[string]struct {
		counts bool
		steps  []string
		parts  []string
	}{
		"env = 'secret' AND WorkflowId STARTS_WITH 'secret'":   {steps: []string{stepSearch}, parts: []string{"2:env=?", "workflow_id", "prefix"}},
		"MATCH(Notes, 'secret secret') OR env LIKE '%secret%'": {steps: []string{stepSearch}, parts: []string{"1:^notes=?", "2:env=?", "wildcard"}},
		"CustomIntField > 424242 AND StartTime > 424242":       {steps: []string{stepSearch}, parts: []string{"3:^custom^int^field=?", "start_time"}},
		"env = Region AND env != 'secret'":                     {steps: []string{stepRecords, stepSearch}, parts: []string{`"2:env"`}},
		"env = 'secret' GROUP BY WorkflowType":                 {counts: true, steps: []string{stepGroups, stepSearch}, parts: []string{"composite"}},
		"env = 'secret'":                                       {counts: true, steps: []string{stepSearch}, parts: []string{"track_total_hits"}},
		"SELECT COUNT_DISTINCT(Tags) WHERE Tags = 'secret'":    {counts: true, steps: []string{stepCount, stepSearch}},
	} {
		plan, err := s.Explain(t.Context(), visibility.ExplainRequest{NamespaceID: "secret", Query: visibilitytest.Checked(t, text), Counts: want.counts})
		require.NoError(t, err)
		var steps []string
		for _, step := range plan.Steps {
			steps = append(steps, step.Kind)
		}
		require.Equal(t, want.steps, steps, text)
		require.NotContains(t, plan.Statement, "secret", text)
		require.NotContains(t, plan.Statement, "424242", text)
		require.True(t, strings.HasPrefix(plan.Statement, "POST /"+s.readAlias()+"/_search {"))
		for _, part := range want.parts {
			require.Contains(t, plan.Statement, part, text)
		}
	}
}
